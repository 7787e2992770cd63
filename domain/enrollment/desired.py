"""Computes the desired days: decisions applied in order, later ones overriding earlier ones.

Rules play no part here: days can be desired that no rule allows.
"""

from collections.abc import Iterable, Mapping
from uuid import UUID

from domain.catalog.contract import Contract
from domain.days import ALL_DAYS, NO_DAYS, UNBOUNDED_START, Days, Span, to_day
from domain.enrollment.decisions import DaysChange, Decision, Enroll, EnrollmentKey, Leave

DaysByEnrollment = dict[EnrollmentKey, Days]
"""The days of members on modules. A missing key means no days."""

Overrides = Mapping[EnrollmentKey, Mapping[str, Days]]
"""The days on which overridden rules count as satisfied, by rule code."""


def desired_days(decisions: Iterable[Decision], contract: Contract) -> DaysByEnrollment:
    """Returns the days that the decisions that count, in order of approval, ask for."""
    # Changes of different members are independent. Grouping them keeps the mappings small, which is faster.
    by_member: dict[UUID, DaysByEnrollment] = {}
    for decision in decisions:
        for change in decision.days_changes:
            lay_over(by_member.setdefault(change.member_id, {}), (change,), contract)
    return {key: days for desired in by_member.values() for key, days in desired.items()}


def lay_over(desired: DaysByEnrollment, changes: Iterable[DaysChange], contract: Contract) -> None:
    """Applies changes to `desired`, in place and in order. Days outside the span of a change stay as they are."""
    for change in changes:
        days = Days.of(change.days)
        match change:
            case Enroll(member_id, _, module_id, _):
                for mate in _on_mates(contract.mates(module_id), desired, member_id):
                    _take_away(desired, mate, days)
                key = EnrollmentKey(member_id, module_id)
                desired[key] = desired.get(key, NO_DAYS) | days
            case Leave(member_id, None, _):
                for key in [key for key in desired if key.member_id == member_id]:
                    _take_away(desired, key, days)
            case Leave(member_id, UUID() as module_id, _):
                _take_away(desired, EnrollmentKey(member_id, module_id), days)


def _on_mates(mates: frozenset[UUID], desired: DaysByEnrollment, member_id: UUID) -> list[EnrollmentKey]:
    """Returns a member's enrollments on modules of the same slot, found through the smaller of the two."""
    if len(mates) <= len(desired):
        return [EnrollmentKey(member_id, mate) for mate in mates]
    return [key for key in desired if key.member_id == member_id and key.module_id in mates]


def _take_away(desired: DaysByEnrollment, key: EnrollmentKey, days: Days) -> None:
    if key in desired:
        desired[key] -= days


def overridden_days(decisions: Iterable[Decision]) -> Overrides:
    """Returns the days on which rules that the decisions override count as satisfied."""
    overrides: dict[EnrollmentKey, Mapping[str, Days]] = {}
    for decision in decisions:
        override(overrides, decision)
    return overrides


def override(overrides: dict[EnrollmentKey, Mapping[str, Days]], decision: Decision) -> None:
    """Adds the rules that a decision overrides to `overrides`, in place.

    They count as satisfied on the days of each enroll of the same request, up to its `overridden_before`, regardless of
    earlier or later decisions about these days. A leave overrides nothing.
    """
    until = decision.overridden_before
    overridable = Days.of(Span(UNBOUNDED_START, to_day(until))) if until else ALL_DAYS
    for change in decision.changes if decision.overridden_rules else ():
        if isinstance(change, Enroll):
            key = EnrollmentKey(change.member_id, change.module_id)
            days, known = Days.of(change.days) & overridable, overrides.get(key, {})
            added = {code: known.get(code, NO_DAYS) | days for code in decision.overridden_rules}
            overrides[key] = {**known, **added}
