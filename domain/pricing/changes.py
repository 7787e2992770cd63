"""How a family's monthly cost changes when its enrollments do."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from uuid import UUID

from domain.catalog.contract import Contract
from domain.days import Days, to_day
from domain.enrollment.decisions import EnrollmentKey
from domain.errors import CannotBePriced, Reason
from domain.membership import MembershipType
from domain.pricing.costs import PayerTotals
from domain.pricing.inquiries import Policy, enrolled_specs, price_enrolled


@dataclass(frozen=True, slots=True)
class CostChange:
    """Both priced for one day; all 0 where nobody is enrolled."""

    on: date
    currency_code: str
    before: PayerTotals
    after: PayerTotals

    @property
    def difference(self) -> PayerTotals:
        return self.after - self.before


CostOutcome = CostChange | Reason | None
"""A change of cost; or why there is none; or None, where the contract has no pricing data at all."""


def enrolled_on(state: Mapping[EnrollmentKey, Days], on: date) -> frozenset[EnrollmentKey]:
    """Who is on what on a day."""
    day = to_day(on)
    return frozenset(key for key, days in state.items() if days.holds(day))


def with_choice(enrolled: Collection[EnrollmentKey], choice: EnrollmentKey, contract: Contract) -> set[EnrollmentKey]:
    """Enrollments with one more, its slot mates switched away."""
    mates = contract.mates(choice.module_id)
    kept = {key for key in enrolled if key.member_id != choice.member_id or key.module_id not in mates}
    return kept | {choice}


def cost_change(
    policy: Policy,
    before: Iterable[EnrollmentKey],
    after: Iterable[EnrollmentKey],
    types: Mapping[UUID, MembershipType],
    on: date,
) -> CostOutcome:
    """What a policy's month costs with one and with the other enrollments."""
    version = policy.contract.version_on(to_day(on))
    if version is None or version.pricing is None:
        return None
    try:
        totals = [_totals(policy, enrolled, types, on) for enrolled in (before, after)]
    except CannotBePriced as missing:
        return missing.reason
    return CostChange(on, policy.contract.currency_code, *totals)


def _totals(
    policy: Policy, enrolled: Iterable[EnrollmentKey], types: Mapping[UUID, MembershipType], on: date
) -> PayerTotals:
    specs = enrolled_specs(policy, enrolled, types, on)
    return price_enrolled(policy, specs, on).cost.totals if specs else PayerTotals()
