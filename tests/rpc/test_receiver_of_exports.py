"""A receiver who reads a complete file and then every file of changes always has the same days as the book."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from affilia_cli.enrollment_file.parsing import read_file
from affilia_client import Client, changes
from affilia_client.dates import span_from_proto
from tests.support.exported import Book
from tests.support.receiver import HORIZON, ReadLoop, after_reading, day, number_of

TYPES: dict[str, changes.MembershipName] = {"ANN": "PRIMARY", "KIM": "CHILD"}
LINES = ("HMO", "PPO", "DEN")

Received = dict[tuple[str, str], set[int]]
"""Numbered days by first name and line."""

Operations = list[tuple[bool, str, str, int, int]]
"""Enrolls or not, who, line, first day and length. Days until the last one of the model are without an end."""

OPERATIONS = st.lists(
    st.tuples(
        st.booleans(),
        st.sampled_from(sorted(TYPES)),
        st.sampled_from(LINES),
        st.integers(0, HORIZON),
        st.integers(0, HORIZON),
    ),
    max_size=4,
)


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
    members = {"ANN": book.member("ANN DOE", SUBSCRIBER="S1"), "KIM": book.member("KIM DOE", born="2015-06-01")}
    received: Received = {}
    token = None
    for operations in steps:
        for enrolls, who, line, first, length in operations:
            last_on = None if first + length >= HORIZON else day(first + length)
            module_id = book.modules[line]
            change = (
                changes.enroll(members[who], module_id, TYPES[who], first_on=day(first), last_on=last_on)
                if enrolls
                else changes.leave(members[who], module_id, first_on=day(first), last_on=last_on)
            )
            book.judge(members["ANN"], change)  # Rejected requests change nothing, and aren't told either.
        exported = book.since(token) if token else book.full()
        token = exported.token_path
        assert exported.is_complete
        read(exported.path, received)
        assert {key: days for key, days in received.items() if days} == in_book(book, members)


def read(path: Path | None, received: Received) -> None:
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


def in_book(book: Book, members: dict[str, str]) -> Received:
    names = {member_id: name for name, member_id in members.items()}
    lines = {module_id: line for line, module_id in book.modules.items()}
    found: Received = {}
    for group in book.client.enrollment.all_enrollment_groups(contract_id=book.contract_id):
        for period in group.periods:
            first_on, last_on = span_from_proto(period.days)
            days = set(range(number_of(first_on), number_of(last_on) + 1))
            found.setdefault((names[period.member_id], lines[period.module_id]), set()).update(days)
    return found
