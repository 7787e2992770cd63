"""What may be published: everything that is wrong with a contract, each fault with its path, all at once.

What a single field must satisfy is checked before (`server/checking.py`); here is what only the whole contract tells.
Rules have their checks in `rule_checks.py`, limits in `limit_checks.py`, prices in `domain/pricing/price_checks.py`.
"""

from collections.abc import Iterator, Sequence
from datetime import date
from itertools import pairwise
from uuid import UUID
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from domain.catalog.contract import Contract, ContractVersion, Module, TermStart
from domain.catalog.limit_checks import limit_code_violations, limit_violations
from domain.catalog.rule_checks import rule_violations
from domain.countries import is_country
from domain.currencies import is_currency
from domain.days import UNBOUNDED_END, UNBOUNDED_START
from domain.errors import FieldViolation
from domain.pricing.price_checks import module_pricing_violations, version_pricing_violations

COMMON_YEAR = 2001

MACHINE_ZONES = frozenset({"localtime", "posixrules", "Factory"})
MACHINE_FOLDERS = ("posix/", "right/")
"""Files that some systems keep beside the zones: "today" would depend on the machine that answers."""


def contract_violations(contract: Contract) -> list[FieldViolation]:
    """Everything that stands against publishing a contract; empty: nothing does."""
    modules = list(_modules(contract))
    listed = frozenset(module.module_id for _, module in modules)
    return [
        *_header(contract),
        *_sequence(contract.versions),
        *_slots(modules),
        *limit_code_violations(modules),
        *(
            violation
            for i, version in enumerate(contract.versions)
            for violation in _version(version, listed, f"versions[{i}]")
        ),
    ]


def _modules(contract: Contract) -> Iterator[tuple[str, Module]]:
    for i, version in enumerate(contract.versions):
        for j, module in enumerate(version.modules):
            yield f"versions[{i}].modules[{j}]", module


def _header(contract: Contract) -> Iterator[FieldViolation]:
    if not is_country(contract.country_code):
        yield FieldViolation("country_code", f"{contract.country_code} is not an ISO 3166 code")
    if not is_currency(contract.currency_code):
        yield FieldViolation("currency_code", f"{contract.currency_code} is not an ISO 4217 code")
    if not _is_time_zone(contract.time_zone):
        yield FieldViolation("time_zone", f"{contract.time_zone} is not an IANA time zone")
    if not _is_day_of_every_year(contract.term_start):
        yield FieldViolation("term_start.day", "does not exist in that month of every year")


def _is_time_zone(name: str) -> bool:
    if name in MACHINE_ZONES or name.startswith(MACHINE_FOLDERS):
        return False
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        # ValueError: a path, or a file that is no zone; OSError: a folder, such as "Europe".
        return False
    return True


def _is_day_of_every_year(start: TermStart) -> bool:
    try:
        date(COMMON_YEAR, start.month, start.day)
    except ValueError:
        return False
    return True


def _sequence(versions: Sequence[ContractVersion]) -> Iterator[FieldViolation]:
    """Versions in order of time, without gaps or overlaps, only the last one open."""
    if not versions:
        yield FieldViolation("versions", "needs at least one item")
    for i, version in enumerate(versions):
        if version.days.start == UNBOUNDED_START:
            yield FieldViolation(f"versions[{i}].days.first_on", "is required")
    for i, (earlier, later) in enumerate(pairwise(versions), start=1):
        if earlier.days.end == UNBOUNDED_END:
            yield FieldViolation(f"versions[{i - 1}].days.last_on", "is required: another version follows")
        if fault := _out_of_sequence(earlier, later):
            yield FieldViolation(f"versions[{i}].days.first_on", fault)


def _out_of_sequence(earlier: ContractVersion, later: ContractVersion) -> str | None:
    """What is wrong with a version's beginning after the one before; None: nothing that is not told elsewhere."""
    start = later.days.start
    if UNBOUNDED_START in (start, earlier.days.start):
        return None
    if start < earlier.days.start:
        return "is out of order: the version before begins later"
    if earlier.days.end in (UNBOUNDED_END, start):
        return None
    return "overlaps the version before" if start < earlier.days.end else "leaves a gap after the version before"


def _slots(modules: Sequence[tuple[str, Module]]) -> Iterator[FieldViolation]:
    """A module stands in one slot, in every version."""
    first: dict[UUID, str | None] = {}
    for path, module in modules:
        if first.setdefault(module.module_id, module.slot) != module.slot:
            yield FieldViolation(f"{path}.slot", "differs from where the module stands first: a slot is fixed for ever")


def _version(version: ContractVersion, listed: frozenset[UUID], path: str) -> Iterator[FieldViolation]:
    """What is wrong within one version; `listed` are the modules of the whole contract."""
    rules = [(f"{path}.rules[{i}]", rule) for i, rule in enumerate(version.rules)]
    seen_modules: set[UUID] = set()
    if version.pricing:
        yield from version_pricing_violations(version.pricing, f"{path}.pricing")
    for j, module in enumerate(version.modules):
        module_path = f"{path}.modules[{j}]"
        if module.module_id in seen_modules:
            yield FieldViolation(f"{module_path}.module_id", "is listed twice in this version")
        seen_modules.add(module.module_id)
        rules += [(f"{module_path}.rules[{i}]", rule) for i, rule in enumerate(module.rules)]
        yield from _module(module, version, module_path)
    seen_codes: set[str] = set()
    for rule_path, rule in rules:
        if rule.code in seen_codes:
            yield FieldViolation(f"{rule_path}.code", f"{rule.code} names another rule of this version")
        seen_codes.add(rule.code)
        yield from rule_violations(rule, listed, rule_path)


def _module(module: Module, version: ContractVersion, path: str) -> Iterator[FieldViolation]:
    if len(set(module.membership_types)) < len(module.membership_types):
        yield FieldViolation(f"{path}.membership_types", "names a type twice")
    if len(set(module.capabilities)) < len(module.capabilities):
        yield FieldViolation(f"{path}.capabilities", "names a capability twice")
    yield from limit_violations(module, path)
    if module.pricing:
        yield from module_pricing_violations(module.pricing, version.pricing, f"{path}.pricing")
