"""Pricing periods: consecutive days on which a contract prices everybody in the same way.

They depend on the contract alone (versions, discounts, parameters), so they are computed once for all its policies.
"""

from bisect import bisect_right
from collections.abc import Hashable, Iterator, Mapping, Sequence
from datetime import date
from typing import NamedTuple
from uuid import UUID

from domain.catalog.contract import Contract, ContractVersion
from domain.catalog.prices import EngineParameters
from domain.days import Day, Span, to_date
from domain.errors import NoContractVersion
from domain.members import HealthRegime
from domain.membership import MembershipType
from domain.premiums.reasons import PieceReason, Reasons
from domain.pricing.parameters import COUNTRY_PARAMETERS, require, resolved
from domain.pricing.tariffs import Price, tariffs_of

ALL_PARAMETERS = (
    "age_strategy",
    "rounding",
    "prorata",
    "default_age_child",
    "default_age_other",
    "age_normalization",
)
MAX_CONTRACTS, MAX_PRICES = 100, 50_000


class PricingPeriod(NamedTuple):
    """Days from `start` to the start of the next period.

    `version` is None if no version is in force. `parameters` is incomplete if no source sets a value. `module_indexes`
    maps each module of the version to its index.
    """

    start: Day
    version: ContractVersion | None
    parameters: EngineParameters
    module_indexes: Mapping[UUID, int]


class Basis(NamedTuple):
    """The price and the engine parameters that an entry was computed from."""

    price: Price
    parameters: EngineParameters


class AgedPrice(NamedTuple):
    """The price of one person on one module for days on which their age doesn't change."""

    start: Day
    end: Day
    basis: Basis
    age: int


PersonKey = tuple[Day, Day, int, MembershipType, date | None, HealthRegime, Hashable, bool]
"""Start and end of a piece, module, type, date of birth, regime, family situation, and whether there is a partner."""


class ContractPricing:
    """The pricing periods of a contract over a span of days, with the prices that were computed in them.

    `cuts` are the days on which a period starts, in order, with the reasons. `prices` is a cache, shared by all
    policies: people with equal keys have equal prices.
    """

    def __init__(self, contract: Contract, days: Span, own: EngineParameters | None = None) -> None:
        """`own` are the parameters of the request, which override those of the contract."""
        self.contract = contract
        self.days = days
        self.cuts = _cuts(contract, days)
        self._periods = _periods(contract, self.cuts, own)
        self.prices: dict[PersonKey, tuple[AgedPrice, ...]] = {}

    def period_on(self, day: Day) -> PricingPeriod:
        """Returns the period of a day of the span, which has a version and all parameters.

        Raises NoContractVersion, EngineParameterMissing.
        """
        period = self._periods[bisect_right(self._periods, day, key=lambda each: each.start) - 1]
        if period.version is None:
            raise NoContractVersion(self.contract.contract_id, to_date(day))
        require(period.parameters, ALL_PARAMETERS, self.contract.country_code, to_date(day))
        return period


class ContractPricingCache:
    """Keeps the most recently used contract pricings. An amended contract is another object, so it misses."""

    def __init__(self) -> None:
        self._known: dict[tuple[UUID, Span, EngineParameters | None], ContractPricing] = {}

    def forget(self) -> None:
        """Clears the cache."""
        self._known.clear()

    def of(self, contract: Contract, days: Span, own: EngineParameters | None) -> ContractPricing:
        """Returns the pricing of a contract over a span of days, with the request's own parameters."""
        key = (contract.contract_id, days, own)
        known = self._known.pop(key, None)
        if known is None or known.contract is not contract or len(known.prices) > MAX_PRICES:
            known = ContractPricing(contract, days, own)
        self._known[key] = known
        if len(self._known) > MAX_CONTRACTS:
            self._known.pop(next(iter(self._known)))
        return known


def _periods(contract: Contract, cuts: Mapping[Day, Reasons], own: EngineParameters | None) -> Sequence[PricingPeriod]:
    country = COUNTRY_PARAMETERS.get(contract.country_code)
    periods: list[PricingPeriod] = []
    for day in cuts:
        version = contract.version_on(day)
        indexes = {module.module_id: i for i, module in enumerate(version.modules)} if version else {}
        parameters = resolved(own, version.engine_parameters if version else None, country)
        if periods and periods[-1].parameters == parameters:
            parameters = periods[-1].parameters  # the same object, because runs are joined by its identity
        periods.append(PricingPeriod(day, version, parameters, indexes))
    return periods


def _cuts(contract: Contract, days: Span) -> dict[Day, Reasons]:
    cuts: dict[Day, set[PieceReason]] = {days.start: {PieceReason.RANGE_START}}
    for day, reason in _changes(contract, days):
        if days.start <= day < days.end:
            cuts.setdefault(day, set()).add(reason)
    return {day: frozenset(cuts[day]) for day in sorted(cuts)}


def _changes(contract: Contract, days: Span) -> Iterator[tuple[Day, PieceReason]]:
    for version in contract.versions:
        if version.days.start < days.end and days.start <= version.days.end:
            yield version.days.start, PieceReason.CONTRACT_VERSION
            yield version.days.end, PieceReason.CONTRACT_VERSION
            if tariffs_of(version).discount_bounds:
                yield from _discount_changes(version)


def _discount_changes(version: ContractVersion) -> Iterator[tuple[Day, PieceReason]]:
    """Yields the starts and ends of discounts within the days of their version; others have no effect."""
    for module in version.modules:
        for discount in module.pricing.discounts if module.pricing else ():
            if version.days.start <= discount.days.start < version.days.end:
                yield discount.days.start, PieceReason.DISCOUNT_STARTED
            if version.days.start < discount.days.end <= version.days.end:
                yield discount.days.end, PieceReason.DISCOUNT_ENDED
