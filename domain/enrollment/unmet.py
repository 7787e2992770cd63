"""Decisions that are not fully met: what they ask for, nobody has decided otherwise since, and is not settled."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from uuid import UUID

from domain.days import NO_DAYS, Days
from domain.enrollment.decisions import Decision, Enroll, EnrollmentKey
from domain.enrollment.desired import lay_over
from domain.enrollment.explaining import why_not
from domain.enrollment.group import GroupBasis
from domain.enrollment.settling import Settlement
from domain.enrollment.verdicts import Violation


@dataclass(frozen=True, slots=True)
class UnmetEnroll:
    """An enroll of an approved request: the days that it does not have, those of them that were settled until now, and
    the rules that stand against them."""

    change_request_id: UUID | None
    change_index: int
    member_id: UUID
    module_id: UUID
    days: Days
    newly: Days
    reasons: tuple[Violation, ...]


def unmet_enrolls(
    basis: GroupBasis, settlement: Settlement, before: Mapping[EnrollmentKey, Days]
) -> Iterator[UnmetEnroll]:
    """Every enroll that is not fully met, in order of approval; `before` are the days settled until now."""
    for n, decision in enumerate(basis.decisions):
        for i, change in enumerate(decision.changes):
            if not isinstance(change, Enroll):
                continue
            key = EnrollmentKey(change.member_id, change.module_id)
            missing = _still_asked(basis, n, i, change, key) - settlement.days.get(key, NO_DAYS)
            if missing:
                newly = missing & before.get(key, NO_DAYS)
                reasons = tuple(why_not(key, missing, settlement))
                yield UnmetEnroll(decision.change_request_id, i, *key, missing, newly, reasons)


def _still_asked(basis: GroupBasis, n: int, i: int, change: Enroll, key: EnrollmentKey) -> Days:
    """The days of an enroll about which nothing else was decided since."""
    decision = basis.decisions[n]
    rest = (Decision(decision.changes[i + 1 :], (), decision.consequence_leaves), *basis.decisions[n + 1 :])
    days = {key: Days.of(change.days)}
    for later in rest:
        again = Days.of(
            *(
                other.days
                for other in later.changes
                if isinstance(other, Enroll) and EnrollmentKey(other.member_id, other.module_id) == key
            )
        )
        lay_over(days, later.changes, basis.contract)
        lay_over(days, later.consequence_leaves, basis.contract)
        days[key] -= again
    return days[key]
