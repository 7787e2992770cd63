"""Writes the file and the token file of an export, so that no change is ever lost.

Both are first written completely under temporary names. Then the file gets its name, then the token file. If the
program stops in between, the file is there and the old token remains: the next export has the same changes again.
"""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO


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
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "w", encoding="ascii", newline="") as text:
            yield UnfinishedFile(text, temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
