"""Checks prices by age: no age may be priced twice, or be left out between ages that are priced.

Grids (by beneficiary type) and tables (by product type) are checked alike. Ages below the first or above the last row
may have no price: pricing such a person returns an error.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

from domain.catalog.prices import AgeGridRow, StaticTableRow
from domain.errors import FieldViolation
from domain.membership import EVERY_MEMBERSHIP_TYPE

AgeRow = AgeGridRow | StaticTableRow
Fault = tuple[str, str]
"""The path below the path of the rows, and the description."""


def grid_violations(grid: Sequence[AgeGridRow], path: str) -> Iterator[FieldViolation]:
    """Yields what is wrong with a module's grid for one regime."""
    for i, row in enumerate(grid):
        if len(set(row.beneficiary_types)) < len(row.beneficiary_types):
            yield FieldViolation(f"{path}[{i}].beneficiary_types", "must not repeat a type")
    by_type = {
        str(kind): [i for i, row in enumerate(grid) if kind in row.beneficiary_types] for kind in EVERY_MEMBERSHIP_TYPE
    }
    yield from _rows(grid, by_type, path)


def table_violations(table: Sequence[StaticTableRow], path: str) -> Iterator[FieldViolation]:
    """Yields what is wrong with a version's table."""
    by_product: dict[str, list[int]] = defaultdict(list)
    for i, row in enumerate(table):
        by_product[row.product_type].append(i)
    yield from _rows(table, by_product, path)


def _rows(rows: Sequence[AgeRow], groups: Mapping[str, Sequence[int]], path: str) -> Iterator[FieldViolation]:
    """Checks each row, then the rows for the same beneficiaries. `groups` maps each group to indexes of rows."""
    for i, row in enumerate(rows):
        if row.monthly_minor < 0:
            yield FieldViolation(f"{path}[{i}].monthly_minor", f"must be at least 0, got {row.monthly_minor}")
        if _ends_before_it_begins(row):
            yield FieldViolation(f"{path}[{i}].max_age", f"must be at least min_age ({row.min_age}), got {row.max_age}")
    # Rows for several types can collide for each of them. That is reported once, with all types.
    faults: dict[Fault, list[str]] = {}
    for group, indexes in groups.items():
        for fault in _faults_between(rows, indexes):
            faults.setdefault(fault, []).append(group)
    for (where, what), concerned in faults.items():
        yield FieldViolation(f"{path}{where}", f"{what} for {', '.join(concerned)}")


def _faults_between(rows: Sequence[AgeRow], indexes: Sequence[int]) -> Iterator[Fault]:
    """Yields rows for the same beneficiaries that share an age, or leave a gap between them."""
    sound = [i for i in indexes if not _ends_before_it_begins(rows[i])]
    # If max_age is below min_age, the intended ages of the row are unknown, so gaps aren't reported.
    report_gaps = len(sound) == len(indexes)
    furthest: int | None = None
    for i in sorted(sound, key=lambda i: (rows[i].min_age, i)):
        if furthest is None:
            furthest = i
            continue
        # Compares with the row that reaches furthest, not with the previous one: a wide row can cover several others.
        reach, first = rows[furthest].max_age, rows[i].min_age
        if reach is None or first <= reach:
            yield f"[{i}]", f"shares age {first} with row {furthest}"
        elif report_gaps and first > reach + 1:
            yield f"[{i}].min_age", f"leaves a gap: no row covers age {reach + 1}"
        if reach is not None and _reaches_beyond(rows[i], reach):
            furthest = i


def _ends_before_it_begins(row: AgeRow) -> bool:
    return row.max_age is not None and row.max_age < row.min_age


def _reaches_beyond(row: AgeRow, age: int) -> bool:
    return row.max_age is None or row.max_age > age
