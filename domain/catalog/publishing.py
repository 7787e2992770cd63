"""What may be published: everything that is wrong with a contract, each fault with its path, all at once.

What a single field must satisfy is checked before (`server/checking.py`); here is what only the whole contract tells.
Rules have their checks in `rule_checks.py`, prices in `domain/pricing/price_checks.py`.
"""

from collections.abc import Iterator
from datetime import date
from itertools import pairwise
from uuid import UUID
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from domain.catalog.contract import Contract, ContractVersion, LimitKind, LimitUnit, Module, TermStart
from domain.catalog.rule_checks import rule_violations
from domain.countries import is_country
from domain.currencies import is_currency
from domain.days import UNBOUNDED_END, UNBOUNDED_START
from domain.errors import FieldViolation
from domain.pricing.price_checks import module_pricing_violations, version_pricing_violations

COMMON_YEAR = 2001


def contract_violations(contract: Contract) -> list[FieldViolation]:
    """Everything that stands against publishing a contract; empty: nothing does."""
    return [
        *_header(contract),
        *_sequence(contract.versions),
        *_slots(contract),
        *_limit_codes(contract),
        *(
            violation
            for i, version in enumerate(contract.versions)
            for violation in _version(version, contract, f"versions[{i}]")
        ),
    ]


def _header(contract: Contract) -> Iterator[FieldViolation]:
    if not is_country(contract.country_code):
        yield FieldViolation("country_code", f"{contract.country_code} is not an ISO 3166 code")
    if not is_currency(contract.currency_code):
        yield FieldViolation("currency_code", f"{contract.currency_code} is not an ISO 4217 code")
    if not _is_time_zone(contract.time_zone):
        yield FieldViolation("time_zone", f"{contract.time_zone} is not an IANA time zone")
    if not _is_day_of_every_year(contract.term_start):
        yield FieldViolation("term_start", "is not a day of every year")


def _is_time_zone(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True


def _is_day_of_every_year(start: TermStart) -> bool:
    try:
        date(COMMON_YEAR, start.month, start.day)
    except ValueError:
        return False
    return True


def _sequence(versions: tuple[ContractVersion, ...]) -> Iterator[FieldViolation]:
    """Versions in order of time, without gaps or overlaps, only the last one open."""
    if not versions:
        yield FieldViolation("versions", "needs at least one item")
    for i, version in enumerate(versions):
        if version.days.start == UNBOUNDED_START:
            yield FieldViolation(f"versions[{i}].days.first_on", "is required")
    for i, (earlier, later) in enumerate(pairwise(versions)):
        if earlier.days.end == UNBOUNDED_END:
            yield FieldViolation(f"versions[{i}].days.last_on", "is required: another version follows")
        elif later.days.start != earlier.days.end:
            how = "leaves a gap after" if later.days.start > earlier.days.end else "overlaps"
            yield FieldViolation(f"versions[{i + 1}].days.first_on", f"{how} the version before")


def _slots(contract: Contract) -> Iterator[FieldViolation]:
    """A module stands in one slot, in every version."""
    first: dict[UUID, str | None] = {}
    for path, module in _modules(contract):
        if first.setdefault(module.module_id, module.slot) != module.slot:
            yield FieldViolation(f"{path}.slot", "differs from another version's: a slot is fixed for ever")


def _limit_codes(contract: Contract) -> Iterator[FieldViolation]:
    """A code stands on modules of one slot only (a module without one is a slot of its own), counted in one unit."""
    slots: dict[str, str] = {}
    units: dict[str, LimitUnit] = {}
    for path, module in _modules(contract):
        slot = module.slot or str(module.module_id)
        for i, limit in enumerate(module.limits):
            if slots.setdefault(limit.code, slot) != slot:
                yield FieldViolation(
                    f"{path}.limits[{i}]", f"{limit.code} stands on a module of another slot"
                )
            if units.setdefault(limit.code, limit.unit) != limit.unit:
                yield FieldViolation(
                    f"{path}.limits[{i}].unit", f"{limit.code} is counted in another unit elsewhere"
                )


def _modules(contract: Contract) -> Iterator[tuple[str, Module]]:
    for i, version in enumerate(contract.versions):
        for j, module in enumerate(version.modules):
            yield f"versions[{i}].modules[{j}]", module


def _version(version: ContractVersion, contract: Contract, path: str) -> Iterator[FieldViolation]:
    modules = frozenset(module.module_id for _, module in _modules(contract))
    seen_codes: set[str] = set()
    seen_modules: set[UUID] = set()
    rules = [(f"{path}.rules[{i}]", rule) for i, rule in enumerate(version.rules)]
    if version.pricing:
        yield from version_pricing_violations(version.pricing, f"{path}.pricing")
    for j, module in enumerate(version.modules):
        module_path = f"{path}.modules[{j}]"
        if module.module_id in seen_modules:
            yield FieldViolation(f"{module_path}.module_id", "is listed twice in this version")
        seen_modules.add(module.module_id)
        rules += [(f"{module_path}.rules[{i}]", rule) for i, rule in enumerate(module.rules)]
        yield from _module(module, version, module_path)
    for rule_path, rule in rules:
        if rule.code in seen_codes:
            yield FieldViolation(f"{rule_path}.code", f"{rule.code} names another rule of this version")
        seen_codes.add(rule.code)
        yield from rule_violations(rule, modules, rule_path)


def _module(module: Module, version: ContractVersion, path: str) -> Iterator[FieldViolation]:
    if len(set(module.membership_types)) < len(module.membership_types):
        yield FieldViolation(f"{path}.membership_types", "names a type twice")
    if len(set(module.capabilities)) < len(module.capabilities):
        yield FieldViolation(f"{path}.capabilities", "names a capability twice")
    codes: set[str] = set()
    for i, limit in enumerate(module.limits):
        if (limit.kind == LimitKind.BENEFIT) != bool(limit.benefit):
            needed = (
                "is required for BENEFIT" if limit.kind == LimitKind.BENEFIT else "goes with BENEFIT only"
            )
            yield FieldViolation(f"{path}.limits[{i}].benefit", needed)
        if limit.individual_amount is None and limit.family_amount is None:
            yield FieldViolation(f"{path}.limits[{i}]", "needs an amount for each member or for the family")
        if limit.code in codes:
            yield FieldViolation(f"{path}.limits[{i}]", f"{limit.code} stands twice on this module")
        codes.add(limit.code)
    if module.pricing:
        yield from module_pricing_violations(module.pricing, version.pricing, f"{path}.pricing")
