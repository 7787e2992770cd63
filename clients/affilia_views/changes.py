"""Computes what changed between two states of a family: days gained, days lost, moves between modules, and corrected
membership types."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from affilia.enrollment.v1.enrollment_group_pb2 import EnrollmentPeriod
from affilia.type.v1.membership_type_pb2 import MembershipType
from affilia_views.timeline import Row, Span, Window, window_around

DAY = timedelta(days=1)
Days = dict[str, list[Span]]
"""Days by module id."""


@dataclass(frozen=True, slots=True)
class Change:
    """Consecutive days that a member lost in one module, gained in another, or both (a move).

    A module id is empty if no days were lost or gained.
    """

    member_id: str
    lost_module_id: str
    gained_module_id: str
    days: Span


def changes_of(rows: Iterable[Row], slots: Mapping[str, str]) -> list[Change]:
    """Returns the changes in compared rows, members in the order of the rows, each member's changes by first day.

    `slots` maps modules to their slots, if they have one. Days lost in one module and gained in another of the same
    slot are a move, because a member can be enrolled in only one of them.
    """
    lost: dict[str, Days] = {}
    gained: dict[str, Days] = {}
    for row in rows:
        before = row.spans if row.before is None else row.before
        lost.setdefault(row.member_id, {})[row.module_id] = without(before, row.spans)
        gained.setdefault(row.member_id, {})[row.module_id] = without(row.spans, before)
    return [change for member_id in lost for change in _of_member(member_id, lost[member_id], gained[member_id], slots)]


def default_window(rows: Iterable[Row], today: date) -> Window:
    """Returns a window of eighteen months before and after today that also includes what changed."""
    return window_around(today, [change.days for change in changes_of(rows, {})])


def _of_member(member_id: str, lost: Days, gained: Days, slots: Mapping[str, str]) -> list[Change]:
    moves = [
        Change(member_id, old, new, days)
        for old in lost
        for new in gained
        if old != new and old in slots and slots[old] == slots.get(new)
        for days in common(lost[old], gained[new])
    ]
    for move in moves:
        lost[move.lost_module_id] = without(lost[move.lost_module_id], [move.days])
        gained[move.gained_module_id] = without(gained[move.gained_module_id], [move.days])
    losses = [Change(member_id, module_id, "", days) for module_id, spans in lost.items() for days in spans]
    gains = [Change(member_id, "", module_id, days) for module_id, spans in gained.items() for days in spans]
    return sorted([*moves, *losses, *gains], key=lambda change: change.days[0])


@dataclass(frozen=True, slots=True)
class Correction:
    """A membership type that was corrected."""

    member_id: str
    before: "MembershipType.ValueType"
    after: "MembershipType.ValueType"


def corrections_of(before: Iterable[EnrollmentPeriod], after: Iterable[EnrollmentPeriod]) -> list[Correction]:
    """Returns the members who are enrolled in both states, but with different membership types, in order of id."""
    earlier, later = ({each.member_id: each.membership_type for each in periods} for periods in (before, after))
    return [
        Correction(member_id, earlier[member_id], later[member_id])
        for member_id in sorted(earlier.keys() & later.keys())
        if earlier[member_id] != later[member_id]
    ]


def span_in_words(days: Span) -> str:
    """Returns a span such as `from 2026-01-01 to 2026-12-31`."""
    first, last = days
    if first == date.min:
        return f"until {last}" if last else "on all days"
    return f"from {first} to {last}" if last else f"from {first} on"


def without(spans: Iterable[Span], removed: Iterable[Span]) -> list[Span]:
    """Returns the days that are in the first spans but not in the others, as spans in order."""
    left = list(spans)
    for first, last in removed:
        pieces: list[Span] = []
        for begin, end in left:
            if begin < first:
                pieces.append((begin, min(first - DAY, end or date.max)))
            if last and last < (end or date.max):
                pieces.append((max(begin, last + DAY), end))
        left = pieces
    return left


def common(spans: Sequence[Span], others: Sequence[Span]) -> list[Span]:
    """Returns the days that are in both, as spans in order."""
    found: list[Span] = []
    for begin, end in spans:
        for first, last in others:
            start, stop = max(begin, first), min(end or date.max, last or date.max)
            if start <= stop:
                found.append((start, stop if end or last else None))
    return found
