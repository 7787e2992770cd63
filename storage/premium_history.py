"""Loads history entries about premiums: a policy's computations and invoices, with what debtors owe for each month.

The amount owed before a computation is the sum of the ledger up to it. Loading computations therefore reads the ledger
for their policy and months, just as computing these months does.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import islice
from typing import Any

from domain.history.entries import MAX_PREMIUM_ENTRIES, HistoryEntry, MonthChange, RecordedPremiums
from domain.premiums.invoicing import Debtor
from storage.group_lookup import GroupHead
from storage.history_index import HistoryScope, Position, Source
from storage.postgres.database import Connection
from storage.postgres.documents import actor_from_document
from storage.premiums import EntryKey

_CALLS = "unnest(%(groups)s::bigint[], %(instants)s::timestamptz[]) AS c(group_key, recorded_at)"

_ADDED = (
    "SELECT c.group_key, c.recorded_at, s.stretch_key, s.first_month, s.last_month, p.currency_code, s.actor"
    f" FROM {_CALLS} JOIN premium_stretch s USING (group_key, recorded_at) JOIN premium_price p USING (price_key)"
    " ORDER BY s.stretch_key"
)

_SIGNED = "(coalesce(s.owed_minor, p.monthly_minor))[i] * CASE WHEN s.cancels IS NULL THEN 1 ELSE -1 END"

# Computations of a policy run one after the other, under the lock of its group, so their instants are in ledger order.
_OWED = (
    f"WITH calls AS (SELECT * FROM {_CALLS}), months AS ("
    "SELECT s.group_key, min(s.first_month) AS first, max(s.last_month) AS last, max(s.recorded_at) AS until"
    " FROM calls JOIN premium_stretch s USING (group_key, recorded_at) GROUP BY s.group_key), changes AS ("
    f"SELECT s.group_key, s.recorded_at, m.month, p.debtors[i] AS debtor, sum({_SIGNED}) AS change"
    " FROM months JOIN premium_stretch s ON s.group_key = months.group_key AND s.recorded_at <= months.until"
    " AND s.first_month <= months.last AND s.last_month >= months.first JOIN premium_price p USING (price_key)"
    " CROSS JOIN LATERAL generate_series("
    "greatest(s.first_month, months.first), least(s.last_month, months.last)) AS m(month)"
    " CROSS JOIN LATERAL generate_series(1, cardinality(p.monthly_minor)) AS i GROUP BY 1, 2, 3, 4), owed AS ("
    "SELECT *, sum(change) OVER (PARTITION BY group_key, month, debtor ORDER BY recorded_at) AS after FROM changes)"
    " SELECT group_key, recorded_at, month, debtor, after - change, after"
    " FROM owed JOIN calls USING (group_key, recorded_at) WHERE change <> 0"
)

Call = tuple[int, datetime]
"""The key of a policy's group, and the instant at which something was recorded."""


async def premium_entries(
    connection: Connection, scope: HistoryScope, positions: Sequence[Position]
) -> dict[Position, HistoryEntry]:
    """Returns the entries for computations, by position."""
    calls = {
        "groups": [group for _, _, (group,) in positions],
        "instants": [instant for instant, *_ in positions],
    }
    cursor = await connection.execute(_OWED, calls)
    months: dict[Call, list[MonthChange]] = {}
    for group, instant, month, debtor, before, after in await cursor.fetchall():
        months.setdefault((group, instant), []).append(MonthChange(month, Debtor(debtor), int(before), int(after)))
    cursor = await connection.execute(_ADDED, calls)
    added: dict[Call, list[Sequence[Any]]] = {}
    for group, instant, *stretch in await cursor.fetchall():
        added.setdefault((group, instant), []).append(stretch)
    return {
        Position(instant, Source.PREMIUM, (group,)): _computation(
            scope.groups[group], instant, stretches, months.get((group, instant), [])
        )
        for (group, instant), stretches in added.items()
    }


def _computation(
    head: GroupHead, instant: datetime, stretches: Sequence[Sequence[Any]], months: Sequence[MonthChange]
) -> HistoryEntry:
    keys = (EntryKey(key, month) for key, first, last, *_ in stretches for month in range(first, last + 1))
    ids = tuple(key.entry_id for key in islice(keys, MAX_PREMIUM_ENTRIES))
    entries = sum(last - first + 1 for _, first, last, *_ in stretches)
    *_, currency, actor = stretches[0]
    data = RecordedPremiums("", _in_order(months), currency, ids, entries - len(ids))
    return _entry(Source.PREMIUM, head, instant, actor, data)


def _in_order(months: Sequence[MonthChange]) -> tuple[MonthChange, ...]:
    order = list(Debtor)
    return tuple(sorted(months, key=lambda change: (change.month, order.index(change.debtor))))


_MARKS = (
    "SELECT k.group_key, k.recorded_at, k.invoice_id, k.stretch_key, k.month, k.debtor, k.actor, p.currency_code,"
    f" (SELECT sum({_SIGNED}) FROM generate_series(1, cardinality(p.monthly_minor)) AS i"
    " WHERE p.debtors[i] = k.debtor)"
    " FROM unnest(%s::bigint[], %s::timestamptz[], %s::text[]) AS w(group_key, recorded_at, invoice_id)"
    " JOIN premium_invoice_mark k USING (group_key, recorded_at, invoice_id)"
    " JOIN premium_stretch s USING (stretch_key) JOIN premium_price p USING (price_key)"
    " ORDER BY k.stretch_key, k.month, k.debtor"
)


async def invoice_entries(
    connection: Connection, scope: HistoryScope, positions: Sequence[Position]
) -> dict[Position, HistoryEntry]:
    """Returns the entries for premiums that were put on invoices, by position."""
    cursor = await connection.execute(
        _MARKS,
        [
            [group for _, _, (group, _) in positions],
            [instant for instant, *_ in positions],
            [invoice_id for _, _, (_, invoice_id) in positions],
        ],
    )
    marks: dict[Position, list[Sequence[Any]]] = {}
    for group, instant, invoice_id, *mark in await cursor.fetchall():
        marks.setdefault(Position(instant, Source.INVOICE, (group, invoice_id)), []).append(mark)
    return {
        position: _invoice(scope.groups[position.key[0]], position.recorded_at, position.key[1], of_invoice)
        for position, of_invoice in marks.items()
    }


def _invoice(head: GroupHead, instant: datetime, invoice_id: str, marks: Sequence[Sequence[Any]]) -> HistoryEntry:
    amounts: dict[tuple[int, str], int] = {}
    for _, month, debtor, _, _, amount in marks:
        amounts[month, debtor] = amounts.get((month, debtor), 0) + int(amount or 0)
    keys = list(dict.fromkeys(EntryKey(stretch_key, month) for stretch_key, month, *_ in marks))
    ids = tuple(key.entry_id for key in keys[:MAX_PREMIUM_ENTRIES])
    months = _in_order([MonthChange(month, Debtor(debtor), 0, owed) for (month, debtor), owed in amounts.items()])
    _, _, _, actor, currency, _ = marks[0]
    data = RecordedPremiums(invoice_id, months, currency, ids, len(keys) - len(ids))
    return _entry(Source.INVOICE, head, instant, actor, data)


def _entry(
    source: Source, head: GroupHead, instant: datetime, actor: Mapping[str, Any], data: RecordedPremiums
) -> HistoryEntry:
    microseconds = round(instant.timestamp() * 1_000_000)
    invoice = f"/{data.invoice_id}" if data.invoice_id else ""
    return HistoryEntry(
        f"{source.name}/{head.group_id}/{microseconds}{invoice}",
        instant,
        actor_from_document(dict(actor)),
        data,
        group_id=head.group_id,
        contract_id=head.key.contract_id,
    )
