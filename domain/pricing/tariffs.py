"""Tariffs: what a contract version charges while the same discounts run.

Few different prices serve a whole portfolio; so each is worked out once, and remembered for as long as its version.
"""

from bisect import bisect_right
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from domain.catalog.contract import ContractVersion, Module
from domain.days import Day, to_date
from domain.errors import PriceMissing
from domain.membership import MembershipType
from domain.money import Rounding
from domain.pricing.beneficiaries import Beneficiary
from domain.pricing.charging import Split, Step, charged, split
from domain.pricing.costs import BilledEntity, ContributionType, MonthlyAmount
from domain.pricing.prices import CollectionMethod
from domain.pricing.schemes import SCHEMES
from domain.pricing.schemes.rows import PriceRow


@dataclass(frozen=True, slots=True)
class Derivation:
    """How a price came about: the version, the row, and every step from its cost to what each payer is billed.

    `version_from` is the version's first day; None: open.
    """

    version_from: date | None
    row: PriceRow
    rounding: Rounding
    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class Price:
    """What somebody on a module costs a month, in order of contribution and payer; one object serves many."""

    amounts: tuple[MonthlyAmount, ...]
    derivation: Derivation


class Tariff:
    """One version, on days between which no discount begins or ends, with one rounding."""

    def __init__(self, version: ContractVersion, currency_code: str, on: Day, rounding: Rounding) -> None:
        self._version = version
        self._currency_code = currency_code
        self._on = on
        self._rounding = rounding
        self._by_person: list[dict[Any, Price]] = [{} for _ in version.modules]
        self._by_row: list[dict[Any, Price]] = [{} for _ in version.modules]

    def places(self, module: int, people: Sequence[Beneficiary]) -> Sequence[Hashable]:
        """What the others on a module, which is named by its place in the version, make of each one's cost."""
        pricing = self._version.pricing
        return (
            SCHEMES[pricing.scheme].places(self._version.modules[module], people) if pricing else [None] * len(people)
        )

    def price(self, module: int, person: Beneficiary, place: Hashable, on: Day, *, has_partner: bool) -> Price:
        """The price of somebody on a module, in a place among the others. Raises PriceMissing, with a day."""
        key = (person.beneficiary_type, person.age, person.regime, place, has_partner)
        price = self._by_person[module].get(key)
        if price is None:
            listed, pricing = self._version.modules[module], self._version.pricing
            if pricing is None or listed.pricing is None:
                raise _missing("no pricing data", listed, person, on)
            row = SCHEMES[pricing.scheme].row(listed, pricing, person, place)
            if row is None:
                raise _missing("no row", listed, person, on)
            price = self._price(module, person.beneficiary_type, row, has_partner)
            self._by_person[module][key] = price
        return price

    def _price(self, place: int, kind: MembershipType, row: PriceRow, has_partner: bool) -> Price:
        """One object for everybody whose cost stands in the same row."""
        known = self._by_row[place].get((kind, row, has_partner))
        if known is None:
            known = self._work_out(self._version.modules[place], kind, row, has_partner)
            self._by_row[place][kind, row, has_partner] = known
        return known

    def _work_out(self, module: Module, kind: MembershipType, row: PriceRow, has_partner: bool) -> Price:
        """An amount for each that is not 0; a single one of 0 where all are, so that nobody vanishes."""
        assert module.pricing is not None  # noqa: S101 (a row was found in it)
        steps: list[Step] = []
        whole = charged(module.pricing, row.cost_minor, kind, self._on, self._rounding, steps)
        parts = split(module.pricing, whole, kind, self._rounding, steps, has_partner=has_partner)
        billed = [entry for entry in _billed(parts) if entry[3]]
        amounts = [
            MonthlyAmount(
                contribution,
                entity,
                collection,
                kind,
                module.service_type,
                module.module_id,
                self._currency_code,
                amount,
            )
            for contribution, entity, collection, amount in billed
            or [(ContributionType.COST, parts.payer, parts.collection_method, 0)]
        ]
        return Price(tuple(amounts), Derivation(self._version.days.first_on, row, self._rounding, tuple(steps)))


def _missing(why: str, module: Module, person: Beneficiary, on: Day) -> PriceMissing:
    return PriceMissing(why, person.beneficiary_type, module.module_id, person.age, to_date(on))


def _billed(parts: Split) -> Iterator[tuple[ContributionType, BilledEntity, CollectionMethod | None, int]]:
    for (contribution, company), (_, remainder) in zip(parts.company.parts(), parts.remainder.parts(), strict=True):
        yield contribution, BilledEntity.COMPANY, None, company
        yield contribution, parts.payer, parts.collection_method, remainder


def tariff_on(version: ContractVersion, currency_code: str, on: Day, rounding: Rounding) -> Tariff:
    """The tariff of a day of a version."""
    bounds = discount_bounds(version)
    key = (bisect_right(bounds, on), currency_code, rounding)
    tariff: Tariff | None = version.remembered.get(key)
    if tariff is None:
        tariff = version.remembered[key] = Tariff(version, currency_code, on, rounding)
    return tariff


def discount_bounds(version: ContractVersion) -> tuple[Day, ...]:
    """The days on which a discount of a version begins, or is over, in order."""
    bounds: tuple[Day, ...] | None = version.remembered.get("discount_bounds")
    if bounds is None:
        discounts = [d for module in version.modules if module.pricing for d in module.pricing.discounts]
        bounds = tuple(sorted({day for discount in discounts for day in discount.days}))
        version.remembered["discount_bounds"] = bounds
    return bounds
