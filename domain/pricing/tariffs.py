"""Tariffs: the prices of a contract version while the same discounts are active.

A whole portfolio needs only a few different prices, so each is computed once and cached for as long as its version is
in memory.
"""

from bisect import bisect_right
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from weakref import finalize

from domain.catalog.contract import ContractVersion, Module
from domain.catalog.prices import CollectionMethod, VersionPricing
from domain.days import Day, to_date
from domain.errors import AmountTooLarge, PriceMissing
from domain.members import HealthRegime
from domain.membership import MembershipType
from domain.money import MAX_MONTHLY_MINOR, Rounding
from domain.pricing.beneficiaries import Beneficiary
from domain.pricing.charging import Split, Step, contributions_of, split
from domain.pricing.costs import BilledEntity, Charge, ContributionType, Sums, sums_of
from domain.pricing.schemes import SCHEMES
from domain.pricing.schemes.rows import PriceRow


@dataclass(frozen=True, slots=True)
class Derivation:
    """How a price was computed: the version, the price row, and every step from the row's cost to what payers are
    billed.

    `version_from` is the version's first day; None if it has none.
    """

    version_from: date | None
    row: PriceRow
    rounding: Rounding
    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class Price:
    """The monthly charges of one person on one module, ordered by contribution and payer, and their sums.

    Everybody with the same price shares one object.
    """

    charges: tuple[Charge, ...]
    derivation: Derivation
    sums: Sums = field(init=False)
    untaxed_minor: int = field(init=False)
    taxes_minor: int = field(init=False)

    def __post_init__(self) -> None:
        sums = sums_of(self.charges)
        object.__setattr__(self, "sums", sums)
        object.__setattr__(self, "untaxed_minor", sums.company_untaxed + sums.primary_untaxed + sums.partner_untaxed)
        object.__setattr__(self, "taxes_minor", sums.company_taxes + sums.primary_taxes + sums.partner_taxes)


PersonKey = tuple[MembershipType, int, HealthRegime, Hashable, bool]
"""Type, age, regime, family situation, and whether the policy has a partner: all that a person's price depends on."""
RowKey = tuple[MembershipType, PriceRow, bool]


class Tariff:
    """The prices of one version on days between which no discount starts or ends, with one rounding."""

    def __init__(self, tariffs: "Tariffs", currency_code: str, on: Day, rounding: Rounding) -> None:
        self._version_from = tariffs.version_from
        self._modules = tariffs.modules
        self._pricing = tariffs.pricing
        self._currency_code = currency_code
        self._on = on
        self._rounding = rounding
        self._by_person: list[dict[PersonKey, Price]] = [{} for _ in self._modules]
        self._by_row: list[dict[RowKey, Price]] = [{} for _ in self._modules]

    def situations(self, module: int, people: Sequence[Beneficiary]) -> Sequence[Hashable]:
        """Returns the family situation of each person on a module: how the others affect what the person costs.

        `module` is an index into the modules of the version.
        """
        if self._pricing is None:
            return [None] * len(people)
        return SCHEMES[self._pricing.scheme].situations(self._modules[module], people)

    def price(self, module: int, person: Beneficiary, situation: Hashable, on: Day, *, has_partner: bool) -> Price:
        """Returns the price of a person on a module. Raises PriceMissing, AmountTooLarge."""
        key = (person.beneficiary_type, person.age, person.regime, situation, has_partner)
        price = self._by_person[module].get(key)
        if price is None:
            listed, pricing = self._modules[module], self._pricing
            if pricing is None or listed.pricing is None:
                raise _missing("no pricing data", listed, person, on)
            row = SCHEMES[pricing.scheme].row(listed, pricing, person, situation)
            if row is None:
                raise _missing("no price row", listed, person, on)
            price = self._price_of_row(module, person.beneficiary_type, row, has_partner, on)
            self._by_person[module][key] = price
        return price

    def _price_of_row(self, module: int, kind: MembershipType, row: PriceRow, has_partner: bool, on: Day) -> Price:
        """Returns one object for everybody whose cost comes from the same price row."""
        key = (kind, row, has_partner)
        price = self._by_row[module].get(key)
        if price is None:
            price = self._by_row[module][key] = self._compute(self._modules[module], kind, row, has_partner, on)
        return price

    def _compute(self, module: Module, kind: MembershipType, row: PriceRow, has_partner: bool, on: Day) -> Price:
        """Computes the charges that aren't 0. If all are 0, one charge of 0 is kept, so that the person is listed.

        Raises AmountTooLarge for contracts that were published before `amount_checks.py` rejected such amounts.
        """
        assert module.pricing is not None  # noqa: S101 (the row comes from it)
        steps: list[Step] = []
        whole = contributions_of(module.pricing, row.cost_minor, kind, self._on, self._rounding, steps)
        if whole.net + whole.taxes > MAX_MONTHLY_MINOR:
            raise _too_large(module, kind, on)
        parts = split(module.pricing, whole, kind, self._rounding, steps, has_partner=has_partner)
        billed = [part for part in _billed(parts) if part[3]]
        charges = [
            Charge(
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
        return Price(tuple(charges), Derivation(self._version_from, row, self._rounding, tuple(steps)))


def _too_large(module: Module, kind: MembershipType, on: Day) -> AmountTooLarge:
    what = f"The monthly cost of a {kind} on module {module.module_id}, with taxes,"
    return AmountTooLarge(what, MAX_MONTHLY_MINOR, beneficiary_type=kind, module_id=module.module_id, date=to_date(on))


def _missing(why: str, module: Module, person: Beneficiary, on: Day) -> PriceMissing:
    return PriceMissing(why, person.beneficiary_type, module.module_id, person.age, to_date(on))


def _billed(parts: Split) -> Iterator[tuple[ContributionType, BilledEntity, CollectionMethod | None, int]]:
    for (contribution, company), (_, remainder) in zip(parts.company.parts(), parts.remainder.parts(), strict=True):
        yield contribution, BilledEntity.COMPANY, None, company
        yield contribution, parts.payer, parts.collection_method, remainder


class Tariffs:
    """The tariffs of one contract version. It doesn't refer to the version, so that it is dropped together with it."""

    def __init__(self, version: ContractVersion) -> None:
        self.version_from = version.days.first_on
        self.modules = version.modules
        self.numbers = {module.module_id: number for number, module in enumerate(version.modules)}
        """The indexes of the modules in `modules`, by id."""
        self.pricing: VersionPricing | None = version.pricing
        discounts = [d for module in version.modules if module.pricing for d in module.pricing.discounts]
        self.discount_bounds = tuple(sorted({day for discount in discounts for day in discount.days}))
        """The days on which a discount starts or has just ended, in order."""
        self._known: dict[tuple[int, str, Rounding], Tariff] = {}

    def on(self, day: Day, currency_code: str, rounding: Rounding) -> Tariff:
        """Returns the tariff of a day of the version."""
        key = (bisect_right(self.discount_bounds, day), currency_code, rounding)
        tariff = self._known.get(key)
        if tariff is None:
            tariff = self._known[key] = Tariff(self, currency_code, day, rounding)
        return tariff


_TARIFFS: dict[int, Tariffs] = {}
"""The key is the identity of the version, because comparing whole versions takes longer than computing a price."""


def tariffs_of(version: ContractVersion) -> Tariffs:
    """Returns the tariffs of a version, which are cached until the version object is garbage-collected."""
    tariffs = _TARIFFS.get(id(version))
    if tariffs is None:
        tariffs = _TARIFFS[id(version)] = Tariffs(version)
        finalize(version, _TARIFFS.pop, id(version), None).atexit = False
    return tariffs
