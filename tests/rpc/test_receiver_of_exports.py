"""A receiver who reads a full file and then every file of changes always has the same days as the book."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from affilia_cli.enrollment_file.reading.parsing import read_file
from affilia_client import Client
from tests.support.exported import Book
from tests.support.random_changes import OPERATIONS, DaysByCoverage, Operations, a_family, days_in, request
from tests.support.receiver import ReadLoop, after_reading


@pytest.fixture(scope="session")
def client(server_address: str) -> Iterator[Client]:
    with Client(server_address) as client:
        yield client


@settings(
    max_examples=8,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(steps=st.lists(OPERATIONS, min_size=2, max_size=4))
def test_files_of_changes_keep_a_receiver_up_to_date(client: Client, tmp_path: Path, steps: list[Operations]) -> None:
    book = Book(client, tmp_path)
    members = a_family(book)
    received: DaysByCoverage = {}
    token = None
    for operations in steps:
        request(book, members, operations)
        exported = book.since(token) if token else book.full()
        token = exported.token_path
        assert exported.is_complete
        read(exported.path, received)
        assert {key: days for key, days in received.items() if days} == days_in(book)


def read(path: Path | None, received: DaysByCoverage) -> None:
    """Updates the receiver's days with a file."""
    for member in read_file(path).members if path else ():
        for line in {coverage.line for coverage in member.coverages}:
            key = (member.first_name, line)
            loops = [
                ReadLoop(each.maintenance, each.begins_on, each.ends_on)
                for each in member.coverages
                if each.line == line
            ]
            received[key] = after_reading(received.get(key, set()), loops)
