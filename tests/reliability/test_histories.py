"""Concurrent histories of groups on two servers are linearizable, as checked by porcupine.

Groups are independent, so their histories are serializable together if each is linearizable.
"""

import random
import threading
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import psycopg
import pytest

from tests.conftest import ServerProcess
from tests.reliability.histories import Caller, Recorded, checker, run, verdict
from tests.reliability.repetitions import repetitions, seeded
from tests.support.calls import Family
from tests.support.channels import connected_to

GROUPS, CALLERS_OF_GROUP = 3, 4
CALLS = repetitions("AFFILIA_HISTORY_CALLS", few=25, full=400)
"""Calls of each caller."""


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return checker(tmp_path_factory.mktemp("checker"))


@pytest.fixture
def servers(own_database_url: str, tmp_path: Path) -> Iterator[list[ServerProcess]]:
    running = [ServerProcess(tmp_path / str(n), "--database-url", own_database_url) for n in range(2)]
    yield running
    for server in running:
        server.stop()


def callers_on(servers: list[ServerProcess], draw: random.Random) -> list[Caller]:
    with connected_to(servers[0].address) as channel:
        families = [Family(channel).set_up() for _ in range(GROUPS)]
    return [
        Caller(family, number, lambda: [server.address for server in servers], random.Random(draw.random()))
        for family in families
        for number in range(CALLERS_OF_GROUP)
    ]


def test_histories_on_two_servers_are_linearizable(program: Path, servers: list[ServerProcess]) -> None:
    history = run(callers_on(servers, seeded(f"histories of {CALLS} calls")), CALLS)
    shown(history)
    assert verdict(program, history) == "linearizable"


def test_histories_are_linearizable_while_sessions_are_ended_and_writes_are_retried(
    program: Path, servers: list[ServerProcess], own_database_url: str
) -> None:
    callers, done = callers_on(servers, seeded(f"histories of {CALLS} calls")), threading.Event()

    def end_sessions() -> None:
        with psycopg.connect(own_database_url, autocommit=True) as connection:
            while not done.wait(0.5):
                connection.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE datname = current_database() AND pid <> pg_backend_pid() AND random() < 0.5"
                )

    ending = threading.Thread(target=end_sessions)
    ending.start()
    try:
        history = run(callers, CALLS)
    finally:
        done.set()
        ending.join()
    shown(history)
    assert verdict(program, history) == "linearizable"


def shown(history: list[Recorded]) -> None:
    """Prints and checks how much was recorded. A history without overlapping calls would prove nothing."""
    conflicts = sum(one.outcome == "conflict" for one in history)
    reads = sum(one.kind == "read" for one in history)
    of_group: dict[str, list[Recorded]] = {}
    for one in history:
        of_group.setdefault(one.group, []).append(one)
    overlaps = 0
    for group in of_group.values():
        group.sort(key=lambda one: one.call)
        overlaps += sum(after.call < before.returned for before, after in pairwise(group))
    print(f"{len(history)} calls, {reads} reads, {conflicts} revision conflicts, {overlaps} overlapping calls")
    assert len(history) == GROUPS * CALLERS_OF_GROUP * CALLS
    assert overlaps > len(history) / 4
    assert conflicts
    assert reads


# -------------------------------------------------------------------------------------------- the checker itself


def call(at: int, kind: str, day: int, revision: int, days: list[int], **more: object) -> Recorded:
    one = Recorded("a group", at, at * 10, at * 10 + 5, kind, day, None, "done", revision, days)
    return replace(one, **more)  # type: ignore[arg-type]


SERIAL = [
    call(1, "enroll", 1, 1, [1]),
    call(2, "enroll", 2, 2, [1, 2]),
    call(3, "read", 0, 2, [1, 2]),
    call(4, "leave", 1, 3, [2]),
    call(5, "enroll", 2, 3, [2]),
    call(6, "enroll", 11, 3, [], outcome="conflict", expected=2),
    call(7, "enroll", 11, 4, [2, 11], expected=3),
    call(8, "read", 0, 4, [2, 11]),
]


def test_a_serial_history_is_linearizable(program: Path) -> None:
    assert verdict(program, SERIAL) == "linearizable"


def test_calls_that_overlap_can_have_taken_effect_in_any_order(program: Path) -> None:
    overlapping = [replace(one, call=0, returned=1000) for one in reversed(SERIAL)]
    assert verdict(program, overlapping) == "linearizable"


def test_a_write_of_unknown_outcome_can_be_applied_later_or_never(program: Path) -> None:
    unknown = replace(SERIAL[1], outcome="unknown")
    assert verdict(program, [SERIAL[0], unknown, *SERIAL[2:]]) == "linearizable"
    assert verdict(program, [*SERIAL, call(3, "enroll", 9, 0, [], outcome="unknown")]) == "linearizable"


@pytest.mark.parametrize(
    "corrupted",
    [
        pytest.param([*SERIAL[:1], *SERIAL[2:]], id="a lost write"),
        pytest.param([*SERIAL, call(9, "read", 0, 3, [2])], id="a stale read"),
        pytest.param([*SERIAL[:2], call(3, "read", 0, 2, [1]), *SERIAL[3:]], id="a lost day"),
        pytest.param([*SERIAL, call(9, "enroll", 11, 5, [2, 11])], id="a write applied twice"),
        pytest.param([*SERIAL, call(9, "enroll", 5, 4, [5, 11])], id="two writes with the same revision"),
        pytest.param([*SERIAL, call(9, "enroll", 5, 5, [2, 5, 11], expected=3)], id="an ignored expected revision"),
        pytest.param(
            [*SERIAL, call(9, "enroll", 5, 4, [], outcome="conflict", expected=4)], id="a conflict without a cause"
        ),
    ],
)
def test_a_corrupted_history_is_rejected(program: Path, corrupted: list[Recorded]) -> None:
    assert verdict(program, corrupted) == "not linearizable: a group"
