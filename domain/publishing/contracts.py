"""Checks a whole contract, and reports every violation with its path.

`server/checking.py` has already checked each field alone. Rules are checked in `rule_checks.py`, limits in
`limit_checks.py`, prices in `price_checks.py`.
"""

from collections.abc import Iterator, Sequence
from datetime import date
from itertools import pairwise
from uuid import UUID
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from domain.catalog.contract import Contract, ContractVersion, Module, TermStart
from domain.countries import is_country
from domain.currencies import is_currency
from domain.days import UNBOUNDED_END, UNBOUNDED_START
from domain.errors import FieldViolation
from domain.publishing.limit_checks import limit_code_violations, limit_violations
from domain.publishing.price_checks import module_pricing_violations, version_pricing_violations
from domain.publishing.rule_checks import rule_violations

COMMON_YEAR = 2001

MACHINE_ZONES = frozenset({"localtime", "posixrules", "Factory"})
MACHINE_FOLDERS = ("posix/", "right/")
"""Files that some systems keep beside the time zones. Their meaning depends on the machine."""


def contract_violations(contract: Contract) -> list[FieldViolation]:
    """Returns all violations that keep a contract from being published."""
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
        yield FieldViolation("country_code", f"must be an ISO 3166-1 alpha-2 country code, got {contract.country_code}")
    if not is_currency(contract.currency_code):
        yield FieldViolation("currency_code", f"must be an ISO 4217 currency code, got {contract.currency_code}")
    if not _is_time_zone(contract.time_zone):
        yield FieldViolation("time_zone", f"must be an IANA time zone, got {contract.time_zone}")
    if not _is_day_of_every_year(contract.term_start):
        yield FieldViolation(
            "term_start.day",
            f"must exist every year: month {contract.term_start.month} has no day {contract.term_start.day}",
        )


def _is_time_zone(name: str) -> bool:
    if name in MACHINE_ZONES or name.startswith(MACHINE_FOLDERS):
        return False
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        # ValueError: a path, or a file that isn't a time zone. OSError: a folder, such as "Europe".
        return False
    return True


def _is_day_of_every_year(start: TermStart) -> bool:
    try:
        date(COMMON_YEAR, start.month, start.day)
    except ValueError:
        return False
    return True


def _sequence(versions: Sequence[ContractVersion]) -> Iterator[FieldViolation]:
    """Yields violations unless versions are in order, without gaps or overlaps, and only the last one is open."""
    if not versions:
        yield FieldViolation("versions", "needs at least one item")
    for i, version in enumerate(versions):
        if version.days.start == UNBOUNDED_START:
            yield FieldViolation(f"versions[{i}].days.first_on", "is required")
    for i, (earlier, later) in enumerate(pairwise(versions), start=1):
        if earlier.days.end == UNBOUNDED_END:
            yield FieldViolation(f"versions[{i - 1}].days.last_on", "is required because another version follows")
        if fault := _out_of_sequence(earlier, later):
            yield FieldViolation(f"versions[{i}].days.first_on", fault)


def _out_of_sequence(earlier: ContractVersion, later: ContractVersion) -> str | None:
    """Returns what is wrong with the start of a version after the one before; None if nothing is, or if it is reported
    elsewhere.
    """
    start = later.days.start
    if UNBOUNDED_START in (start, earlier.days.start):
        return None
    if start < earlier.days.start:
        return "must be later than the start of the previous version"
    if earlier.days.end in (UNBOUNDED_END, start):
        return None
    return "overlaps the previous version" if start < earlier.days.end else "leaves a gap after the previous version"


def _slots(modules: Sequence[tuple[str, Module]]) -> Iterator[FieldViolation]:
    """Yields modules whose slot isn't the same in every version."""
    first: dict[UUID, str | None] = {}
    for path, module in modules:
        if first.setdefault(module.module_id, module.slot) != module.slot:
            yield FieldViolation(
                f"{path}.slot", "differs from the module's slot in an earlier version; a slot can't change"
            )


def _version(version: ContractVersion, listed: frozenset[UUID], path: str) -> Iterator[FieldViolation]:
    """Yields what is wrong within one version. `listed` are the modules of the whole contract."""
    rules = [(f"{path}.rules[{i}]", rule) for i, rule in enumerate(version.rules)]
    seen_modules: set[UUID] = set()
    if version.pricing:
        yield from version_pricing_violations(version.pricing, f"{path}.pricing")
    for j, module in enumerate(version.modules):
        module_path = f"{path}.modules[{j}]"
        if module.module_id in seen_modules:
            yield FieldViolation(f"{module_path}.module_id", "is listed more than once in this version")
        seen_modules.add(module.module_id)
        rules += [(f"{module_path}.rules[{i}]", rule) for i, rule in enumerate(module.rules)]
        yield from _module(module, version, module_path)
    seen_codes: set[str] = set()
    for rule_path, rule in rules:
        if rule.code in seen_codes:
            yield FieldViolation(
                f"{rule_path}.code", f"{rule.code} is already the code of another rule of this version"
            )
        seen_codes.add(rule.code)
        yield from rule_violations(rule, listed, rule_path)


def _module(module: Module, version: ContractVersion, path: str) -> Iterator[FieldViolation]:
    if len(set(module.membership_types)) < len(module.membership_types):
        yield FieldViolation(f"{path}.membership_types", "must not repeat a type")
    if len(set(module.capabilities)) < len(module.capabilities):
        yield FieldViolation(f"{path}.capabilities", "must not repeat a capability")
    yield from limit_violations(module, path)
    if module.pricing:
        yield from module_pricing_violations(module.pricing, version.pricing, f"{path}.pricing")
