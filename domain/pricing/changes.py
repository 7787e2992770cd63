"""How a policy's monthly cost changes when its enrollments change."""

from collections.abc import Mapping, Set
from dataclasses import dataclass
from datetime import date
from typing import NamedTuple
from uuid import UUID

from domain.days import Days, to_day
from domain.enrollment.decisions import EnrollmentKey
from domain.errors import CannotBePriced, Reason
from domain.membership import MembershipType
from domain.pricing.costs import PayerTotals
from domain.pricing.inquiries import Policy, enrolled_specs, price_enrolled, price_module


@dataclass(frozen=True, slots=True)
class CostChange:
    """The cost before and after, for one day. Totals are 0 if nobody is enrolled."""

    on: date
    currency_code: str
    before: PayerTotals
    after: PayerTotals

    @property
    def difference(self) -> PayerTotals:
        return self.after - self.before


class Enrolled(NamedTuple):
    """Who is enrolled on a day, and the types of these members."""

    keys: Set[EnrollmentKey]
    types: Mapping[UUID, MembershipType]


CostOutcome = CostChange | Reason | None
"""The change of cost, the reason why it can't be computed, or None if the contract has no pricing data."""


def enrolled_on(state: Mapping[EnrollmentKey, Days], on: date) -> frozenset[EnrollmentKey]:
    """Returns the enrollments that have a day."""
    day = to_day(on)
    return frozenset(key for key, days in state.items() if days.holds(day))


def cost_change(
    policy: Policy,
    before: Enrolled,
    after: Enrolled,
    on: date,
) -> CostOutcome:
    """Returns the monthly cost of a policy with the enrollments `before` and `after`."""
    version = policy.contract.version_on(to_day(on))
    if version is None or version.pricing is None:
        return None
    try:
        totals = [_totals(policy, enrolled, on) for enrolled in (before, after)]
    except CannotBePriced as missing:
        return missing.reason
    return CostChange(on, policy.contract.currency_code, *totals)


def _totals(policy: Policy, enrolled: Enrolled, on: date) -> PayerTotals:
    specs = enrolled_specs(policy, enrolled.keys, enrolled.types, on)
    return price_enrolled(policy, specs, on).cost.totals if specs else PayerTotals()


class CostChanges:
    """Computes many changes from the current enrollments of a policy, with the results of `cost_change`.

    Modules whose people stay the same are priced only once.
    """

    def __init__(
        self, policy: Policy, enrolled: Set[EnrollmentKey], types: Mapping[UUID, MembershipType], on: date
    ) -> None:
        self._policy, self._enrolled, self._types, self._on = policy, enrolled, types, on
        now = Enrolled(enrolled, types)
        self._now = cost_change(policy, now, now, on)
        self._people: dict[UUID, set[EnrollmentKey]] = {}
        for key in enrolled:
            self._people.setdefault(key.module_id, set()).add(key)
        self._partners = {key for key in enrolled if self._is_partner(key)}
        self._totals: dict[UUID, PayerTotals] = {}

    def by(self, gained: Set[EnrollmentKey], lost: Set[EnrollmentKey]) -> CostOutcome:
        """Returns the change of cost when the policy gains and loses some enrollments."""
        if not isinstance(self._now, CostChange):
            return self._now
        partners = (self._partners - lost) | {key for key in gained if self._is_partner(key)}
        if bool(partners) != bool(self._partners):
            # Whether there is a partner can change who pays on every module.
            then = Enrolled((self._enrolled - lost) | gained, self._types)
            return cost_change(self._policy, Enrolled(self._enrolled, self._types), then, self._on)
        after = self._now.before
        try:
            for module_id in self._in_order({key.module_id for key in gained | lost}):
                people = self._people.get(module_id, set())
                joining = {key for key in gained if key.module_id == module_id}
                after = after - self._total_now(module_id) + self._total((people - lost) | joining)
        except CannotBePriced as missing:
            return missing.reason
        return CostChange(self._on, self._now.currency_code, self._now.before, after)

    def _in_order(self, module_ids: set[UUID]) -> list[UUID]:
        """Returns modules in the contract's order, so that the reason is that of the first one without a price."""
        version = self._policy.contract.version_on(to_day(self._on))
        return [module.module_id for module in version.modules if module.module_id in module_ids] if version else []

    def _is_partner(self, key: EnrollmentKey) -> bool:
        return self._types[key.member_id] == MembershipType.PARTNER

    def _total_now(self, module_id: UUID) -> PayerTotals:
        known = self._totals.get(module_id)
        if known is None:
            known = self._totals[module_id] = self._total(self._people.get(module_id, set()))
        return known

    def _total(self, people: Set[EnrollmentKey]) -> PayerTotals:
        """Returns the cost of one module for everybody on it."""
        if not people:
            return PayerTotals()
        specs = enrolled_specs(self._policy, people, self._types, self._on)
        return price_module(self._policy, specs, self._on, has_partner=bool(self._partners)).totals
