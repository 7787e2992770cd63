"""The premium ledger: stretches are added and read, never changed; invoices are marks beside them.

An entry is a stretch and one of its months, and its id says which. Whoever adds stretches holds the lock of the group's
head row.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import starmap
from typing import Any, NamedTuple
from uuid import UUID

from domain.days import Span
from domain.enrollment.decisions import GroupKey
from domain.premiums.affiliation import PieceReason
from domain.premiums.entries import Basis, Stretch
from domain.premiums.invoicing import Debtor, LedgerEntry, debtor_of
from domain.premiums.ledger import LedgerRow, NewRow, offset
from domain.premiums.months import Month
from storage.database import Connection
from storage.premium_prices import StoredPrices
from storage.requests import lock


class EntryPlace(NamedTuple):
    """Where an entry stands. Places sort in the order in which entries were added."""

    stretch_key: int
    month: Month

    @property
    def entry_id(self) -> UUID:
        """A UUID of version 8 that holds the place."""
        return UUID(int=self.month << 80 | 0x8 << 76 | 0x2 << 62 | self.stretch_key)


def place_of(entry_id: UUID) -> EntryPlace | None:
    """The place that an id says; None: it is none of ours."""
    place = EntryPlace(entry_id.int & (1 << 62) - 1, entry_id.int >> 80)
    return place if place.entry_id == entry_id and place.month < MONTHS else None


MONTHS = 120_000
"""More than there are until the year 9999."""


@dataclass(frozen=True, slots=True)
class StoredEntry:
    """An entry with its policy, and the revision that it was computed from."""

    place: EntryPlace
    ledger_entry: LedgerEntry
    group_id: UUID
    key: GroupKey
    revision: int
    recorded_at: datetime


class _Stretch(NamedTuple):
    """The columns of a stretch, as they are read."""

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
) -> dict[int, list[LedgerRow]]:
    """All stretches of some policies with a month in a range, by group key, in the order in which they were added."""
    cursor = await connection.execute(
        f"SELECT {_COLUMNS} FROM premium_stretch s WHERE s.group_key = ANY(%s) AND s.first_month <= %s"
        " AND s.last_month >= %s ORDER BY s.stretch_key",
        [list(group_keys), last, first],
    )
    rows = [_Stretch(*row) for row in await cursor.fetchall()]
    bases = await prices.bases(connection, {row.price_key for row in rows})
    found: dict[int, list[LedgerRow]] = {}
    for row in rows:
        its = found.setdefault(row.group_key, [])
        its.append(LedgerRow(row.stretch_key, row.stretch(bases), row.version, row.cancels))
    return found


@dataclass(frozen=True, slots=True)
class Addition:
    """What is added to a policy's ledger, computed from a revision."""

    group_key: int
    contract_id: UUID
    revision: int
    rows: Sequence[NewRow]


async def add_rows(tx: Connection, prices: StoredPrices, additions: Sequence[Addition]) -> None:
    """Adds stretches in order."""
    keys = await prices.keys_of(tx, (row.stretch.basis for addition in additions for row in addition.rows))
    cursor = await tx.execute("SELECT clock_timestamp()::text")
    now = await cursor.fetchone()
    assert now is not None  # noqa: S101 (there is always a now)
    lines = [_line(addition, row, keys, now[0]) for addition in additions for row in addition.rows]
    if lines:
        async with tx.cursor().copy(
            "COPY premium_stretch (group_key, contract_id, enrollment_id, member_id, first_month, last_month, days,"
            " divisor, owed_minor, price_key, version, cancels, revision, reasons, recorded_at) FROM STDIN"
        ) as copy:
            await copy.write("".join(lines))


NULL = "\\N"


def _line(addition: Addition, row: NewRow, keys: Mapping[Basis, int], now: str) -> str:
    """A line of COPY's text format; nothing in it needs escaping."""
    s = row.stretch
    return (
        "\t".join(
            (
                str(addition.group_key),
                str(addition.contract_id),
                str(s.enrollment_id),
                str(s.member_id),
                str(s.first),
                str(s.last),
                NULL if s.days is None else f"[{s.days.first_on},{s.days.last_on}]",
                NULL if s.divisor is None else str(s.divisor),
                NULL if s.owed_minor is None else f"{{{','.join(map(str, s.owed_minor))}}}",
                str(keys[s.basis]),
                str(row.version),
                NULL if row.cancels is None else str(row.cancels),
                str(addition.revision),
                f"{{{','.join(sorted(s.reasons))}}}" if s.reasons else NULL,
                now,
            )
        )
        + "\n"
    )


async def note_computed(tx: Connection, group_keys: Sequence[int], first: Month, last: Month) -> None:
    """Notes that some months of policies were computed, and that they could be."""
    await tx.execute(
        "INSERT INTO premium_policy (group_key, months) SELECT g, int4multirange(int4range(%s, %s, '[]'))"
        " FROM unnest(%s::bigint[]) AS g ON CONFLICT (group_key) DO UPDATE"
        " SET months = premium_policy.months + excluded.months, failure = NULL"
        " WHERE NOT premium_policy.months @> excluded.months OR premium_policy.failure IS NOT NULL",
        [first, last, sorted(group_keys)],
    )


async def computed_months(connection: Connection, group_key: int, since: Month) -> list[tuple[Month, Month]]:
    """Which months of a policy were ever computed, from one on: ranges, both inclusive."""
    cursor = await connection.execute(
        "SELECT lower(r), upper(r) - 1 FROM premium_policy, unnest(months * int4multirange(int4range(%s, NULL))) AS r"
        " WHERE group_key = %s",
        [since, group_key],
    )
    return [(first, last) for first, last in await cursor.fetchall()]


# -------------------------------------------------------------------------------------------------- entries, read


@dataclass(frozen=True, slots=True)
class EntryFilter:
    """Whose entries (exactly one of the first three), of which months (inclusive; None: all)."""

    group_key: int | None = None
    contract_id: UUID | None = None
    enrollment_ids: tuple[UUID, ...] = ()
    months: tuple[Month, Month] | None = None

    def where(self) -> tuple[str, dict[str, Any]]:
        first, last = self.months or (0, MONTHS)
        values: dict[str, Any] = {"first": first, "last": last}
        if self.group_key is not None:
            return "s.group_key = %(owner)s", values | {"owner": self.group_key}
        if self.contract_id is not None:
            return "s.contract_id = %(owner)s", values | {"owner": self.contract_id}
        return "s.enrollment_id = ANY(%(owner)s)", values | {"owner": list(self.enrollment_ids)}


_ENTRIES = (
    f"SELECT {_COLUMNS}, m.month, c.stretch_key, g.group_id, g.contract_id, g.primary_id, s.revision, s.recorded_at,"
    " (SELECT jsonb_object_agg(k.debtor, k.invoice_id) FROM premium_invoice_mark k"
    " WHERE k.stretch_key = s.stretch_key AND k.month = m.month)"
    " FROM premium_stretch s JOIN enrollment_group g USING (group_key)"
    " CROSS JOIN LATERAL generate_series(greatest(s.first_month, %(first)s), least(s.last_month, %(last)s)) AS m(month)"
    " LEFT JOIN premium_stretch c ON c.cancels = s.stretch_key AND m.month BETWEEN c.first_month AND c.last_month"
)
"""One row for each month; `c` is the offset that takes it back."""

_PAGE = (
    " AND s.stretch_key >= %(after_key)s AND (s.stretch_key, m.month) > (%(after_key)s, %(after_month)s)"
    " ORDER BY s.stretch_key, m.month LIMIT %(limit)s"
)


async def list_entries(
    connection: Connection,
    prices: StoredPrices,
    which: EntryFilter,
    *,
    live_only: bool,
    after: EntryPlace,
    limit: int,
) -> list[StoredEntry]:
    """Entries after a place, in the order in which they were added."""
    where, values = which.where()
    live = "s.cancels IS NULL AND c.stretch_key IS NULL" if live_only else "TRUE"
    cursor = await connection.execute(f"{_ENTRIES} WHERE {where} AND {live} {_PAGE}", values | _paging(after, limit))
    return await _stored(connection, prices, await cursor.fetchall())


BEFORE_ALL = EntryPlace(0, 0)


def _paging(after: EntryPlace, limit: int) -> dict[str, Any]:
    return {"after_key": after.stretch_key, "after_month": after.month, "limit": limit}


_OPEN = (
    " AND EXISTS (SELECT FROM premium_price p WHERE p.price_key = s.price_key AND %(debtor)s = ANY(p.debtors))"
    " AND NOT EXISTS (SELECT FROM premium_invoice_mark k WHERE k.stretch_key = s.stretch_key AND k.month = m.month"
    " AND k.debtor = %(debtor)s)"
    " AND (coalesce(s.cancels, c.stretch_key) IS NULL OR EXISTS (SELECT FROM premium_invoice_mark k"
    " WHERE k.stretch_key = coalesce(s.cancels, c.stretch_key) AND k.month = m.month AND k.debtor = %(debtor)s))"
)
"""Billed to a debtor and not invoiced; and not settled with its counterpart, of which then nothing is invoiced either
(`domain/premiums/invoicing.py`)."""


async def list_uninvoiced(
    connection: Connection,
    prices: StoredPrices,
    which: EntryFilter,
    debtor: Debtor,
    after: EntryPlace,
    limit: int,
) -> list[StoredEntry]:
    """Entries with something not yet invoiced to a debtor, after a place, in order; an entry and its offset are left
    out where nothing of either has been."""
    where, values = which.where()
    cursor = await connection.execute(
        f"{_ENTRIES} WHERE {where} {_OPEN} {_PAGE}", values | _paging(after, limit) | {"debtor": debtor.value}
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
    marks: Mapping[str, str] | None,
) -> StoredEntry:
    place = EntryPlace(row.stretch_key, month)
    entry = row.stretch(bases).entry(month)
    invoices = tuple((marks or {}).get(debtor_of(amount)) for amount in entry.amounts)
    ledger_entry = LedgerEntry(
        place.entry_id,
        offset(entry) if row.cancels else entry,
        row.version,
        EntryPlace(row.cancels, month).entry_id if row.cancels else None,
        EntryPlace(cancelled_by, month).entry_id if cancelled_by else None,
        invoices,
    )
    return StoredEntry(place, ledger_entry, group_id, GroupKey(contract_id, primary_id), revision, recorded_at)


# -------------------------------------------------------------------------------------------------- invoices


async def lock_entries(tx: Connection, prices: StoredPrices, entry_ids: Sequence[UUID]) -> list[StoredEntry]:
    """Some entries by their ids, in order of place, kept from being marked by others until the transaction ends; those
    that there are not are left out."""
    places = sorted({place for entry_id in entry_ids if (place := place_of(entry_id))})
    keys, months = [place.stretch_key for place in places], [place.month for place in places]
    await lock(tx, "premium_entry", *entry_ids)
    cursor = await tx.execute(
        f"{_ENTRIES} WHERE (s.stretch_key, m.month) IN"
        " (SELECT * FROM unnest(%(keys)s::bigint[], %(months)s::integer[]))"
        " AND s.stretch_key = ANY(%(keys)s) ORDER BY s.stretch_key, m.month",
        {"first": 0, "last": MONTHS, "keys": keys, "months": months},
    )
    return await _stored(tx, prices, await cursor.fetchall())


async def mark_entries(tx: Connection, entry_ids: Iterable[UUID], debtor: Debtor, invoice_id: str) -> None:
    """Puts an invoice on entries that are locked; marks that are there stay."""
    places = [place for entry_id in entry_ids if (place := place_of(entry_id))]
    await tx.execute(
        "INSERT INTO premium_invoice_mark (stretch_key, month, debtor, invoice_id, recorded_at)"
        " SELECT m.stretch_key, m.month, %s, %s, clock_timestamp()"
        " FROM unnest(%s::bigint[], %s::integer[]) AS m(stretch_key, month) ON CONFLICT DO NOTHING",
        [debtor.value, invoice_id, [place.stretch_key for place in places], [place.month for place in places]],
    )


# -------------------------------------------------------------------------------------------------- sums

DIMENSIONS = {
    "MONTH": "lpad((m.month / 12)::text, 4, '0') || '-' || lpad((m.month %% 12 + 1)::text, 2, '0')",
    "CONTRACT": "s.contract_id::text",
    "POLICY": "g.group_id::text",
    "MODULE": "p.module_id::text",
    "SERVICE_TYPE": "p.service_type",
    "BENEFICIARY_TYPE": "p.beneficiary_type",
    "CONTRIBUTION_TYPE": "p.contribution_types[i]",
    "BILLED_ENTITY": "p.billed_entities[i]",
    "DEBTOR": "p.debtors[i]",
    "INVOICED": "CASE WHEN k.stretch_key IS NULL THEN 'false' ELSE 'true' END",
}
"""What amounts can be grouped by, as SQL says it."""

_OWED = "sum((coalesce(s.owed_minor, p.monthly_minor))[i] * CASE WHEN s.cancels IS NULL THEN 1 ELSE -1 END)::bigint"


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
        f"SELECT {columns}, p.currency_code, {_OWED} FROM premium_stretch s"
        " JOIN enrollment_group g USING (group_key) JOIN premium_price p USING (price_key)"
        " CROSS JOIN LATERAL"
        " generate_series(greatest(s.first_month, %(first)s), least(s.last_month, %(last)s)) AS m(month)"
        " CROSS JOIN LATERAL generate_series(1, cardinality(p.monthly_minor)) AS i"
        " LEFT JOIN premium_invoice_mark k"
        " ON k.stretch_key = s.stretch_key AND k.month = m.month AND k.debtor = p.debtors[i]"
        " WHERE s.first_month <= %(last)s AND s.last_month >= %(first)s"
        " AND (%(contracts)s = '{}'::uuid[] OR s.contract_id = ANY(%(contracts)s))"
        " AND (%(groups)s = '{}'::uuid[] OR g.group_id = ANY(%(groups)s))"
        f" GROUP BY {places} HAVING {_OWED} <> 0 ORDER BY {places}",
        {"first": months[0], "last": months[1], "contracts": list(contract_ids), "groups": list(group_ids)},
    )
    return list(starmap(_sum, await cursor.fetchall()))


def _sum(*row: Any) -> PremiumSum:
    *values, currency_code, amount = row
    return PremiumSum(tuple(values), currency_code, amount)
