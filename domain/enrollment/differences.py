"""The differences between two states of a group: their kinds, and the exact days."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from uuid import UUID

from domain.days import NO_DAYS, Day, Days, to_date
from domain.enrollment.decisions import EnrollmentKey
from domain.membership import MembershipType


class DifferenceKind(StrEnum):
    STARTED = "STARTED"
    CANCELLED = "CANCELLED"
    START_MOVED = "START_MOVED"
    TERMINATED = "TERMINATED"
    EXTENDED = "EXTENDED"
    GAP_OPENED = "GAP_OPENED"
    GAP_CLOSED = "GAP_CLOSED"
    REINSTATED = "REINSTATED"
    TYPE_CORRECTED = "TYPE_CORRECTED"


class PolicyEvent(StrEnum):
    """The effect of a revision on the policy as a whole."""

    ACTIVATED = "ACTIVATED"
    CHANGED = "CHANGED"
    TERMINATED = "TERMINATED"


@dataclass(frozen=True, slots=True)
class Difference:
    """How one enrollment differs. Kinds are in the order of the enum. If only the type differs, no days do."""

    member_id: UUID
    module_id: UUID
    kinds: tuple[DifferenceKind, ...]
    gained: Days
    lost: Days


NOBODY: frozenset[UUID] = frozenset()


def differences(
    before: Mapping[EnrollmentKey, Days],
    after: Mapping[EnrollmentKey, Days],
    had_earlier: Mapping[EnrollmentKey, Days],
    corrected: Collection[UUID] = NOBODY,
) -> tuple[Difference, ...]:
    """Returns every enrollment that differs, in order of member and module.

    `had_earlier` are the days in any revision before `before`. `corrected` are the members whose type differs.
    """
    found = []
    for key in sorted(before.keys() | after.keys(), key=lambda key: key.order):
        then, now = before.get(key, NO_DAYS), after.get(key, NO_DAYS)
        kinds = _kinds(then, now, had_earlier.get(key, NO_DAYS)) if then != now else ()
        if then and now and key.member_id in corrected:
            kinds = (*kinds, DifferenceKind.TYPE_CORRECTED)
        if kinds:
            found.append(Difference(key.member_id, key.module_id, kinds, now - then, then - now))
    return tuple(found)


def first_changed_day(differences: Iterable[Difference]) -> date | None:
    """Returns the first day that any enrollment gained or lost; None if only types differ."""
    changed = [each.gained | each.lost for each in differences]
    return min((to_date(days.first) for days in changed if days), default=None)


def corrected_members(before: Mapping[UUID, MembershipType], after: Mapping[UUID, MembershipType]) -> frozenset[UUID]:
    """Returns the members of both states whose types differ."""
    return frozenset(member_id for member_id in before if after.get(member_id, before[member_id]) != before[member_id])


def _kinds(then: Days, now: Days, had_earlier: Days) -> tuple[DifferenceKind, ...]:
    kinds = []
    if not then:
        kinds.append(DifferenceKind.STARTED)
    elif not now:
        kinds.append(DifferenceKind.CANCELLED)
    else:
        if now.first != then.first:
            kinds.append(DifferenceKind.START_MOVED)
        if now.last < then.last:
            kinds.append(DifferenceKind.TERMINATED)
        if now.last > then.last:
            kinds.append(DifferenceKind.EXTENDED)
        if (then - now) & Days.of(now.hull):
            kinds.append(DifferenceKind.GAP_OPENED)
        if (now - then) & Days.of(then.hull):
            kinds.append(DifferenceKind.GAP_CLOSED)
    if (now - then) & had_earlier:
        kinds.append(DifferenceKind.REINSTATED)
    return tuple(kinds)


def policy_event(before: Mapping[EnrollmentKey, Days], after: Mapping[EnrollmentKey, Days], today: Day) -> PolicyEvent:
    """Returns the effect of a new revision: activated or terminated if it adds the first, or removes the last, day from
    today on.
    """
    had, has = _from_today(before, today), _from_today(after, today)
    if has and not had:
        return PolicyEvent.ACTIVATED
    if had and not has:
        return PolicyEvent.TERMINATED
    return PolicyEvent.CHANGED


def _from_today(state: Mapping[EnrollmentKey, Days], today: Day) -> bool:
    return any(days.last >= today for days in state.values() if days)
