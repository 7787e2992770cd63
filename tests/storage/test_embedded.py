"""The embedded database: private, durable, and there again after whatever killed it."""

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

from storage.embedded import EmbeddedDatabaseFailed, EmbeddedPostgres, binaries

ROOT = Path(__file__).parents[2]
IS_ROOT = os.geteuid() == 0
needs_root = pytest.mark.skipif(not IS_ROOT, reason="only root can make what belongs to somebody else")


Start = Callable[[Path], EmbeddedPostgres]


@pytest.fixture
def start() -> Iterator[Start]:
    """EmbeddedPostgres.start; what it starts ends with the test, however that ends."""
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
    """A data directory whose path is too long for a socket in it."""
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


def postmaster(home: Path) -> int:
    return int((home / "postgres" / "postmaster.pid").read_text().split()[0])


def kill_postmaster(home: Path) -> None:
    os.kill(postmaster(home), signal.SIGKILL)
    time.sleep(0.2)  # longer than the moment in which its socket still answers


def put_one(embedded: EmbeddedPostgres) -> None:
    ask(embedded, "CREATE TABLE kept (day integer)")
    ask(embedded, "INSERT INTO kept VALUES (1)")


def in_a_process(body: str, stdout: int | None = None) -> subprocess.Popen[bytes]:
    names = "import time; from pathlib import Path; from storage.embedded import EmbeddedPostgres"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen([sys.executable, "-c", f"{names}; {body}"], stdout=stdout, env=environment)


def test_a_fresh_one_answers_and_keeps_its_data_over_a_stop(home: Path, start: Start) -> None:
    embedded = start(home)
    put_one(embedded)
    embedded.stop()
    assert not answers(embedded)
    embedded = start(home)
    assert ask(embedded, "SELECT day FROM kept") == "1"


def test_only_its_user_can_reach_it_and_only_over_the_socket(home: Path, start: Start) -> None:
    embedded = start(home)
    sockets = socket_directory(embedded)
    assert stat.S_IMODE(sockets.stat().st_mode) == 0o700
    assert stat.S_IMODE((sockets / ".s.PGSQL.5432").stat().st_mode) == 0o700
    assert stat.S_IMODE((home / "postgres").stat().st_mode) == 0o700
    assert ask(embedded, "SHOW listen_addresses") == ""
    if Path("/proc/net/tcp").exists():
        descriptors = Path(f"/proc/{postmaster(home)}/fd").iterdir()
        held = {str(descriptor.readlink()) for descriptor in descriptors}
        tables = [Path("/proc/net", name) for name in ("tcp", "tcp6") if Path("/proc/net", name).exists()]
        inodes = {line.split()[9] for table in tables for line in table.read_text().splitlines()[1:]}
        assert not held & {f"socket:[{inode}]" for inode in inodes}


def test_it_is_durable_and_speaks_utf_8(home: Path, start: Start) -> None:
    embedded = start(home)
    for name in ("fsync", "full_page_writes", "synchronous_commit"):
        assert ask(embedded, f"SHOW {name}") == "on"
    assert ask(embedded, "SHOW server_encoding") == "UTF8"
    assert ask(embedded, "SELECT datlocale FROM pg_database WHERE datname = 'postgres'") == "C.UTF-8"
    assert ask(embedded, "SELECT upper('é')") == "É"


def test_the_programs_of_the_wheel_can_be_used(home: Path, start: Start) -> None:
    embedded = start(home)
    told = subprocess.run(
        [binaries() / "psql", embedded.url, "-Atc", "SELECT 'hello'"], capture_output=True, text=True, check=True
    )
    assert told.stdout.strip() == "hello"


@pytest.mark.parametrize("again", ["another server", "the same server"])
def test_what_was_committed_survives_a_killed_postgresql(home: Path, again: str, start: Start) -> None:
    embedded = start(home)
    put_one(embedded)
    kill_postmaster(home)
    if again == "another server":
        embedded = start(home)
    else:
        embedded.ensure_running()
    assert ask(embedded, "SELECT day FROM kept") == "1"


def test_a_database_that_runs_is_left_alone_by_ensure_running(home: Path, start: Start) -> None:
    embedded = start(home)
    before = postmaster(home)
    embedded.ensure_running()
    assert postmaster(home) == before


def test_a_stopped_one_stays_stopped(home: Path, start: Start) -> None:
    embedded = start(home)
    embedded.stop()
    embedded.stop()
    embedded.ensure_running()
    assert not answers(embedded)


def test_stopping_one_that_was_killed_just_now_is_no_failure(home: Path, start: Start) -> None:
    embedded = start(home)
    os.kill(postmaster(home), signal.SIGKILL)
    embedded.stop()
    assert not answers(embedded)


def test_the_last_to_leave_stops_it(home: Path, start: Start) -> None:
    first, second = start(home), start(home)
    second.stop()
    assert answers(first)
    third = start(home)
    first.stop()
    assert answers(third)
    third.stop()
    assert not answers(third)


def test_what_a_killed_server_left_running_is_taken_over_and_stopped(home: Path, start: Start) -> None:
    body = f"EmbeddedPostgres.start(Path({str(home)!r})); print(1, flush=1); time.sleep(60)"
    server = in_a_process(body, stdout=subprocess.PIPE)
    with server:
        assert server.stdout is not None
        assert server.stdout.readline() == b"1\n"
        server.kill()
    before = postmaster(home)
    embedded = start(home)
    assert postmaster(home) == before
    embedded.stop()
    assert not answers(embedded)


def test_one_that_is_stopping_is_waited_for(home: Path, start: Start) -> None:
    first = start(home)
    with psycopg.connect(first.url):
        os.kill(postmaster(home), signal.SIGTERM)  # waits until the connection is closed
        time.sleep(0.2)
        second = in_a_process(f"EmbeddedPostgres.start(Path({str(home)!r}))")
        time.sleep(0.5)
        assert second.poll() is None
    assert second.wait(30) == 0
    assert answers(first)


@pytest.mark.parametrize("content", ["names a stranger", "is empty"])
def test_a_pid_file_that_tells_nothing_does_not_stop_a_start(home: Path, content: str, start: Start) -> None:
    embedded = start(home)
    put_one(embedded)
    kill_postmaster(home)
    pid_file = home / "postgres" / "postmaster.pid"
    lines = pid_file.read_text().splitlines(keepends=True)
    with subprocess.Popen(["sleep", "60"], user=pid_file.stat().st_uid if IS_ROOT else None) as stranger:
        pid_file.write_text("".join([f"{stranger.pid}\n", *lines[1:]]) if content == "names a stranger" else "")
        embedded = start(home)
        stranger.kill()
    assert ask(embedded, "SELECT day FROM kept") == "1"


def test_a_first_start_that_was_cut_off_is_made_anew(home: Path, start: Start) -> None:
    half = home / "postgres.making"
    half.mkdir(parents=True)
    (half / "PG_VERSION").write_text("18\n")
    (home / "postgres").mkdir()
    assert answers(start(home))
    assert not half.exists()


def test_what_is_no_database_is_refused_and_kept(home: Path, start: Start) -> None:
    theirs = home / "postgres" / "data" / "theirs"
    theirs.parent.mkdir(parents=True)
    theirs.write_text("precious")
    with pytest.raises(EmbeddedDatabaseFailed, match="no database"):
        start(home)
    assert theirs.read_text() == "precious"


def test_another_major_version_is_refused_and_the_lease_given_back(home: Path, start: Start) -> None:
    start(home).stop()
    (home / "postgres" / "PG_VERSION").write_text("17\n")
    with pytest.raises(EmbeddedDatabaseFailed, match="made by PostgreSQL 17; this is 18"):
        start(home)
    with (home / "lease").open("r+") as lease:
        fcntl.flock(lease, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_a_failure_says_where_the_log_is(home: Path, monkeypatch: pytest.MonkeyPatch, start: Start) -> None:
    monkeypatch.setattr("storage.embedded.ORPHANS_SECONDS", 0)  # there are none to wait for
    start(home).stop()
    (home / "postgres" / "global" / "pg_control").unlink()
    with pytest.raises(EmbeddedDatabaseFailed, match=str(home / "postgres.log")):
        start(home)


@pytest.mark.parametrize("name", ["my data", "a,b", "it's", "50%25", "q?x&y#z", "Zoë"])
def test_a_path_may_hold_signs_that_urls_and_shells_read_differently(tmp_path: Path, name: str, start: Start) -> None:
    assert answers(start(tmp_path / name))


def test_a_path_that_a_shell_would_run_is_refused(tmp_path: Path, start: Start) -> None:
    with pytest.raises(EmbeddedDatabaseFailed, match="path"):
        start(tmp_path / "$(touch x)")


def test_a_long_path_gets_a_private_socket_directory_elsewhere(far_home: Path, start: Start) -> None:
    embedded = start(far_home)
    assert answers(embedded)
    sockets = socket_directory(embedded)
    assert far_home not in sockets.parents
    assert stat.S_IMODE(sockets.lstat().st_mode) == 0o700
    assert socket_directory(EmbeddedPostgres(far_home)) == sockets


def test_a_planted_link_in_place_of_the_socket_directory_is_refused(
    far_home: Path, tmp_path: Path, start: Start
) -> None:
    victim = tmp_path / "victim"
    victim.mkdir(mode=0o700)
    before = victim.stat().st_uid
    socket_directory(EmbeddedPostgres(far_home)).symlink_to(victim)
    with pytest.raises(EmbeddedDatabaseFailed, match="not a private directory"):
        start(far_home)
    assert victim.stat().st_uid == before


def test_a_socket_directory_that_others_can_enter_is_refused(far_home: Path, start: Start) -> None:
    sockets = socket_directory(EmbeddedPostgres(far_home))
    sockets.mkdir()
    sockets.chmod(0o755)
    with pytest.raises(EmbeddedDatabaseFailed, match="not a private directory"):
        start(far_home)


@needs_root
def test_a_strangers_server_in_a_strangers_directory_is_not_attached_to(far_home: Path, start: Start) -> None:
    sockets = socket_directory(EmbeddedPostgres(far_home))
    sockets.mkdir(mode=0o700)
    os.chown(sockets, 12345, 12345)
    with socket.socket(socket.AF_UNIX) as theirs:
        theirs.bind(str(sockets / ".s.PGSQL.5432"))
        theirs.listen()
        with pytest.raises(EmbeddedDatabaseFailed, match="not a private directory"):
            start(far_home)
