"""Enrolls that are not fully met: some of their days aren't settled, although no later decision changes them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple
from uuid import UUID

from domain.catalog.contract import Contract
from domain.days import NO_DAYS, Days
from domain.enrollment.bounds import MAX_UNMET, Bounds
from domain.enrollment.decisions import DaysChange, Decision, Enroll, EnrollmentKey
from domain.enrollment.explaining import Explainer
from domain.enrollment.group import GroupBasis
from domain.enrollment.settling import Settlement
from domain.enrollment.verdicts import Violation


@dataclass(frozen=True, slots=True)
class UnmetEnroll:
    """An enroll of an approved request that isn't fully met.

    `days` are the missing days, `newly` those of them that were settled until now, and `reasons` the rules that they
    would break.
    """

    change_request_id: UUID | None
    change_index: int
    member_id: UUID
    module_id: UUID
    days: Days
    newly: Days
    reasons: tuple[Violation, ...]
    reasons_omitted: int = 0


class UnmetEnrolls(NamedTuple):
    """Enrolls that are not fully met, in order of approval, and how many more there are."""

    enrolls: tuple[UnmetEnroll, ...]
    omitted: int


def unmet_enrolls(basis: GroupBasis, settlement: Settlement, before: Mapping[EnrollmentKey, Days]) -> UnmetEnrolls:
    """Returns the enrolls that are not fully met, except those of members whose facts were erased.

    `before` are the days settled until now.
    """
    unmet = list(_unmet(basis, settlement))
    reported = unmet[:MAX_UNMET]
    explainer, bounds = Explainer(settlement), Bounds.of_each(len(reported))
    enrolls = tuple(
        UnmetEnroll(
            by, index, *key, missing, missing & before.get(key, NO_DAYS), *explainer.why_not(key, missing, bounds)
        )
        for by, index, key, missing in reported
    )
    return UnmetEnrolls(enrolls, len(unmet) - len(reported))


def _unmet(basis: GroupBasis, settlement: Settlement) -> Iterator[tuple[UUID | None, int, EnrollmentKey, Days]]:
    """Yields each enroll that isn't fully met: its request, its index there, its enrollment, and the missing days."""
    decisions = basis.counting()
    for decision, still_asked in zip(decisions, _still_asked(decisions, basis.contract), strict=True):
        for i, change in enumerate(decision.changes):
            if isinstance(change, Enroll) and not (basis.closed and change.member_id in basis.closed.erased):
                key = EnrollmentKey(change.member_id, change.module_id)
                missing = still_asked[i] - settlement.days.get(key, NO_DAYS)
                if missing:
                    yield decision.change_request_id, i, key, missing


def _still_asked(decisions: Sequence[Decision], contract: Contract) -> list[list[Days]]:
    """Returns, for each change of each decision, the days that no later change concerns.

    A change that isn't about days has none.
    """
    later = _Decided(contract)
    found: list[list[Days]] = []
    for decision in reversed(decisions):
        for leave in decision.consequence_leaves:
            later.add(leave)
        left: list[Days] = []
        for change in reversed(decision.changes):
            if isinstance(change, DaysChange):
                left.append(later.undecided(change))
                later.add(change)
            else:
                left.append(NO_DAYS)
        found.append(left[::-1])
    return found[::-1]


class _Decided:
    """The days that decisions concern, by member and by module, slot, or all modules."""

    def __init__(self, contract: Contract) -> None:
        self._contract = contract
        self._days: dict[tuple[UUID, UUID | str | None], Days] = {}

    def add(self, change: DaysChange) -> None:
        about: UUID | str | None = change.module_id
        if isinstance(change, Enroll):
            about = self._slot(change.module_id)
        key = (change.member_id, about)
        self._days[key] = self._days.get(key, NO_DAYS) | Days.of(change.days)

    def undecided(self, change: DaysChange) -> Days:
        """Returns the days of a change that aren't decided otherwise for its member and module."""
        days = Days.of(change.days)
        for about in {change.module_id, self._slot(change.module_id), None}:
            days -= self._days.get((change.member_id, about), NO_DAYS)
        return days

    def _slot(self, module_id: UUID | None) -> UUID | str | None:
        """Returns what an enroll decides about: the module's slot, or the module itself if it has none."""
        return (self._contract.slots.get(module_id) or module_id) if module_id else None
