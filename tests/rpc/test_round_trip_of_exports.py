"""Files that are imported into another book give the same coverage from today on."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from affilia_client import Client
from tests.support.exported import TODAY, Book, member_segments_of
from tests.support.random_changes import OPERATIONS, Operations, a_family, days_in, request

importing = pytest.importorskip("affilia_cli.enrollment_file.importing", exc_type=ImportError)

EITHER_SIDE = {"sender": "", "receiver": ""}
"""A mapping that names a sender and a receiver reads only files in one direction."""


@pytest.fixture(scope="session")
def client(server_address: str) -> Iterator[Client]:
    with Client(server_address) as client:
        yield client


def imported(path: Path, book: Book) -> str:
    """Imports a file and returns the report."""
    report = importing.import_834(
        path,
        book.client,
        book.mapping,
        confirm=lambda plan: True,
        max_terminations=1.0,
        max_days_lost=1.0,
        today=TODAY,
    )
    return str(report.to_json())


def loops_of(path: Path | None) -> list[list[str]]:
    """Returns the segments of each INS loop, sorted."""
    loops: list[list[str]] = []
    for segment in member_segments_of(path):
        if segment.startswith("INS*"):
            loops.append([])
        loops[-1].append(segment)
    return sorted(loops)


def test_an_import_of_a_full_file_into_an_empty_book_gives_the_same_full_file(client: Client, tmp_path: Path) -> None:
    book, copy = (Book(client, tmp_path, more=EITHER_SIDE) for _ in range(2))
    ann, bob = book.member("ANN MARY DOE", SUBSCRIBER="S1", SSN="123456789"), book.member("BOB ROE", SUBSCRIBER="S2")
    pat, kim = book.member("PAT DOE", CLIENT="C7"), book.member("KIM DOE", born="2015-06-01", PERSON="K7")
    tim = book.member("TIM ROE", born="2017-02-03")
    book.enroll(ann, ann, "PRIMARY", "DEN", "2025-01-01", "2025-12-31")
    book.enroll(ann, ann, "PRIMARY", "HMO", "2025-03-01", "2026-08-31")
    book.enroll(ann, ann, "PRIMARY", "PPO", "2026-09-01")
    book.enroll(ann, pat, "PARTNER", "HMO", "2025-01-01", "2026-06-30")
    book.enroll(ann, pat, "PARTNER", "HMO", "2026-10-01", "2026-12-31")
    book.enroll(ann, kim, "CHILD", "DEN", "2026-07-01")
    book.enroll(bob, tim, "CHILD", "HMO", "2025-05-01")
    exported = book.full()
    assert exported.path is not None
    imported(exported.path, copy)
    again = copy.full()
    assert again.is_complete
    assert loops_of(again.path) == loops_of(exported.path)


@settings(
    max_examples=8,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(steps=st.lists(OPERATIONS, min_size=2, max_size=4))
def test_imports_of_all_files_keep_a_copy_up_to_date(client: Client, tmp_path: Path, steps: list[Operations]) -> None:
    book, copy = (Book(client, tmp_path, more=EITHER_SIDE) for _ in range(2))
    members = a_family(book)
    token = None
    for operations in steps:
        request(book, members, operations)
        exported = book.since(token) if token else book.full()
        token = exported.token_path
        report = imported(exported.path, copy) if exported.path else ""
        if "START_DIFFERS" in report:  # An import never moves a first day later, unless the file is a correction.
            return
        assert days_in(copy) == days_in(book), report
