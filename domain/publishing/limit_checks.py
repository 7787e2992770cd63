"""Checks the limits of one module, and across all modules of a contract.

Usage is recorded by the code of a limit. So a code must not be used by modules that a member can be on at the same
time, nor with two units: it would be unclear which limit a claim uses.
"""

from collections.abc import Iterable, Iterator
from uuid import UUID

from domain.catalog.contract import Limit, LimitKind, LimitUnit, Module
from domain.errors import FieldViolation


def limit_violations(module: Module, path: str) -> Iterator[FieldViolation]:
    """Yields what is wrong with the limits of one module."""
    codes: set[str] = set()
    for i, limit in enumerate(module.limits):
        if not _has_code(limit):
            benefit = limit.kind == LimitKind.BENEFIT
            needed = "is required for BENEFIT" if benefit else "can only be set for BENEFIT"
            yield FieldViolation(f"{path}.limits[{i}].benefit", needed)
        elif limit.code in codes:
            yield FieldViolation(f"{path}.limits[{i}]", f"repeats {limit.code}, which this module already has")
        else:
            codes.add(limit.code)
        if limit.individual_amount is None and limit.family_amount is None:
            yield FieldViolation(f"{path}.limits[{i}]", "requires individual_amount or family_amount")


def limit_code_violations(modules: Iterable[tuple[str, Module]]) -> Iterator[FieldViolation]:
    """Yields codes that modules of different slots use (a module without a slot is a slot of its own), or with two
    units.

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
                yield FieldViolation(
                    f"{path}.limits[{i}]", f"uses {limit.code}, which a module of another slot also uses"
                )
            if units.setdefault(limit.code, limit.unit) != limit.unit:
                yield FieldViolation(
                    f"{path}.limits[{i}].unit", f"differs from the unit of {limit.code} on another module"
                )


def _has_code(limit: Limit) -> bool:
    """Returns whether kind and benefit make a code. A BENEFIT without a name has none."""
    return (limit.kind == LimitKind.BENEFIT) == bool(limit.benefit)
