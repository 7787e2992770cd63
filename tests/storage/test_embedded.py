"""The embedded database is private and durable, and starts again after it was killed."""

import fcntl
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import psycopg
import pytest

from storage.postgres import postmaster
from storage.postgres.embedded import EmbeddedDatabaseFailed, EmbeddedPostgres, binaries
from tests.support.waiting import wait_until

ROOT = Path(__file__).parents[2]
IS_ROOT = os.geteuid() == 0
needs_root = pytest.mark.skipif(not IS_ROOT, reason="only root can create files of other users")


Start = Callable[[Path], EmbeddedPostgres]


@pytest.fixture
def start() -> Iterator[Start]:
    """Returns EmbeddedPostgres.start. Everything that it starts is stopped after the test."""
    started: list[EmbeddedPostgres] = []

    def start(home: Path) -> EmbeddedPostgres:
        started.append(EmbeddedPostgres.start(home))
        return started[-1]

    yield start
    for embedded in started:
        embedded.stop()
    for embedded in started:
        remove(socket_directory(embedded))


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def far_home(tmp_path: Path) -> Iterator[Path]:
    """Returns a data directory whose path is too long for a socket in it."""
    home = tmp_path / ("far" * 40)
    yield home
    remove(socket_directory(EmbeddedPostgres(home)))


def remove(path: Path) -> None:
    if path.is_symlink():
        path.unlink()
    elif path.exists():
        shutil.rmtree(path)


def ask(embedded: EmbeddedPostgres, statement: str) -> str:
    with psycopg.connect(embedded.url, autocommit=True) as connection:
        cursor = connection.execute(statement)
        row = cursor.fetchone() if cursor.description else None
    return str(row[0]) if row else ""


def socket_directory(embedded: EmbeddedPostgres) -> Path:
    return Path(parse_qs(urlsplit(embedded.url).query)["host"][0])


def answers(embedded: EmbeddedPostgres) -> bool:
    try:
        return ask(embedded, "SELECT 1") == "1"
    except psycopg.OperationalError:
        return False


def postmaster_of(home: Path) -> int:
    return postmaster.number_in(home / "postgres")


def kill_postmaster(home: Path) -> None:
    assert postmaster.send(home / "postgres", signal.SIGKILL, 60)
    embedded = EmbeddedPostgres(home)
    wait_until(lambda: not answers(embedded), "the socket no longer answers")


def put_one(embedded: EmbeddedPostgres) -> None:
    ask(embedded, "CREATE TABLE kept (day integer)")
    ask(embedded, "INSERT INTO kept VALUES (1)")


def in_a_process(body: str, stdout: int | None = None) -> subprocess.Popen[bytes]:
    names = "import time; from pathlib import Path; from storage.postgres.embedded import EmbeddedPostgres"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen([sys.executable, "-c", f"{names}; {body}"], stdout=stdout, env=environment)


def test_a_new_database_answers_and_keeps_its_data_across_a_stop(home: Path, start: Start) -> None:
    embedded = start(home)
    put_one(embedded)
    embedded.stop()
    assert not answers(embedded)
    embedded = start(home)
    assert ask(embedded, "SELECT day FROM kept") == "1"


def test_only_the_owner_can_connect_and_only_over_the_socket(home: Path, start: Start) -> None:
    embedded = start(home)
    sockets = socket_directory(embedded)
    assert stat.S_IMODE(sockets.stat().st_mode) == 0o700
    assert stat.S_IMODE((sockets / ".s.PGSQL.5432").stat().st_mode) == 0o700
    assert stat.S_IMODE((home / "postgres").stat().st_mode) == 0o700
    assert ask(embedded, "SHOW listen_addresses") == ""
    if Path("/proc/net/tcp").exists():
        descriptors = Path(f"/proc/{postmaster_of(home)}/fd").iterdir()
        held = {str(descriptor.readlink()) for descriptor in descriptors}
        tables = [Path("/proc/net", name) for name in ("tcp", "tcp6") if Path("/proc/net", name).exists()]
        inodes = {line.split()[9] for table in tables for line in table.read_text().splitlines()[1:]}
        assert not held & {f"socket:[{inode}]" for inode in inodes}


def test_starting_its_programs_runs_no_fork_handlers(home: Path, start: Start) -> None:
    """Those of gRPC break the child of a process whose other threads are calling into gRPC."""
    forks: list[str] = []
    os.register_at_fork(before=lambda: forks.append("fork"))
    start(home).stop()
    assert forks == []


def test_it_is_durable_and_uses_utf_8(home: Path, start: Start) -> None:
    embedded = start(home)
    for name in ("fsync", "full_page_writes", "synchronous_commit"):
        assert ask(embedded, f"SHOW {name}") == "on"
    assert ask(embedded, "SHOW server_encoding") == "UTF8"
    assert ask(embedded, "SELECT datlocale FROM pg_database WHERE datname = 'postgres'") == "C.UTF-8"
    assert ask(embedded, "SELECT upper('é')") == "É"


def test_the_programs_in_the_wheel_work(home: Path, start: Start) -> None:
    embedded = start(home)
    result = subprocess.run(
        [binaries() / "psql", embedded.url, "-Atc", "SELECT 'hello'"], capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "hello"


@pytest.mark.parametrize("again", ["another server", "the same server"])
def test_committed_data_survives_killing_postgresql(home: Path, again: str, start: Start) -> None:
    embedded = start(home)
    put_one(embedded)
    kill_postmaster(home)
    if again == "another server":
        embedded = start(home)
    else:
        embedded.ensure_running()
    assert ask(embedded, "SELECT day FROM kept") == "1"


def test_ensure_running_does_not_restart_a_running_database(home: Path, start: Start) -> None:
    embedded = start(home)
    before = postmaster_of(home)
    embedded.ensure_running()
    assert postmaster_of(home) == before


def test_ensure_running_does_not_start_a_stopped_database(home: Path, start: Start) -> None:
    embedded = start(home)
    embedded.stop()
    embedded.stop()
    embedded.ensure_running()
    assert not answers(embedded)


def test_stopping_a_database_that_has_just_been_killed_succeeds(home: Path, start: Start) -> None:
    embedded = start(home)
    postmaster.send(home / "postgres", signal.SIGKILL)
    embedded.stop()
    assert not answers(embedded)


def test_the_last_process_to_stop_it_ends_the_database(home: Path, start: Start) -> None:
    first, second = start(home), start(home)
    second.stop()
    assert answers(first)
    third = start(home)
    first.stop()
    assert answers(third)
    third.stop()
    assert not answers(third)


def test_a_database_that_a_killed_server_left_running_is_reused_and_stopped(home: Path, start: Start) -> None:
    body = f"EmbeddedPostgres.start(Path({str(home)!r})); print(1, flush=1); time.sleep(60)"
    server = in_a_process(body, stdout=subprocess.PIPE)
    with server:
        assert server.stdout is not None
        assert server.stdout.readline() == b"1\n"
        server.kill()
    before = postmaster_of(home)
    embedded = start(home)
    assert postmaster_of(home) == before
    embedded.stop()
    assert not answers(embedded)


def test_a_start_waits_for_a_database_that_is_stopping(home: Path, start: Start) -> None:
    first = start(home)
    with psycopg.connect(first.url):
        postmaster.send(home / "postgres", signal.SIGTERM)  # waits until the connection is closed
        wait_until(lambda: not answers(first), "it accepts no new connections")
        second = in_a_process(f"EmbeddedPostgres.start(Path({str(home)!r}))")
        time.sleep(0.5)
        assert second.poll() is None
    assert second.wait(120) == 0
    assert answers(first)


@pytest.mark.parametrize("content", ["names another process", "is empty"])
def test_a_stale_pid_file_does_not_prevent_a_start(home: Path, content: str, start: Start) -> None:
    embedded = start(home)
    put_one(embedded)
    kill_postmaster(home)
    pid_file = home / "postgres" / "postmaster.pid"
    lines = pid_file.read_text().splitlines(keepends=True)
    with subprocess.Popen(["sleep", "60"], user=pid_file.stat().st_uid if IS_ROOT else None) as other:
        pid_file.write_text("".join([f"{other.pid}\n", *lines[1:]]) if content == "names another process" else "")
        embedded = start(home)
        other.kill()
    assert ask(embedded, "SELECT day FROM kept") == "1"


def test_a_first_start_that_was_interrupted_is_repeated(home: Path, start: Start) -> None:
    half = home / "postgres.making"
    half.mkdir(parents=True)
    (half / "PG_VERSION").write_text("18\n")
    (home / "postgres").mkdir()
    assert answers(start(home))
    assert not half.exists()


def test_a_directory_that_is_not_a_database_is_rejected_and_kept(home: Path, start: Start) -> None:
    theirs = home / "postgres" / "data" / "theirs"
    theirs.parent.mkdir(parents=True)
    theirs.write_text("precious")
    with pytest.raises(EmbeddedDatabaseFailed, match="not a database"):
        start(home)
    assert theirs.read_text() == "precious"


def test_another_major_version_is_rejected_and_the_lease_is_released(home: Path, start: Start) -> None:
    start(home).stop()
    (home / "postgres" / "PG_VERSION").write_text("17\n")
    with pytest.raises(EmbeddedDatabaseFailed, match="made by PostgreSQL 17, but this is 18"):
        start(home)
    with (home / "lease").open("r+") as lease:
        fcntl.flock(lease, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_an_error_names_the_log_file(home: Path, monkeypatch: pytest.MonkeyPatch, start: Start) -> None:
    monkeypatch.setattr("storage.postgres.embedded.ORPHANS_SECONDS", 0)  # there are no orphans to wait for
    start(home).stop()
    (home / "postgres" / "global" / "pg_control").unlink()
    with pytest.raises(EmbeddedDatabaseFailed, match=str(home / "postgres.log")):
        start(home)


@pytest.mark.parametrize("name", ["my data", "a,b", "it's", "50%25", "q?x&y#z", "Zoë"])
def test_a_path_can_have_special_characters_of_urls_and_shells(tmp_path: Path, name: str, start: Start) -> None:
    assert answers(start(tmp_path / name))


def test_a_path_that_a_shell_would_execute_is_rejected(tmp_path: Path, start: Start) -> None:
    with pytest.raises(EmbeddedDatabaseFailed, match="path"):
        start(tmp_path / "$(touch x)")


def test_a_long_path_uses_a_private_socket_directory_elsewhere(far_home: Path, start: Start) -> None:
    embedded = start(far_home)
    assert answers(embedded)
    sockets = socket_directory(embedded)
    assert far_home not in sockets.parents
    assert stat.S_IMODE(sockets.lstat().st_mode) == 0o700
    assert socket_directory(EmbeddedPostgres(far_home)) == sockets


def test_a_link_in_place_of_the_socket_directory_is_rejected(far_home: Path, tmp_path: Path, start: Start) -> None:
    victim = tmp_path / "victim"
    victim.mkdir(mode=0o700)
    before = victim.stat().st_uid
    socket_directory(EmbeddedPostgres(far_home)).symlink_to(victim)
    with pytest.raises(EmbeddedDatabaseFailed, match="not a private directory"):
        start(far_home)
    assert victim.stat().st_uid == before


def test_a_socket_directory_that_others_can_enter_is_rejected(far_home: Path, start: Start) -> None:
    sockets = socket_directory(EmbeddedPostgres(far_home))
    sockets.mkdir()
    sockets.chmod(0o755)
    with pytest.raises(EmbeddedDatabaseFailed, match="not a private directory"):
        start(far_home)


@needs_root
def test_a_server_in_a_directory_of_another_user_is_not_used(far_home: Path, start: Start) -> None:
    sockets = socket_directory(EmbeddedPostgres(far_home))
    sockets.mkdir(mode=0o700)
    os.chown(sockets, 12345, 12345)
    with socket.socket(socket.AF_UNIX) as theirs:
        theirs.bind(str(sockets / ".s.PGSQL.5432"))
        theirs.listen()
        with pytest.raises(EmbeddedDatabaseFailed, match="not a private directory"):
            start(far_home)


def test_only_the_postmaster_is_signalled(home: Path, start: Start) -> None:
    """By now, the number in the pid file can belong to a process of another test suite."""
    embedded, pid_file = start(home), home / "postgres" / "postmaster.pid"
    whole = pid_file.read_text()
    with subprocess.Popen(["sleep", "60"]) as other:
        pid_file.write_text("\n".join([str(other.pid), *whole.splitlines()[1:], ""]))
        embedded.stop()
        with pytest.raises(ProcessLookupError):
            postmaster.send(home / "postgres", signal.SIGKILL)
        assert other.poll() is None
        other.kill()
    pid_file.write_text(whole)
    assert postmaster.send(home / "postgres", signal.SIGINT, 60)


def test_a_running_postmaster_without_a_socket_keeps_its_pid_file(
    home: Path, monkeypatch: pytest.MonkeyPatch, start: Start
) -> None:
    """Without its number in the file, PostgreSQL would stop within a minute, although it is in use."""
    monkeypatch.setattr("storage.postgres.embedded.ORPHANS_SECONDS", 0)
    embedded = start(home)
    number = postmaster_of(home)
    (socket_directory(embedded) / ".s.PGSQL.5432").unlink()
    pid_file = home / "postgres" / "postmaster.pid"
    pid_file.write_text("\n".join(["1", *pid_file.read_text().splitlines()[1:], ""]))
    with pytest.raises(EmbeddedDatabaseFailed):
        embedded.ensure_running()
    assert postmaster_of(home) == 1
    pid_file.write_text("\n".join([str(number), *pid_file.read_text().splitlines()[1:], ""]))
    assert postmaster.send(home / "postgres", signal.SIGINT, 60)


@needs_root
def test_it_restarts_after_another_suite_has_restricted_the_parent_directory(tmp_path: Path, start: Start) -> None:
    """At the start of each run, pytest makes the parent directory of all temporary files private."""
    home = tmp_path / "shared" / "home"
    embedded = start(home)
    put_one(embedded)
    kill_postmaster(home)
    home.parent.chmod(0o700)
    embedded.ensure_running()
    assert ask(embedded, "SELECT day FROM kept") == "1"
