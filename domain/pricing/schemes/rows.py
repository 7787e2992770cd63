"""Rows of price tables: what a scheme finds, and what the schemes with tables by age share."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple, Protocol

from domain.catalog.contract import Module
from domain.membership import MembershipType
from domain.pricing.beneficiaries import Beneficiary


class PriceRow(NamedTuple):
    """Where a cost stands: a table and the ages of its row, both None where ages do not matter.

    `is_free`: it costs nothing, although the row lists an amount.
    """

    table: str
    min_age: int | None
    max_age: int | None
    listed_minor: int
    is_free: bool

    @property
    def cost_minor(self) -> int:
        return 0 if self.is_free else self.listed_minor


class Aged(Protocol):
    """A row for the ages from `min_age` to `max_age`, inclusive; None: open."""

    @property
    def min_age(self) -> int: ...
    @property
    def max_age(self) -> int | None: ...
    @property
    def monthly_minor(self) -> int: ...


def row_for_age(table: str, rows: Iterable[Aged], age: int, is_free: bool) -> PriceRow | None:
    """The one row for an age; None where there is none."""
    for row in rows:
        if row.min_age <= age and (row.max_age is None or age <= row.max_age):
            return PriceRow(table, row.min_age, row.max_age, row.monthly_minor, is_free)
    return None


def are_free(module: Module, people: Sequence[Beneficiary]) -> list[bool]:
    """Whether each is a child from the module's rank on: oldest first, unknown last, ties in spec order."""
    from_rank = module.pricing.free_children_from_rank if module.pricing else None
    children = [person for person in people if person.beneficiary_type is MembershipType.CHILD]
    if from_rank is None or len(children) < from_rank:
        return [False] * len(people)
    children.sort(key=lambda child: (child.born is None, child.born or (0, 0, 0), child.position))
    free = {child.position for child in children[from_rank - 1 :]}
    return [person.position in free for person in people]
