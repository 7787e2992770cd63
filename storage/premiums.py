"""The premium ledger: entries are added and read, never changed; invoices are marks beside them.

Whoever adds entries holds the lock of the group's head row.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import starmap
from typing import Any
from uuid import UUID, uuid4

from psycopg.types.json import Jsonb

from domain.catalog.contract import ServiceType
from domain.enrollment.decisions import GroupKey
from domain.membership import MembershipType
from domain.premiums.entries import MonthlyAmount, PremiumEntry
from domain.premiums.invoicing import Debtor, LedgerEntry, debtor_of
from domain.premiums.ledger import NewEntry
from domain.premiums.months import Month
from domain.pricing.costs import BilledEntity, ContributionType
from domain.pricing.prices import CollectionMethod, EngineParameters
from storage.database import Connection
from storage.documents import engine_parameters_to_document


@dataclass(frozen=True, slots=True)
class StoredEntry:
    """An entry with its policy. `entry_key` is its place in the order in which entries were added."""

    entry_key: int
    ledger_entry: LedgerEntry
    group_id: UUID
    key: GroupKey
    recorded_at: datetime


_ENTRIES = (
    "SELECT e.entry_key, e.entry_id, g.group_id, g.contract_id, g.primary_id, c.recorded_at, e.enrollment_id,"
    " e.member_id, e.month, e.days, e.num_days, e.divisor, e.version, o.entry_id, b.entry_id,"
    " e.beneficiary_type, e.service_type, e.module_id, e.currency_code, e.contribution_types, e.billed_entities,"
    " e.collection_methods, e.monthly_minor, e.owed_minor,"
    " (SELECT array_agg(m.invoice_id ORDER BY p) FROM generate_series(1, cardinality(e.owed_minor)) p"
    " LEFT JOIN premium_invoice_mark m ON m.entry_key = e.entry_key AND m.place = p)"
    " FROM premium_entry e JOIN enrollment_group g USING (group_key) JOIN premium_computation c USING (computation_key)"
    " LEFT JOIN premium_entry o ON o.entry_key = e.cancels LEFT JOIN premium_entry b ON b.cancels = e.entry_key"
)


def _stored(row: Sequence[Any]) -> StoredEntry:
    entry_key, entry_id, group_id, contract_id, primary_id, recorded_at, *rest = row
    enrollment_id, member_id, month, days, num_days, divisor, version, cancels, cancelled_by, *amounts = rest
    beneficiary_type, service_type, module_id, currency_code, *arrays, invoices = amounts
    contributions, billed, methods, monthly, owed = arrays
    shared = (MembershipType(beneficiary_type), ServiceType(service_type), module_id, currency_code)
    entry = PremiumEntry(
        enrollment_id,
        member_id,
        month,
        days,
        num_days,
        divisor,
        tuple(
            MonthlyAmount(
                ContributionType(contribution),
                BilledEntity(entity),
                CollectionMethod(method) if method else None,
                *shared,
                amount,
            )
            for contribution, entity, method, amount in zip(contributions, billed, methods, monthly, strict=True)
        ),
        tuple(owed),
    )
    ledger_entry = LedgerEntry(entry_id, entry, version, cancels, cancelled_by, tuple(invoices))
    return StoredEntry(entry_key, ledger_entry, group_id, GroupKey(contract_id, primary_id), recorded_at)


_LIVE = "e.cancels IS NULL AND b.entry_key IS NULL"


async def live_entries(connection: Connection, group_key: int, first: Month, last: Month) -> list[StoredEntry]:
    """A policy's entries of some months that are neither cancelled nor offsets."""
    cursor = await connection.execute(
        f"{_ENTRIES} WHERE e.group_key = %s AND e.month BETWEEN %s AND %s AND {_LIVE} ORDER BY e.entry_key",
        [group_key, first, last],
    )
    return [_stored(row) for row in await cursor.fetchall()]


async def last_versions(
    connection: Connection, group_key: int, first: Month, last: Month
) -> dict[tuple[UUID, Month], int]:
    """The highest version so far of each enrollment and month."""
    cursor = await connection.execute(
        "SELECT enrollment_id, month, max(version) FROM premium_entry WHERE group_key = %s"
        " AND month BETWEEN %s AND %s GROUP BY enrollment_id, month",
        [group_key, first, last],
    )
    return {(enrollment_id, month): version for enrollment_id, month, version in await cursor.fetchall()}


@dataclass(frozen=True, slots=True)
class Computation:
    """What entries are computed from: a policy at a revision, and the parameters of the request, if it brought any."""

    group_key: int
    contract_id: UUID
    revision: int
    parameters: EngineParameters | None


async def add_entries(
    tx: Connection, computation: Computation, live: Sequence[StoredEntry], new: Sequence[NewEntry]
) -> None:
    """Adds what a reconciliation says, in order; `live` is what its `cancels` are places in."""
    parameters = computation.parameters
    cursor = await tx.execute(
        "INSERT INTO premium_computation (group_key, revision, parameters, recorded_at)"
        " VALUES (%s, %s, %s, clock_timestamp()) RETURNING computation_key",
        [
            computation.group_key,
            computation.revision,
            Jsonb(engine_parameters_to_document(parameters)) if parameters else None,
        ],
    )
    row = await cursor.fetchone()
    assert row is not None  # noqa: S101 (an INSERT … RETURNING gives a row)
    async with tx.cursor() as adding:
        await adding.executemany(
            "INSERT INTO premium_entry (entry_id, computation_key, group_key, contract_id, enrollment_id, member_id,"
            " module_id, month, days, num_days, divisor, version, cancels, beneficiary_type, service_type,"
            " currency_code, contribution_types, billed_entities, collection_methods, debtors, monthly_minor,"
            " owed_minor) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s,"
            " %s::text[], %s, %s::bigint[], %s::bigint[])",
            [_values(computation, row[0], live, each) for each in new],
        )


def _values(computation: Computation, computation_key: int, live: Sequence[StoredEntry], new: NewEntry) -> list[Any]:
    entry, amounts = new.entry, new.entry.amounts
    return [
        uuid4(),
        computation_key,
        computation.group_key,
        computation.contract_id,
        entry.enrollment_id,
        entry.member_id,
        amounts[0].module_id,
        entry.month,
        entry.days,
        entry.num_days,
        entry.divisor,
        new.version,
        None if new.cancels is None else live[new.cancels].entry_key,
        amounts[0].beneficiary_type.value,
        amounts[0].service_type.value,
        amounts[0].currency_code,
        [amount.contribution_type.value for amount in amounts],
        [amount.billed_entity.value for amount in amounts],
        [amount.collection_method.value if amount.collection_method else None for amount in amounts],
        [debtor_of(amount).value for amount in amounts],
        [amount.monthly_minor for amount in amounts],
        list(entry.owed_minor),
    ]


@dataclass(frozen=True, slots=True)
class EntryFilter:
    """Whose entries (exactly one of the first three), of which months (inclusive; None: all)."""

    group_key: int | None = None
    contract_id: UUID | None = None
    enrollment_ids: tuple[UUID, ...] = ()
    months: tuple[Month, Month] | None = None

    def where(self) -> tuple[str, list[Any]]:
        if self.group_key is not None:
            conditions, values = ["e.group_key = %s"], [self.group_key]
        elif self.contract_id is not None:
            conditions, values = ["e.contract_id = %s"], [self.contract_id]  # type: ignore[list-item]
        else:
            conditions, values = ["e.enrollment_id = ANY(%s)"], [list(self.enrollment_ids)]  # type: ignore[list-item]
        if self.months:
            conditions.append("e.month BETWEEN %s AND %s")
            values += self.months
        return " AND ".join(conditions), values


async def list_entries(
    connection: Connection, which: EntryFilter, *, live_only: bool, after: int, limit: int
) -> list[StoredEntry]:
    """Entries after a key, in the order in which they were added."""
    where, values = which.where()
    cursor = await connection.execute(
        f"{_ENTRIES} WHERE {where} AND {_LIVE if live_only else 'TRUE'} AND e.entry_key > %s"
        " ORDER BY e.entry_key LIMIT %s",
        [*values, after, limit],
    )
    return [_stored(row) for row in await cursor.fetchall()]


_UNMARKED = (
    "EXISTS (SELECT FROM unnest(e.debtors) WITH ORDINALITY d(debtor, place) WHERE d.debtor = %(debtor)s"
    " AND NOT EXISTS (SELECT FROM premium_invoice_mark m WHERE m.entry_key = e.entry_key AND m.place = d.place))"
)
_TOUCHED = (
    "EXISTS (SELECT FROM premium_invoice_mark m JOIN premium_entry t USING (entry_key)"
    " WHERE m.entry_key IN (e.entry_key, o.entry_key, b.entry_key) AND t.debtors[m.place] = %(debtor)s)"
)
"""Something of an entry, or of its counterpart, has been invoiced to a debtor (`domain/premiums/invoicing.py`)."""


async def list_uninvoiced(
    connection: Connection, which: EntryFilter, debtor: Debtor, last_month: Month, after: int, limit: int
) -> list[StoredEntry]:
    """Entries of months up to one with something not yet invoiced to a debtor, after a key, in order; an entry and its
    offset are left out where nothing of either has been."""
    owner = "e.group_key = %(owner)s" if which.group_key is not None else "e.contract_id = %(owner)s"
    cursor = await connection.execute(
        f"{_ENTRIES} WHERE {owner} AND e.month <= %(last)s AND e.entry_key > %(after)s AND {_UNMARKED}"
        f" AND ((o.entry_key IS NULL AND b.entry_key IS NULL) OR {_TOUCHED}) ORDER BY e.entry_key LIMIT %(limit)s",
        {
            "owner": which.contract_id if which.group_key is None else which.group_key,
            "debtor": debtor.value,
            "last": last_month,
            "after": after,
            "limit": limit,
        },
    )
    return [_stored(row) for row in await cursor.fetchall()]


async def lock_entries(tx: Connection, entry_ids: Sequence[UUID]) -> list[StoredEntry]:
    """Some entries by their ids, in order of key, kept from being marked by others until the transaction ends; those
    that there are not are left out."""
    await tx.execute(
        "SELECT FROM premium_entry WHERE entry_id = ANY(%s) ORDER BY entry_key FOR NO KEY UPDATE", [list(entry_ids)]
    )
    cursor = await tx.execute(f"{_ENTRIES} WHERE e.entry_id = ANY(%s) ORDER BY e.entry_key", [list(entry_ids)])
    return [_stored(row) for row in await cursor.fetchall()]


async def mark_entries(tx: Connection, entry_keys: Mapping[UUID, int], changed: Sequence[LedgerEntry]) -> None:
    """Writes the invoices of entries that carry new ones; marks that are there stay."""
    marks = [
        (entry_keys[each.entry_id], place, invoice_id)
        for each in changed
        for place, invoice_id in enumerate(each.invoices, 1)
        if invoice_id is not None
    ]
    await tx.execute(
        "INSERT INTO premium_invoice_mark (entry_key, place, invoice_id, recorded_at)"
        " SELECT m.entry_key, m.place, m.invoice_id, clock_timestamp()"
        " FROM unnest(%s::bigint[], %s::integer[], %s::text[]) AS m(entry_key, place, invoice_id)"
        " ON CONFLICT DO NOTHING",
        [[key for key, _, _ in marks], [place for _, place, _ in marks], [invoice for _, _, invoice in marks]],
    )


DIMENSIONS = {
    "MONTH": "lpad((e.month / 12)::text, 4, '0') || '-' || lpad((e.month %% 12 + 1)::text, 2, '0')",
    "CONTRACT": "e.contract_id::text",
    "POLICY": "g.group_id::text",
    "MODULE": "e.module_id::text",
    "SERVICE_TYPE": "e.service_type",
    "BENEFICIARY_TYPE": "e.beneficiary_type",
    "CONTRIBUTION_TYPE": "e.contribution_types[p]",
    "BILLED_ENTITY": "e.billed_entities[p]",
    "DEBTOR": "e.debtors[p]",
    "INVOICED": "CASE WHEN m.entry_key IS NULL THEN 'false' ELSE 'true' END",
}
"""What amounts can be grouped by, as SQL says it."""


@dataclass(frozen=True, slots=True)
class PremiumSum:
    """What is owed over components that share some values."""

    values: tuple[str, ...]
    currency_code: str
    amount_minor: int


async def aggregate(
    connection: Connection,
    by: Sequence[str],
    months: tuple[Month, Month],
    contract_ids: Sequence[UUID],
    group_ids: Sequence[UUID],
) -> list[PremiumSum]:
    """Sums over all entries of some months, by the names of dimensions; those that come to 0 are left out."""
    columns = ", ".join(DIMENSIONS[name] for name in by)
    places = ", ".join(str(i + 1) for i in range(len(by) + 1))
    cursor = await connection.execute(
        f"SELECT {columns}, e.currency_code, sum(e.owed_minor[p])::bigint FROM premium_entry e"
        " JOIN enrollment_group g USING (group_key) CROSS JOIN generate_series(1, cardinality(e.owed_minor)) p"
        " LEFT JOIN premium_invoice_mark m ON m.entry_key = e.entry_key AND m.place = p"
        " WHERE e.month BETWEEN %(first)s AND %(last)s"
        " AND (%(contracts)s = '{}'::uuid[] OR e.contract_id = ANY(%(contracts)s))"
        " AND (%(groups)s = '{}'::uuid[] OR g.group_id = ANY(%(groups)s))"
        f" GROUP BY {places} HAVING sum(e.owed_minor[p]) <> 0 ORDER BY {places}",
        {"first": months[0], "last": months[1], "contracts": list(contract_ids), "groups": list(group_ids)},
    )
    return list(starmap(_sum, await cursor.fetchall()))


def _sum(*row: Any) -> PremiumSum:
    *values, currency_code, amount = row
    return PremiumSum(tuple(values), currency_code, amount)
