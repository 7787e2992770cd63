"""The cost of people on their modules: the price of each, with sums by payer, by person and by module."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeVar
from uuid import UUID

from domain.errors import AmountTooLarge
from domain.money import MAX_MINOR
from domain.pricing.costs import Amounts, Charge, PayerTotals, Sums, total
from domain.pricing.tariffs import Price

K = TypeVar("K")


class Component(NamedTuple):
    """A charge for one beneficiary. `beneficiary_index` is the index in spec order; `enrollment_id` is None if the
    person isn't enrolled."""

    beneficiary_index: int
    enrollment_id: UUID | None
    charge: Charge


class PricedModule(NamedTuple):
    """The price of one beneficiary on one module. Its index and enrollment are those of its components."""

    beneficiary_index: int
    enrollment_id: UUID | None
    module_id: UUID
    price: Price


@dataclass(frozen=True, slots=True)
class InsuranceCost:
    """A monthly cost. `priced` is in order of beneficiary and module; there is at least one."""

    priced: tuple[PricedModule, ...]
    currency_code: str
    sums: Sums

    @property
    def totals(self) -> PayerTotals:
        return self.sums.by_payer

    @property
    def components(self) -> tuple[Component, ...]:
        """The components in order of beneficiary, module, contribution and payer."""
        return tuple(
            Component(each.beneficiary_index, each.enrollment_id, charge)
            for each in self.priced
            for charge in each.price.charges
        )

    def by_beneficiary(self) -> dict[int, Amounts]:
        """Returns the sums by index in spec order, in that order."""
        return _summed((each.beneficiary_index, each.price) for each in self.priced)

    def by_module(self) -> dict[UUID, Amounts]:
        """Returns the sums by module, in the order in which modules first appear."""
        return _summed((each.module_id, each.price) for each in self.priced)


def _summed(prices: Iterable[tuple[K, Price]]) -> dict[K, Amounts]:
    """Returns the sums of prices by key, in the order in which keys first appear."""
    found: dict[K, list[int]] = {}
    for key, price in prices:
        sums = found.get(key)
        if sums is None:  # each access costs a hash, and UUIDs compute theirs in Python
            found[key] = [price.untaxed_minor, price.taxes_minor]
        else:
            sums[0] += price.untaxed_minor
            sums[1] += price.taxes_minor
    return {key: Amounts(untaxed, taxes) for key, (untaxed, taxes) in found.items()}


def insurance_cost(priced: Sequence[PricedModule], currency_code: str) -> InsuranceCost:
    """Combines prices to one cost. Raises AmountTooLarge if a total exceeds what a response can hold."""
    if not priced:
        raise ValueError("nobody was priced")
    sums = total([each.price.sums for each in priced])
    # Each payer's part, and each difference between two totals, is less than twice the overall total.
    if sums.taxed_minor > MAX_MINOR // 2:
        raise AmountTooLarge("The total monthly cost", MAX_MINOR // 2)
    return InsuranceCost(tuple(priced), currency_code, sums)
