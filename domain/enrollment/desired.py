"""Desired: decisions laid over each other, the later ones winning (`enrollment.md`, section 1).

Nothing is judged here: days may be desired that no rule allows.
"""

from collections.abc import Iterable, Mapping
from uuid import UUID

from domain.catalog.contract import Contract
from domain.days import NO_DAYS, Days
from domain.enrollment.decisions import Change, Decision, Enroll, EnrollmentKey, Leave

DaysByEnrollment = dict[EnrollmentKey, Days]
"""Days of members on modules. A missing key is no day."""

Overrides = Mapping[EnrollmentKey, Mapping[str, Days]]
"""Days on which rules count as satisfied, by rule code."""


def desired_days(decisions: Iterable[Decision], contract: Contract) -> DaysByEnrollment:
    """The days that decisions, in order of approval, ask for."""
    desired: DaysByEnrollment = {}
    for decision in decisions:
        lay_over(desired, decision.changes, contract)
        lay_over(desired, decision.consequence_leaves, contract)
    return desired


def lay_over(desired: DaysByEnrollment, changes: Iterable[Change], contract: Contract) -> None:
    """Changes `desired` in place by changes in order. Outside their spans, what was said before stays."""
    for change in changes:
        days = Days.of(change.days)
        match change:
            case Enroll(member_id, _, module_id, _):
                for mate in contract.mates(module_id):
                    _take_away(desired, EnrollmentKey(member_id, mate), days)
                key = EnrollmentKey(member_id, module_id)
                desired[key] = desired.get(key, NO_DAYS) | days
            case Leave(member_id, None, _):
                for key in [key for key in desired if key.member_id == member_id]:
                    _take_away(desired, key, days)
            case Leave(member_id, UUID() as module_id, _):
                _take_away(desired, EnrollmentKey(member_id, module_id), days)


def _take_away(desired: DaysByEnrollment, key: EnrollmentKey, days: Days) -> None:
    if key in desired:
        desired[key] -= days


def overridden_days(decisions: Iterable[Decision], contract: Contract) -> Overrides:
    """The days on which named rules count as satisfied: those of each change of a request that overrides them,
    whatever was decided on these days before or after."""
    overrides: dict[EnrollmentKey, dict[str, Days]] = {}
    for decision in decisions:
        for change in decision.changes if decision.overridden_rules else ():
            modules = contract.slots.keys() if change.module_id is None else (change.module_id,)
            for module_id in modules:
                by_code = overrides.setdefault(EnrollmentKey(change.member_id, module_id), {})
                for code in decision.overridden_rules:
                    by_code[code] = by_code.get(code, NO_DAYS) | Days.of(change.days)
    return overrides
