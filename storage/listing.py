"""Reads pages of lists across all groups, ordered by instant, without reading more rows than needed.

Each list has an index that begins with the expressions in its state conditions, followed by the instant and the key. A
page reads the first rows for each condition from the index and merges them.

A second index, for lists of one contract, begins with the contract. It sorts nulls on the opposite end, although there
are none. Otherwise PostgreSQL would often read the first index and filter by contract, because it can't know that only
a few rows with a state belong to the contract.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, LiteralString, NamedTuple
from uuid import UUID


class RowPosition(NamedTuple):
    """The position of a row in a list: its instant, and its key among rows of the same instant."""

    at: datetime
    key: int


@dataclass(frozen=True, slots=True)
class Listing:
    """A table to list. `states` has the SQL conditions for each state. For every row, exactly one of them is true."""

    table: LiteralString
    key: LiteralString
    at: LiteralString
    states: Mapping[str, Sequence[LiteralString]]
    newest_first: bool


@dataclass(frozen=True, slots=True)
class ListFilter:
    """Which rows to list. All conditions apply; None means any. `before` is exclusive."""

    group_key: int | None = None
    contract_id: UUID | None = None
    state: str | None = None
    since: datetime | None = None
    before: datetime | None = None


def conditions(listing: Listing, which: ListFilter) -> tuple[LiteralString, dict[str, Any]]:
    """Returns the SQL for a filter without its state, starting with AND, and its parameters."""
    found: LiteralString = ""
    if which.group_key is not None:
        found += " AND group_key = %(group_key)s"
    if which.contract_id is not None:
        found += " AND contract_id = %(contract_id)s"
    if which.since is not None:
        found += f" AND {listing.at} >= %(since)s"
    if which.before is not None:
        found += f" AND {listing.at} < %(before)s"
    names = ("group_key", "contract_id", "since", "before")
    return found, {name: getattr(which, name) for name in names}


def page_of(
    listing: Listing, which: ListFilter, after: RowPosition | None, limit: int
) -> tuple[LiteralString, dict[str, Any]]:
    """Returns the SQL that selects all columns of a page, and its parameters.

    The page starts after a position or with the first row. A statement that contains this SQL must sort its rows again
    with `order_of`.
    """
    where, named = conditions(listing, which)
    if after is not None:
        beyond: LiteralString = "<" if listing.newest_first else ">"
        where += f" AND ({listing.at}, {listing.key}) {beyond} (%(after_at)s, %(after_key)s)"
        named |= {"after_at": after.at, "after_key": after.key}
    order = order_of(listing, which)
    of_states = [one for state, of_state in listing.states.items() if which.state in (None, state) for one in of_state]
    firsts: LiteralString = " UNION ALL ".join(
        f"(SELECT * FROM {listing.table} WHERE {one}{where} ORDER BY {order} LIMIT %(limit)s)" for one in of_states
    )
    return f"SELECT * FROM ({firsts}) AS firsts ORDER BY {order} LIMIT %(limit)s", named | {"limit": limit}


def order_of(listing: Listing, which: ListFilter) -> LiteralString:
    """Returns the SQL for the order of a list, which matches the index for the filter."""
    direction: LiteralString = "DESC" if listing.newest_first else "ASC"
    of_contract = which.contract_id is not None
    nulls: LiteralString = "FIRST" if of_contract != listing.newest_first else "LAST"
    return f"{listing.at} {direction} NULLS {nulls}, {listing.key} {direction} NULLS {nulls}"
