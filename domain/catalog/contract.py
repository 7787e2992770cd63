"""Contracts: versions that follow each other, each with the modules that it offers.

Values only. What may be published stands in `publishing.py`; prices in `domain/pricing/prices.py`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from typing import Any
from uuid import UUID

from domain.days import Day, Days, Span
from domain.membership import MembershipType
from domain.pricing.prices import EngineParameters, ModulePricing, VersionPricing
from domain.rules.conditions import Rule


class ServiceType(StrEnum):
    """BASE, OPTION on top of it, or EXTENDED: both rolled into one."""

    BASE = "BASE"
    OPTION = "OPTION"
    EXTENDED = "EXTENDED"


class LimitKind(StrEnum):
    DEDUCTIBLE = "DEDUCTIBLE"
    OUT_OF_POCKET_MAX = "OUT_OF_POCKET_MAX"
    BENEFIT = "BENEFIT"


class LimitUnit(StrEnum):
    MONEY = "MONEY"
    VISITS = "VISITS"


@dataclass(frozen=True, slots=True)
class Limit:
    """How much of something a member or a family can use or has to bear within a term.

    Amounts are minor units of the contract's currency, or visits; None: no limit. `benefit` is empty but for BENEFIT.
    """

    kind: LimitKind
    benefit: str
    unit: LimitUnit
    individual_amount: int | None
    family_amount: int | None

    @property
    def code(self) -> str:
        return f"{self.kind}:{self.benefit}" if self.benefit else str(self.kind)


@dataclass(frozen=True, slots=True)
class TermStart:
    """The day of the year on which terms start; 29 February is not one."""

    month: int = 1
    day: int = 1


@dataclass(frozen=True, slots=True)
class Module:
    """An offer, as one version has it. `membership_types` is empty where everybody may be on it."""

    module_id: UUID
    display_name: str
    slot: str | None
    service_type: ServiceType
    membership_types: tuple[MembershipType, ...]
    commitment_months: int | None
    rules: tuple[Rule, ...]
    capabilities: tuple[str, ...]
    limits: tuple[Limit, ...]
    network_tier: str
    pricing: ModulePricing | None

    def admits(self, membership_type: MembershipType) -> bool:
        return not self.membership_types or membership_type in self.membership_types


@dataclass(frozen=True, slots=True)
class ContractVersion:
    """What the contract offers over a span of days. Modules stand in the contract's order.

    `remembered` is no part of the value: pricing keeps there what it has worked out (`domain/pricing/tariffs.py`).
    """

    days: Span
    max_backdating_days: int
    rules: tuple[Rule, ...]
    modules: tuple[Module, ...]
    pricing: VersionPricing | None
    engine_parameters: EngineParameters | None
    remembered: dict[Any, Any] = field(default_factory=dict, init=False, compare=False, repr=False)

    def module(self, module_id: UUID) -> Module | None:
        return next((m for m in self.modules if m.module_id == module_id), None)


@dataclass(frozen=True)
class Contract:
    """What a sponsor bought, in one recorded state.

    `slots` tells the slot of every module that the contract has ever listed, also of those that no version lists any
    more (None: the module stands alone); the server fills it in.
    """

    contract_id: UUID
    display_name: str
    country_code: str
    currency_code: str
    time_zone: str
    sponsor_id: str
    term_start: TermStart
    versions: tuple[ContractVersion, ...]
    slots: Mapping[UUID, str | None] = field(default_factory=dict)

    @cached_property
    def life(self) -> Days:
        """The days on which some version is in force."""
        return Days.of(*(version.days for version in self.versions))

    def mates(self, module_id: UUID) -> frozenset[UUID]:
        """The other modules of a module's slot; none for a module that stands alone, or is not of this contract."""
        return self._mates.get(module_id, frozenset())

    @cached_property
    def _mates(self) -> Mapping[UUID, frozenset[UUID]]:
        return {
            module_id: frozenset(
                other for other, its_slot in self.slots.items() if slot and its_slot == slot and other != module_id
            )
            for module_id, slot in self.slots.items()
        }

    def listings(self, module_id: UUID) -> tuple[tuple[ContractVersion, Module], ...]:
        """The versions that list a module, in order, each with the module as it has it."""
        return self._listings.get(module_id, ())

    @cached_property
    def _listings(self) -> Mapping[UUID, tuple[tuple[ContractVersion, Module], ...]]:
        listings: dict[UUID, list[tuple[ContractVersion, Module]]] = {}
        for version in self.versions:
            for module in version.modules:
                listings.setdefault(module.module_id, []).append((version, module))
        return {module_id: tuple(listed) for module_id, listed in listings.items()}

    def version_on(self, day: Day) -> ContractVersion | None:
        """The version in force on a day, or None outside the contract's life."""
        return next((version for version in self.versions if version.days.holds(day)), None)
