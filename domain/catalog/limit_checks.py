"""What limits may not be published: on one module, and across all modules of a contract.

A limit's code is what usage is kept by (`eligibility.md`): a code on modules that a member can be on at once,
or counted in two units, would leave it open which limit a claim uses up.
"""

from collections.abc import Iterable, Iterator
from uuid import UUID

from domain.catalog.contract import Limit, LimitKind, LimitUnit, Module
from domain.errors import FieldViolation


def limit_violations(module: Module, path: str) -> Iterator[FieldViolation]:
    """What is wrong with the limits of one module."""
    codes: set[str] = set()
    for i, limit in enumerate(module.limits):
        if not _has_code(limit):
            benefit = limit.kind == LimitKind.BENEFIT
            needed = "is required for BENEFIT" if benefit else "goes with BENEFIT only"
            yield FieldViolation(f"{path}.limits[{i}].benefit", needed)
        elif limit.code in codes:
            yield FieldViolation(f"{path}.limits[{i}]", f"{limit.code} stands twice on this module")
        else:
            codes.add(limit.code)
        if limit.individual_amount is None and limit.family_amount is None:
            yield FieldViolation(f"{path}.limits[{i}]", "needs an amount for each member or for the family")


def limit_code_violations(modules: Iterable[tuple[str, Module]]) -> Iterator[FieldViolation]:
    """Codes on modules of more than one slot (a module without one is a slot of its own), or in more than one unit.

    `modules` are those of all versions, with their paths.
    """
    slots: dict[str, str | UUID] = {}
    units: dict[str, LimitUnit] = {}
    for path, module in modules:
        slot = module.slot or module.module_id
        for i, limit in enumerate(module.limits):
            if not _has_code(limit):
                continue
            if slots.setdefault(limit.code, slot) != slot:
                yield FieldViolation(f"{path}.limits[{i}]", f"{limit.code} stands on a module of another slot, too")
            if units.setdefault(limit.code, limit.unit) != limit.unit:
                yield FieldViolation(f"{path}.limits[{i}].unit", f"{limit.code} is counted in another unit elsewhere")


def _has_code(limit: Limit) -> bool:
    """Whether kind and benefit make a code: a benefit without a name has none to be compared."""
    return (limit.kind == LimitKind.BENEFIT) == bool(limit.benefit)
