"""What prices by age may not say: an age priced twice, or left out between ages that are priced.

Grids (per beneficiary type) and tables (per product type) are judged alike. A hole below the first age or above the
last one is allowed: somebody of that age has no price, which is told when it is asked for.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

from domain.errors import FieldViolation
from domain.membership import EVERY_MEMBERSHIP_TYPE
from domain.pricing.prices import AgeGridRow, StaticTableRow

AgeRow = AgeGridRow | StaticTableRow
Fault = tuple[str, str]
"""Where below the rows' path, and what."""


def grid_violations(grid: Sequence[AgeGridRow], path: str) -> Iterator[FieldViolation]:
    """What is wrong with a module's grid for one regime."""
    for i, row in enumerate(grid):
        if len(set(row.beneficiary_types)) < len(row.beneficiary_types):
            yield FieldViolation(f"{path}[{i}].beneficiary_types", "names a type twice")
    by_type = {
        str(kind): [i for i, row in enumerate(grid) if kind in row.beneficiary_types] for kind in EVERY_MEMBERSHIP_TYPE
    }
    yield from _rows(grid, by_type, path)


def table_violations(table: Sequence[StaticTableRow], path: str) -> Iterator[FieldViolation]:
    """What is wrong with a version's table."""
    by_product: dict[str, list[int]] = defaultdict(list)
    for i, row in enumerate(table):
        by_product[row.product_type].append(i)
    yield from _rows(table, by_product, path)


def _rows(rows: Sequence[AgeRow], groups: Mapping[str, Sequence[int]], path: str) -> Iterator[FieldViolation]:
    """Each row for itself, then those that price the same beneficiaries; `groups` holds their positions."""
    for i, row in enumerate(rows):
        if row.monthly_minor < 0:
            yield FieldViolation(f"{path}[{i}].monthly_minor", "is negative")
        if _ends_before_it_begins(row):
            yield FieldViolation(f"{path}[{i}].max_age", "is below min_age")
    # Two rows for several types that collide do so for each of them: one fault, not one a type.
    faults: dict[Fault, list[str]] = {}
    for group, positions in groups.items():
        for fault in _faults_between(rows, positions):
            faults.setdefault(fault, []).append(group)
    for (where, what), concerned in faults.items():
        yield FieldViolation(f"{path}{where}", f"{what} for {', '.join(concerned)}")


def _faults_between(rows: Sequence[AgeRow], positions: Sequence[int]) -> Iterator[Fault]:
    """Rows for the same beneficiaries that share an age, or leave a hole between them."""
    sound = [i for i in positions if not _ends_before_it_begins(rows[i])]
    # What a row that ends before it begins was meant to cover is unknown, so nothing is called a hole beside it.
    tell_holes = len(sound) == len(positions)
    furthest: int | None = None
    for i in sorted(sound, key=lambda i: (rows[i].min_age, i)):
        if furthest is None:
            furthest = i
            continue
        # Not the neighbour but the row that reaches furthest: a wide row may cover several that follow it.
        reach, first = rows[furthest].max_age, rows[i].min_age
        if reach is None or first <= reach:
            yield f"[{i}]", f"shares age {first} with row {furthest}"
        elif tell_holes and first > reach + 1:
            yield f"[{i}].min_age", f"leaves a hole: no row covers age {reach + 1}"
        if reach is not None and _reaches_beyond(rows[i], reach):
            furthest = i


def _ends_before_it_begins(row: AgeRow) -> bool:
    return row.max_age is not None and row.max_age < row.min_age


def _reaches_beyond(row: AgeRow, age: int) -> bool:
    return row.max_age is None or row.max_age > age
