"""The premium ledger. Stretches are added and read but never changed; invoices are marks beside them.

An entry is one month of a stretch, and its id consists of both. A transaction that adds stretches holds the lock on the
group's row in `enrollment_group`.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, LiteralString, NamedTuple
from uuid import UUID

from psycopg.types.json import Jsonb

from domain.actors import Actor
from domain.days import Span
from domain.enrollment.decisions import GroupKey
from domain.premiums.entries import Stretch
from domain.premiums.invoicing import Debtor, LedgerEntry, debtor_of
from domain.premiums.ledger import LedgerRow, offset
from domain.premiums.months import Month
from domain.premiums.pricing_periods import Basis
from domain.premiums.reasons import PieceReason
from storage.postgres.database import Connection
from storage.postgres.documents import Document, actor_from_document, actor_to_document
from storage.postgres.instants import NOW
from storage.postgres.locks import Lock, lock
from storage.premium_prices import StoredPrices


class EntryKey(NamedTuple):
    """The key of an entry. Keys sort in the order in which entries were added."""

    stretch_key: int
    month: Month

    @property
    def entry_id(self) -> UUID:
        """The key as a UUID of version 8."""
        return UUID(int=self.month << 80 | 0x8 << 76 | 0x2 << 62 | self.stretch_key)


def key_of_entry(entry_id: UUID) -> EntryKey | None:
    """Returns the key that an id encodes, or None if no entry can have this id."""
    key = EntryKey(entry_id.int & (1 << 62) - 1, entry_id.int >> 80)
    return key if key.entry_id == entry_id and key.month < MONTHS else None


MONTHS = 120_000
"""An exclusive upper bound of months, which are counted from the year 0 to the year 9999."""


@dataclass(frozen=True, slots=True)
class StoredEntry:
    """An entry with its policy, the revision from which it was computed, and its actor."""

    entry_key: EntryKey
    ledger_entry: LedgerEntry
    group_id: UUID
    key: GroupKey
    revision: int
    recorded_at: datetime
    actor: Actor


class _Stretch(NamedTuple):
    """The columns of a stretch by position, because a ledger has many stretches."""

    stretch_key: int
    group_key: int
    enrollment_id: UUID
    member_id: UUID
    first: Month
    last: Month
    days: Span | None
    divisor: int | None
    owed_minor: list[int] | None
    price_key: int
    version: int
    cancels: int | None
    reasons: list[str] | None

    def stretch(self, bases: Mapping[int, Basis]) -> Stretch:
        owed = None if self.owed_minor is None else tuple(self.owed_minor)
        reasons = frozenset(map(PieceReason, self.reasons or ()))
        basis = bases[self.price_key]
        dates = (self.first, self.last, self.days, self.divisor)
        return Stretch(self.enrollment_id, self.member_id, *dates, owed, basis, reasons)


_COLUMNS = (
    "s.stretch_key, s.group_key, s.enrollment_id, s.member_id, s.first_month, s.last_month, s.days, s.divisor,"
    " s.owed_minor, s.price_key, s.version, s.cancels, s.reasons"
)
_WIDTH = len(_Stretch._fields)


async def ledger_rows(
    connection: Connection, prices: StoredPrices, group_keys: Sequence[int], first: Month, last: Month
) -> dict[int, dict[int, LedgerRow]]:
    """Returns the stretches of some policies that have a month in a range, by group key and stretch key, in the order
    in which they were added."""
    cursor = await connection.execute(
        f"SELECT {_COLUMNS} FROM premium_stretch s WHERE s.group_key = ANY(%s) AND s.first_month <= %s"
        " AND s.last_month >= %s ORDER BY s.stretch_key",
        [list(group_keys), last, first],
    )
    rows = [_Stretch(*row) for row in await cursor.fetchall()]
    bases = await prices.bases(connection, {row.price_key for row in rows})
    found: dict[int, dict[int, LedgerRow]] = {}
    for row in rows:
        of_group = found.setdefault(row.group_key, {})
        of_group[row.stretch_key] = LedgerRow(row.stretch(bases), row.version, row.cancels)
    return found


@dataclass(frozen=True, slots=True)
class Addition:
    """Rows to add to a policy's ledger, computed from a revision."""

    group_key: int
    contract_id: UUID
    revision: int
    rows: Sequence[LedgerRow]


async def add_rows(tx: Connection, prices: StoredPrices, additions: Sequence[Addition], actor: Actor) -> None:
    """Adds stretches in order, in one statement, with their actor.

    COPY isn't used, because PostgreSQL doesn't end the COPY of a client that hangs, so the policies would stay locked.
    """
    keys = await prices.keys_of(tx, (row.stretch.basis for addition in additions for row in addition.rows))
    rows = [_columns(addition, row, keys) for addition in additions for row in addition.rows]
    if rows:
        await tx.execute(
            "INSERT INTO premium_stretch (group_key, contract_id, enrollment_id, member_id, first_month, last_month,"
            " days, divisor, owed_minor, price_key, version, cancels, revision, reasons, recorded_at, actor)"
            " SELECT group_key, contract_id, enrollment_id, member_id, first_month, last_month, days::daterange,"
            " divisor, owed_minor::bigint[], price_key, version, cancels, revision, reasons::text[], now, %s"
            f" FROM (SELECT {NOW} AS now) AS n, unnest(%s::bigint[], %s::uuid[], %s::uuid[], %s::uuid[],"
            " %s::integer[], %s::integer[], %s::text[], %s::integer[], %s::text[], %s::bigint[], %s::integer[],"
            " %s::bigint[], %s::integer[], %s::text[]) AS s (group_key, contract_id, enrollment_id, member_id,"
            " first_month, last_month, days, divisor, owed_minor, price_key, version, cancels, revision, reasons)",
            [Jsonb(actor_to_document(actor)), *(list(column) for column in zip(*rows, strict=True))],
        )


def _columns(addition: Addition, row: LedgerRow, keys: Mapping[Basis, int]) -> tuple[Any, ...]:
    """Returns the values of a stretch for `add_rows`. Ranges and arrays are passed as text."""
    s = row.stretch
    return (
        addition.group_key,
        addition.contract_id,
        s.enrollment_id,
        s.member_id,
        s.first,
        s.last,
        None if s.days is None else f"[{s.days.first_on},{s.days.last_on}]",
        s.divisor,
        None if s.owed_minor is None else f"{{{','.join(map(str, s.owed_minor))}}}",
        keys[s.basis],
        row.version,
        row.cancels,
        addition.revision,
        f"{{{','.join(sorted(s.reasons))}}}" if s.reasons else None,
    )


async def note_computed(tx: Connection, group_keys: Sequence[int], first: Month, last: Month) -> None:
    """Stores that some months of policies were computed, and clears their failures."""
    await tx.execute(
        "INSERT INTO premium_policy (group_key, months) SELECT g, int4multirange(int4range(%s, %s, '[]'))"
        " FROM unnest(%s::bigint[]) AS g ON CONFLICT (group_key) DO UPDATE"
        " SET months = premium_policy.months + excluded.months, failure = NULL"
        " WHERE NOT premium_policy.months @> excluded.months OR premium_policy.failure IS NOT NULL",
        [first, last, sorted(group_keys)],
    )


async def computed_months(connection: Connection, group_key: int, since: Month) -> list[tuple[Month, Month]]:
    """Returns the months of a policy that were computed, starting at one: ranges, both ends inclusive."""
    cursor = await connection.execute(
        "SELECT lower(r), upper(r) - 1 FROM premium_policy, unnest(months * int4multirange(int4range(%s, NULL))) AS r"
        " WHERE group_key = %s",
        [since, group_key],
    )
    return [(first, last) for first, last in await cursor.fetchall()]


# -------------------------------------------------------------------------------------------------- entries, read


@dataclass(frozen=True, slots=True)
class EntryFilter:
    """Which entries to list. Exactly one of the first four fields is set. `months` is inclusive. None means all."""

    group_key: int | None = None
    contract_id: UUID | None = None
    enrollment_ids: tuple[UUID, ...] = ()
    invoice_id: str | None = None
    months: tuple[Month, Month] | None = None

    def entries(self) -> tuple[LiteralString, dict[str, Any]]:
        """Returns the SQL for all matching entries, and its parameters. Conditions can be appended with AND."""
        first, last = self.months or (0, MONTHS)
        values: dict[str, Any] = {"first": first, "last": last}
        if self.invoice_id is not None:
            return f"{_OF_INVOICE} WHERE TRUE", values | {"owner": self.invoice_id}
        if self.group_key is not None:
            return f"{_ENTRIES} WHERE s.group_key = %(owner)s", values | {"owner": self.group_key}
        if self.contract_id is not None:
            return f"{_ENTRIES} WHERE s.contract_id = %(owner)s", values | {"owner": self.contract_id}
        return f"{_ENTRIES} WHERE s.enrollment_id = ANY(%(owner)s)", values | {"owner": list(self.enrollment_ids)}

    def page(self) -> LiteralString:
        """Returns the SQL to append to that of all entries to select a page."""
        return _PAGE if self.invoice_id is None else " ORDER BY m.stretch_key, m.month LIMIT %(limit)s"


_ENTRY = (
    f"SELECT {_COLUMNS}, m.month, c.stretch_key, g.group_id, g.contract_id, g.primary_id, s.revision, s.recorded_at,"
    " s.actor, (SELECT jsonb_object_agg(k.debtor, k.invoice_id) FROM premium_invoice_mark k"
    " WHERE k.stretch_key = s.stretch_key AND k.month = m.month)"
)
_ENTRIES: LiteralString = (
    f"{_ENTRY} FROM premium_stretch s JOIN enrollment_group g USING (group_key)"
    " CROSS JOIN LATERAL generate_series(greatest(s.first_month, %(first)s), least(s.last_month, %(last)s)) AS m(month)"
    " LEFT JOIN premium_stretch c ON c.cancels = s.stretch_key AND m.month BETWEEN c.first_month AND c.last_month"
)
"""One row for each month. `c` is the offset that takes it back."""

_PAGE: LiteralString = (
    " AND s.stretch_key >= %(after_key)s AND (s.stretch_key, m.month) > (%(after_key)s, %(after_month)s)"
    " ORDER BY s.stretch_key, m.month LIMIT %(limit)s"
)

_OF_INVOICE: LiteralString = (
    f"{_ENTRY} FROM (SELECT DISTINCT stretch_key, month FROM premium_invoice_mark WHERE invoice_id = %(owner)s"
    " AND month BETWEEN %(first)s AND %(last)s AND (stretch_key, month) > (%(after_key)s, %(after_month)s)) AS m"
    " CROSS JOIN LATERAL (SELECT * FROM premium_stretch WHERE stretch_key = m.stretch_key OFFSET 0) AS s"
    " JOIN enrollment_group g USING (group_key)"
    " LEFT JOIN LATERAL (SELECT stretch_key FROM premium_stretch WHERE cancels = s.stretch_key"
    " AND m.month BETWEEN first_month AND last_month OFFSET 0) AS c ON TRUE"
)
"""The same for the months of an invoice after a key. OFFSET 0 prevents PostgreSQL from joining the marks with all
stretches. It looks up the stretch of each mark instead, so a page only reads its own rows."""


async def list_entries(
    connection: Connection,
    prices: StoredPrices,
    which: EntryFilter,
    *,
    live_only: bool,
    after: EntryKey,
    limit: int,
) -> list[StoredEntry]:
    """Returns entries after a key, in the order in which they were added."""
    cursor = await connection.execute(*page_of_entries(which, live_only=live_only, after=after, limit=limit))
    return await _stored(connection, prices, await cursor.fetchall())


def page_of_entries(
    which: EntryFilter, *, live_only: bool, after: EntryKey, limit: int
) -> tuple[LiteralString, dict[str, Any]]:
    """Returns the SQL for a page of entries, and its parameters."""
    entries, values = which.entries()
    live: LiteralString = " AND s.cancels IS NULL AND c.stretch_key IS NULL" if live_only else ""
    return f"{entries}{live}{which.page()}", values | _paging(after, limit)


BEFORE_ALL = EntryKey(0, 0)


def _paging(after: EntryKey, limit: int) -> dict[str, Any]:
    return {"after_key": after.stretch_key, "after_month": after.month, "limit": limit}


_OPEN = (
    " AND EXISTS (SELECT FROM premium_price p WHERE p.price_key = s.price_key AND %(debtor)s = ANY(p.debtors))"
    " AND NOT EXISTS (SELECT FROM premium_invoice_mark k WHERE k.stretch_key = s.stretch_key AND k.month = m.month"
    " AND k.debtor = %(debtor)s)"
    " AND (coalesce(s.cancels, c.stretch_key) IS NULL OR EXISTS (SELECT FROM premium_invoice_mark k"
    " WHERE k.stretch_key = coalesce(s.cancels, c.stretch_key) AND k.month = m.month AND k.debtor = %(debtor)s))"
)
"""Selects entries that are billed to a debtor and not yet invoiced. An entry and its offset are left out if neither was
invoiced (`domain/premiums/invoicing.py`)."""


async def list_uninvoiced(
    connection: Connection,
    prices: StoredPrices,
    which: EntryFilter,
    debtor: Debtor,
    after: EntryKey,
    limit: int,
) -> list[StoredEntry]:
    """Returns entries after a key, in order, of which something is not yet invoiced to a debtor.

    An entry and its offset are left out if neither was invoiced.
    """
    entries, values = which.entries()
    cursor = await connection.execute(
        f"{entries}{_OPEN}{which.page()}", values | _paging(after, limit) | {"debtor": debtor.value}
    )
    return await _stored(connection, prices, await cursor.fetchall())


async def _stored(connection: Connection, prices: StoredPrices, rows: Iterable[Sequence[Any]]) -> list[StoredEntry]:
    read = [(_Stretch(*row[:_WIDTH]), row[_WIDTH:]) for row in rows]
    bases = await prices.bases(connection, {row.price_key for row, _ in read})
    return [_entry(row, bases, *more) for row, more in read]


def _entry(
    row: _Stretch,
    bases: Mapping[int, Basis],
    month: Month,
    cancelled_by: int | None,
    group_id: UUID,
    contract_id: UUID,
    primary_id: UUID,
    revision: int,
    recorded_at: datetime,
    actor: Document,
    marks: Mapping[str, str] | None,
) -> StoredEntry:
    entry_key = EntryKey(row.stretch_key, month)
    entry = row.stretch(bases).entry(month)
    invoices = tuple((marks or {}).get(debtor_of(charge)) for charge in entry.charges)
    ledger_entry = LedgerEntry(
        entry_key.entry_id,
        offset(entry) if row.cancels else entry,
        row.version,
        EntryKey(row.cancels, month).entry_id if row.cancels else None,
        EntryKey(cancelled_by, month).entry_id if cancelled_by else None,
        invoices,
    )
    key = GroupKey(contract_id, primary_id)
    return StoredEntry(entry_key, ledger_entry, group_id, key, revision, recorded_at, actor_from_document(actor))


# -------------------------------------------------------------------------------------------------- invoices


async def lock_entries(tx: Connection, prices: StoredPrices, entry_ids: Sequence[UUID]) -> list[StoredEntry]:
    """Returns entries by their ids, in order, and locks them against being marked by others until the transaction ends.

    Entries that do not exist are omitted.
    """
    found = sorted({key for entry_id in entry_ids if (key := key_of_entry(entry_id))})
    keys, months = [key.stretch_key for key in found], [key.month for key in found]
    await lock(tx, Lock.PREMIUM_ENTRY, *entry_ids)
    cursor = await tx.execute(
        f"{_ENTRIES} WHERE (s.stretch_key, m.month) IN"
        " (SELECT * FROM unnest(%(keys)s::bigint[], %(months)s::integer[]))"
        " AND s.stretch_key = ANY(%(keys)s) ORDER BY s.stretch_key, m.month",
        {"first": 0, "last": MONTHS, "keys": keys, "months": months},
    )
    return await _stored(tx, prices, await cursor.fetchall())


async def mark_entries(
    tx: Connection, entry_ids: Iterable[UUID], debtor: Debtor, invoice_id: str, actor: Actor
) -> None:
    """Marks entries, which must be locked, as being on an invoice. Existing marks stay."""
    keys = [key for entry_id in entry_ids if (key := key_of_entry(entry_id))]
    await tx.execute(
        "INSERT INTO premium_invoice_mark (stretch_key, month, debtor, invoice_id, recorded_at, actor, group_key)"
        f" SELECT m.stretch_key, m.month, %s, %s, (SELECT {NOW}), %s, s.group_key"
        " FROM unnest(%s::bigint[], %s::integer[]) AS m(stretch_key, month) JOIN premium_stretch s USING (stretch_key)"
        " ON CONFLICT DO NOTHING",
        [
            debtor.value,
            invoice_id,
            Jsonb(actor_to_document(actor)),
            [key.stretch_key for key in keys],
            [key.month for key in keys],
        ],
    )
