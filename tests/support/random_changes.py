"""Random changes of a family of two in a book, and the numbered days that result."""

from hypothesis import strategies as st

from affilia_client import changes
from affilia_client.dates import span_from_proto
from tests.support.exported import Book
from tests.support.receiver import HORIZON, day, number_of

TYPES: dict[str, changes.MembershipName] = {"ANN": "PRIMARY", "KIM": "CHILD"}
LINES = ("HMO", "PPO", "DEN")

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

DaysByCoverage = dict[tuple[str, str], set[int]]
"""Numbered days by first name and line."""


def a_family(book: Book) -> dict[str, str]:
    """Stores the members and returns their ids by first name."""
    return {"ANN": book.member("ANN DOE", SUBSCRIBER="S1"), "KIM": book.member("KIM DOE", born="2015-06-01")}


def request(book: Book, members: dict[str, str], operations: Operations) -> None:
    """Requests each operation. Rejected requests change nothing."""
    for enrolls, who, line, first, length in operations:
        last_on = None if first + length >= HORIZON else day(first + length)
        module_id = book.modules[line]
        change = (
            changes.enroll(members[who], module_id, TYPES[who], first_on=day(first), last_on=last_on)
            if enrolls
            else changes.leave(members[who], module_id, first_on=day(first), last_on=last_on)
        )
        book.judge(members["ANN"], change)


def days_in(book: Book) -> DaysByCoverage:
    lines = {module_id: line for line, module_id in book.modules.items()}
    found: DaysByCoverage = {}
    for group in book.client.enrollment.all_enrollment_groups(contract_id=book.contract_id):
        for period in group.periods:
            name = book.client.members.get_member(member_id=period.member_id).member.display_name.split()[0]
            first_on, last_on = span_from_proto(period.days)
            days = set(range(number_of(first_on), number_of(last_on) + 1))
            found.setdefault((name, lines[period.module_id]), set()).update(days)
    return found
