"""Contracts: successive versions, each with the modules that it offers.

Values only. `domain/publishing/` checks what can be published; prices are in `domain/catalog/prices.py`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from uuid import UUID

from domain.catalog.prices import EngineParameters, ModulePricing, VersionPricing
from domain.days import Day, Days, Span
from domain.membership import MembershipType
from domain.rules.conditions import Rule, leaves


class ServiceType(StrEnum):
    """BASE, an OPTION on top of it, or EXTENDED: both combined in one module."""

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
    """The amount that a member or a family can use, or has to pay, within a term.

    Amounts are minor units of the contract's currency, or visits. None means no limit. `benefit` is set for BENEFIT
    only.
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
    """The day of the year on which terms start. It can't be 29 February."""

    month: int = 1
    day: int = 1


@dataclass(frozen=True, slots=True)
class Module:
    """A module as one version offers it. If `membership_types` is empty, it is offered to every type."""

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


@dataclass(frozen=True, slots=True, weakref_slot=True)
class ContractVersion:
    """What the contract offers over a span of days. Modules are in the contract's order."""

    days: Span
    max_backdating_days: int
    rules: tuple[Rule, ...]
    modules: tuple[Module, ...]
    pricing: VersionPricing | None
    engine_parameters: EngineParameters | None

    def module(self, module_id: UUID) -> Module | None:
        """Returns the version's module with an id; None if it doesn't list the module."""
        return next((m for m in self.modules if m.module_id == module_id), None)


@dataclass(frozen=True)
class Contract:
    """What a sponsor bought, in one recorded state.

    `unlisted` has the slot of each module that other recorded states list and this one doesn't. Decisions can still
    refer to such modules.
    """

    contract_id: UUID
    display_name: str
    country_code: str
    currency_code: str
    time_zone: str
    sponsor_id: str
    term_start: TermStart
    versions: tuple[ContractVersion, ...]
    unlisted: Mapping[UUID, str | None] = field(default_factory=dict)

    @cached_property
    def slots(self) -> Mapping[UUID, str | None]:
        """The slot of every module that the contract has ever listed. None: the module is a slot of its own."""
        listed = {module.module_id: module.slot for version in self.versions for module in version.modules}
        return {**self.unlisted, **listed}

    @cached_property
    def life(self) -> Days:
        """The days on which some version is in force."""
        return Days.of(*(version.days for version in self.versions))

    def mates(self, module_id: UUID) -> frozenset[UUID]:
        """Returns the other modules of a module's slot; none if it has no slot, or isn't part of this contract."""
        return self._mates.get(module_id, frozenset())

    @cached_property
    def _mates(self) -> Mapping[UUID, frozenset[UUID]]:
        return {
            module_id: frozenset(
                other for other, other_slot in self.slots.items() if slot and other_slot == slot and other != module_id
            )
            for module_id, slot in self.slots.items()
        }

    def listings(self, module_id: UUID) -> tuple[tuple[ContractVersion, Module], ...]:
        """Returns the versions that list a module, in order, each with its module."""
        return self._listings.get(module_id, ())

    @cached_property
    def _listings(self) -> Mapping[UUID, tuple[tuple[ContractVersion, Module], ...]]:
        listings: dict[UUID, list[tuple[ContractVersion, Module]]] = {}
        for version in self.versions:
            for module in version.modules:
                listings.setdefault(module.module_id, []).append((version, module))
        return {module_id: tuple(listed) for module_id, listed in listings.items()}

    @cached_property
    def rule_codes(self) -> frozenset[str]:
        """The codes of the rules of all versions."""
        return frozenset(
            rule.code
            for version in self.versions
            for rules in (version.rules, *(module.rules for module in version.modules))
            for rule in rules
        )

    @cached_property
    def leaves_per_enrollment(self) -> float:
        """The average number of condition leaves that apply to one member on one module, over all versions."""
        of_modules = [
            sum(1 for rule in (*version.rules, *module.rules) for _ in leaves(rule.condition))
            for version in self.versions
            for module in version.modules
        ]
        return sum(of_modules) / max(1, len(self._listings))

    def version_on(self, day: Day) -> ContractVersion | None:
        """Returns the version in force on a day; None if there is none."""
        return next((version for version in self.versions if version.days.holds(day)), None)
