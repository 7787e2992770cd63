"""Reads local files without ever blocking, and writes files that only their owner can read."""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkstemp
from typing import BinaryIO, TextIO

MEBIBYTE = 1024 * 1024


@contextmanager
def open_regular(path: Path, max_bytes: int) -> Iterator[BinaryIO]:
    """Opens a regular file for reading. Raises OSError for anything else, such as a pipe, a device or a folder, and if
    the file has more than `max_bytes`. It can still grow while it is read."""
    # Without O_NONBLOCK, opening a pipe would block until another process writes to it.
    with open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK | os.O_CLOEXEC)) as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise OSError(f"{path} is not a regular file")
        if status.st_size > max_bytes:
            raise OSError(f"{path} has more than {max_bytes // MEBIBYTE} MiB")
        yield file


def read_regular(path: Path, max_bytes: int) -> bytes:
    """Returns the content of a regular file. Raises OSError for anything else, such as a pipe, a device or a folder,
    and for more than `max_bytes`, even if the file grows while it is read."""
    with open_regular(path, max_bytes) as file:
        content = file.read(max_bytes + 1)
    if len(content) > max_bytes:
        raise OSError(f"{path} has more than {max_bytes // MEBIBYTE} MiB")
    return content


def write_private(path: Path, text: str) -> None:
    """Writes a file that only its owner can read, and restricts the permissions of an existing one. Raises OSError, for
    example if the path isn't a regular file."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_NONBLOCK | os.O_CLOEXEC
    with open(path, "w", encoding="utf-8", opener=lambda name, _: os.open(name, flags, 0o600)) as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError(f"{path} is not a regular file")
        os.fchmod(file.fileno(), 0o600)
        file.truncate(0)
        file.write(text)


@dataclass(frozen=True, slots=True)
class UnfinishedFile:
    """A file under a temporary name, in the folder of the file that it becomes."""

    text: TextIO
    temporary: Path
    path: Path

    def sync(self) -> None:
        """Makes sure that everything written is on the disk."""
        self.text.flush()
        os.fsync(self.text.fileno())

    def move(self) -> None:
        """Gives the file its name, replacing an existing file, and makes sure that this is on the disk, too."""
        self.temporary.replace(self.path)
        folder = os.open(self.path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


@contextmanager
def unfinished_file(path: Path) -> Iterator[UnfinishedFile]:
    """Creates a file that only its owner can read. Removes it at the end, unless it was moved."""
    descriptor, name = mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "w", encoding="ascii", newline="") as text:
            yield UnfinishedFile(text, temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def replace_private(path: Path, text: str) -> None:
    """Writes a file that only its owner can read, or replaces it. After a crash, it has the old content or the new.

    Its folder must exist, and the text must be ASCII. A symbolic link is replaced, not followed. Raises OSError.
    """
    with unfinished_file(path) as file:
        file.text.write(text)
        file.sync()
        file.move()
