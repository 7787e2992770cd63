"""Rows by age, and children who are free from some rank on: what the schemes with tables share."""

from collections.abc import Sequence
from datetime import date
from uuid import UUID

from domain.errors import PriceMissing
from domain.membership import MembershipType
from domain.pricing.beneficiaries import Beneficiary
from domain.pricing.prices import AgeGridRow, StaticTableRow


def row_amount(rows: Sequence[AgeGridRow | StaticTableRow], person: Beneficiary, module_id: UUID, on: date) -> int:
    """The amount of the one row for a person's age. Raises PriceMissing."""
    for row in rows:
        if row.min_age <= person.age and (row.max_age is None or person.age <= row.max_age):
            return row.monthly_minor
    raise PriceMissing("no row", person.beneficiary_type, module_id, person.age, on)


def free_children(people: Sequence[Beneficiary], from_rank: int | None) -> frozenset[int]:
    """The indexes of the children who are free: oldest first, unknown last, ties in spec order."""
    if from_rank is None:
        return frozenset()
    children = [person for person in people if person.beneficiary_type == MembershipType.CHILD]
    children.sort(key=lambda child: (child.born is None, child.born or (0, 0, 0), child.index))
    return frozenset(child.index for child in children[from_rank - 1 :])
