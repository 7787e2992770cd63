"""Policies whose premiums may be outdated: a mark with the first month whose amounts may have changed.

Marks are made in the transaction that records a change, and removed by computing the months. No change is lost:

- New revisions of a policy are made under the lock of its group, which computing holds.
- Amendments hold the lock of the contract, and computing shares it.
- Facts are recorded under the lock of the member only, possibly while a policy is being computed from the earlier
  facts. Therefore facts mark every policy of the member, even without computed months, and computing reads the marks
  before it reads the facts and removes only the marks that it has read. A later change has another number, so its mark
  survives. A mark of a policy without computed months in question is ignored, and removed by its next computation.

Statements that make or remove marks lock them in order of group, and amendments and facts enqueue recomputes before
they mark. A transaction with several such statements can still deadlock with another one. PostgreSQL then aborts one of
them, and `Database.write` repeats it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import LiteralString
from uuid import UUID

from domain.premiums.months import Month
from domain.premiums.repricing import Repriced
from storage.migration_stages import CONTRACTS_WITHOUT_PREMIUMS
from storage.postgres.database import Connection
from storage.postgres.rows import fetch_all, fetch_column, fetch_one

_MARK: LiteralString = (
    "INSERT INTO premium_stale AS s (group_key, contract_id, from_month, caused_by, failed)"
    " SELECT c.group_key, c.contract_id, c.from_month, %(caused_by)s, false FROM ({changed}) AS c"
    " ORDER BY c.group_key"
    " ON CONFLICT (group_key) DO UPDATE SET from_month = least(s.from_month, excluded.from_month),"
    " mark = excluded.mark, caused_by = excluded.caused_by, failed = false"
)


def _since(months: LiteralString, first: LiteralString) -> LiteralString:
    return f"({months} * int4multirange(int4range({first}, NULL)))"


_STALE: LiteralString = _since("p.months", "s.from_month")
"""SQL for the computed months that may be outdated, of a mark `s` and its row `p` in `premium_policy`."""
_IS_DUE: LiteralString = (
    f"NOT s.failed AND NOT isempty({_STALE}) AND f.contract_id NOT IN ({CONTRACTS_WITHOUT_PREMIUMS})"
)
DUE: LiteralString = (
    "FROM premium_following f JOIN premium_stale s USING (contract_id) JOIN premium_policy p USING (group_key)"
    f" WHERE {_IS_DUE}"
)
"""Policies of followed contracts that are stale and have not failed since."""

NEXT_DUE: LiteralString = (
    "SELECT d.group_key FROM premium_following f CROSS JOIN LATERAL ("
    "SELECT group_key, s.mark FROM premium_stale s JOIN premium_policy p USING (group_key)"
    f" WHERE s.contract_id = f.contract_id AND {_IS_DUE} ORDER BY s.mark LIMIT %(limit)s"
    ") AS d ORDER BY d.mark LIMIT %(limit)s"
)
"""The policies to compute next. For each contract, it reads the index of due policies in order until it has enough."""


async def mark_revised(tx: Connection, firsts: Mapping[int, Month]) -> None:
    """Marks policies with a new revision, by group key, whose days or membership types changed from a month on."""
    if not firsts:
        return
    changed = (
        f"SELECT g.group_key, g.contract_id, lower({_since('p.months', 'r.first')}) AS from_month"
        " FROM unnest(%(groups)s::bigint[], %(firsts)s::integer[]) AS r(group_key, first)"
        " JOIN premium_policy p USING (group_key) JOIN enrollment_group g USING (group_key)"
        f" WHERE NOT isempty({_since('p.months', 'r.first')})"
    )
    values = {"groups": list(firsts), "firsts": list(firsts.values()), "caused_by": None}
    await tx.execute(_MARK.format(changed=changed), values)


async def mark_member(tx: Connection, member_id: UUID, first: Month, *, as_primary: bool, caused_by: str) -> None:
    """Marks the policies of a member whose facts changed from a month on; with `as_primary`, only their own policies.

    The member must be locked exclusively.
    """
    changed = (
        "SELECT g.group_key, g.contract_id, %(first)s AS from_month FROM group_member m"
        " JOIN enrollment_group g USING (group_key)"
        " WHERE m.member_id = %(member_id)s AND (NOT %(as_primary)s OR g.primary_id = m.member_id)"
    )
    values = {"member_id": member_id, "first": first, "as_primary": as_primary, "caused_by": caused_by}
    await tx.execute(_MARK.format(changed=changed), values)


async def mark_repriced(tx: Connection, contract_id: UUID, repriced: Sequence[Repriced], caused_by: str) -> None:
    """Marks the policies of a contract whose prices changed. The contract must be locked exclusively.

    A module's new price marks only the policies with stretches on it in the changed months. A policy that is marked
    already has not been computed since its last change, so its stretches can lack the module: it is marked again.
    """
    changed = (
        "SELECT p.group_key, g.contract_id, min(lower(p.months * c.months)) AS from_month"
        " FROM unnest(%(modules)s::uuid[], %(firsts)s::integer[], %(ends)s::integer[]) AS r(module_id, first, after)"
        " CROSS JOIN LATERAL (SELECT int4multirange(int4range(r.first, r.after)) AS months) AS c"
        " JOIN enrollment_group g ON g.contract_id = %(contract_id)s"
        " JOIN premium_policy p ON p.group_key = g.group_key AND p.months && c.months"
        " WHERE r.module_id IS NULL OR EXISTS (SELECT FROM premium_stale s WHERE s.group_key = g.group_key)"
        " OR EXISTS (SELECT FROM premium_stretch t JOIN premium_price USING (price_key)"
        " WHERE t.group_key = g.group_key AND premium_price.module_id = r.module_id"
        " AND t.last_month >= r.first AND (r.after IS NULL OR t.first_month < r.after))"
        " GROUP BY p.group_key, g.contract_id"
    )
    values = {
        "contract_id": contract_id,
        "modules": [each.module_id for each in repriced],
        "firsts": [each.first for each in repriced],
        "ends": [each.end for each in repriced],
        "caused_by": caused_by,
    }
    if repriced:
        await tx.execute(_MARK.format(changed=changed), values)


async def marks_of(tx: Connection, group_keys: Sequence[int]) -> dict[int, int]:
    """Returns the numbers of the marks of some policies, by group key, to be passed to `computed`."""
    cursor = await tx.execute("SELECT group_key, mark FROM premium_stale WHERE group_key = ANY(%s)", [list(group_keys)])
    return dict(await cursor.fetchall())


async def computed(tx: Connection, marks: Mapping[int, int], first: Month, last: Month) -> None:
    """Removes marks after some months were computed, or moves them to the first computed month that is left.

    Marks with other numbers stay, because they were made for changes that the computation can't have seen.
    """
    if not marks:
        return
    await tx.execute(
        "WITH seen AS (SELECT s.group_key,"
        f" {_STALE} - int4multirange(int4range(%(first)s, %(last)s, '[]')) AS months FROM premium_stale s"
        " JOIN unnest(%(groups)s::bigint[], %(marks)s::bigint[]) AS m(group_key, mark) USING (group_key, mark)"
        " LEFT JOIN premium_policy p USING (group_key) ORDER BY s.group_key FOR UPDATE OF s),"
        " done AS (DELETE FROM premium_stale s USING seen WHERE s.group_key = seen.group_key"
        " AND coalesce(isempty(seen.months), true))"
        " UPDATE premium_stale s SET from_month = lower(seen.months) FROM seen WHERE s.group_key = seen.group_key"
        " AND NOT isempty(seen.months)",
        {"groups": list(marks), "marks": list(marks.values()), "first": first, "last": last},
    )


async def note_failed(tx: Connection, marks: Mapping[int, int]) -> None:
    """Stores that computing failed for some marks, by group key. These policies are not due before their next change.

    A mark that has got another number since stays due.
    """
    await tx.execute(
        "UPDATE premium_stale s SET failed = true FROM unnest(%s::bigint[], %s::bigint[]) AS m(group_key, mark)"
        " WHERE s.group_key = m.group_key AND s.mark = m.mark",
        [list(marks), list(marks.values())],
    )


@dataclass(frozen=True, slots=True)
class StaleMonths:
    """Computed months of a policy that may be outdated: a range, `end` exclusive."""

    group_key: int
    first: Month
    end: Month
    mark: int
    caused_by: str | None


async def due_policies(connection: Connection, limit: int) -> list[int]:
    """Returns policies of followed contracts that are stale and have not failed since, the longest waiting first."""
    return await fetch_column(connection, int, NEXT_DUE, {"limit": limit})


async def stale_months(tx: Connection, group_keys: Sequence[int]) -> list[StaleMonths]:
    """Returns the computed months of some policies that may be outdated, in order of policy and month."""
    return await fetch_all(
        tx,
        StaleMonths,
        'SELECT s.group_key, lower(r) AS first, upper(r) AS "end", s.mark, s.caused_by FROM premium_stale s'
        f" JOIN premium_policy p USING (group_key), unnest({_STALE}) AS r WHERE s.group_key = ANY(%s)"
        " ORDER BY s.group_key, lower(r)",
        [list(group_keys)],
    )


@dataclass(frozen=True, slots=True)
class Staleness:
    """The first month that may be outdated among some policies, if any, and how many of the policies are."""

    first: Month | None
    policies: int


async def staleness(connection: Connection, *, group_key: int | None, contract_id: UUID | None) -> Staleness:
    """Returns the staleness of a policy or of a contract's policies."""
    return await fetch_one(
        connection,
        Staleness,
        f"SELECT min(lower({_STALE})) AS first, count(*) AS policies FROM premium_stale s"
        " JOIN premium_policy p USING (group_key) WHERE (s.group_key = %(group)s OR s.contract_id = %(contract)s)"
        f" AND NOT isempty({_STALE})",
        {"group": group_key, "contract": contract_id},
    )
