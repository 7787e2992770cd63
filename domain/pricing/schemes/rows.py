"""Price rows, and the functions shared by the schemes that have tables by age."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple, Protocol

from domain.catalog.contract import Module
from domain.membership import MembershipType
from domain.pricing.beneficiaries import Beneficiary


class PriceRow(NamedTuple):
    """The row of a price table that a cost comes from. Its ages are None if the price doesn't depend on age.

    If `is_free`, the person costs nothing although the row lists an amount.
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
    """A row for the ages from `min_age` to `max_age`, inclusive. None: no maximum."""

    @property
    def min_age(self) -> int: ...
    @property
    def max_age(self) -> int | None: ...
    @property
    def monthly_minor(self) -> int: ...


def row_for_age(table: str, rows: Iterable[Aged], age: int, is_free: bool) -> PriceRow | None:
    """Returns the row for an age; None if there is none."""
    for row in rows:
        if row.min_age <= age and (row.max_age is None or age <= row.max_age):
            return PriceRow(table, row.min_age, row.max_age, row.monthly_minor, is_free)
    return None


def are_free(module: Module, people: Sequence[Beneficiary]) -> list[bool]:
    """Returns, for each person, whether they are a free child: one whose rank is at least the module's.

    Children are ranked from oldest to youngest, those without a date of birth last, ties in spec order.
    """
    from_rank = module.pricing.free_children_from_rank if module.pricing else None
    children = [person for person in people if person.beneficiary_type is MembershipType.CHILD]
    if from_rank is None or len(children) < from_rank:
        return [False] * len(people)
    children.sort(key=lambda child: (child.born is None, child.born or (0, 0, 0), child.spec_index))
    free = {child.spec_index for child in children[from_rank - 1 :]}
    return [person.spec_index in free for person in people]
