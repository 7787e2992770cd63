"""Accumulators: balances, and the ledger of applications that makes them, only added to.

Whoever changes a policy's balances holds the lock of its row in `accumulator_policy`. Every row says which transaction
wrote it last, so that readers find what has changed: what a running transaction writes is found when it has ended.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb

from domain.days import Day, to_date, to_day
from domain.eligibility.accumulators import Applied, Usage
from storage.database import Connection

FAMILY = UUID(int=0)
_NOW = "pg_current_xact_id()::text::bigint"


@dataclass(frozen=True, slots=True)
class Application:
    """An application as it was made."""

    application_key: int
    application_id: UUID
    fingerprint: bytes
    group_id: UUID
    member_id: UUID
    service_on: date
    term: Day
    answer: Any


@dataclass(frozen=True, slots=True)
class NewApplication:
    application_id: UUID
    fingerprint: bytes
    group_id: UUID
    member_id: UUID
    service_on: date
    term: Day


async def lock_policy(tx: Connection, group_id: UUID) -> int:
    """Keeps others from changing a policy's balances until the transaction ends; answers with their new version."""
    cursor = await tx.execute(
        "INSERT INTO accumulator_policy AS p (group_id, version, changed_by)"
        f" VALUES (%s, 1, {_NOW}) ON CONFLICT (group_id) DO UPDATE SET version = p.version + 1,"
        f" changed_by = {_NOW} RETURNING version",
        [group_id],
    )
    row = await cursor.fetchone()
    assert row is not None  # noqa: S101 (an INSERT … RETURNING gives a row)
    version: int = row[0]
    return version


async def application(connection: Connection, application_id: UUID) -> Application | None:
    cursor = await connection.execute(
        "SELECT application_key, application_id, fingerprint, group_id, member_id, service_on, term_start, answer"
        " FROM accumulator_application WHERE application_id = %s",
        [application_id],
    )
    row = await cursor.fetchone()
    if row is None:
        return None
    key, its_id, fingerprint, group_id, member_id, service_on, term_start, answer = row
    return Application(key, its_id, bytes(fingerprint), group_id, member_id, service_on, to_day(term_start), answer)


async def reversal_answer(connection: Connection, application_key: int) -> Any:
    """The first answer to an application's reversal; None: it is not reversed."""
    cursor = await connection.execute(
        "SELECT answer FROM accumulator_reversal WHERE application_key = %s", [application_key]
    )
    row = await cursor.fetchone()
    return row[0] if row else None


async def usage_of(connection: Connection, group_id: UUID, member_id: UUID, term: Day) -> dict[str, Usage]:
    """What is used within a term, which is named by its first day, by code."""
    cursor = await connection.execute(
        "SELECT code, member_id, used FROM accumulator_balance WHERE group_id = %s AND term_start = %s"
        " AND member_id IN (%s, %s)",
        [group_id, to_date(term), member_id, FAMILY],
    )
    own: dict[str, int] = {}
    family: dict[str, int] = {}
    for code, whose, used in await cursor.fetchall():
        (family if whose == FAMILY else own)[code] = used
    return {code: Usage(own.get(code, 0), family.get(code, 0)) for code in own.keys() | family.keys()}


async def add_application(tx: Connection, new: NewApplication, applied: Sequence[Applied], answer: Any) -> None:
    """Adds an application to the ledger, and to the balances."""
    cursor = await tx.execute(
        "INSERT INTO accumulator_application (application_id, fingerprint, group_id, member_id, service_on,"
        " term_start, answer, recorded_at) VALUES (%s, %s, %s, %s, %s, %s, %s, clock_timestamp())"
        " RETURNING application_key",
        [
            new.application_id,
            new.fingerprint,
            new.group_id,
            new.member_id,
            new.service_on,
            to_date(new.term),
            Jsonb(answer),
        ],
    )
    row = await cursor.fetchone()
    assert row is not None  # noqa: S101 (an INSERT … RETURNING gives a row)
    await _add_entries(
        tx,
        [
            (row[0], None, a.asked.code, a.asked.amount, a.applied, a.accumulator.usage.individual,
             a.accumulator.usage.family)
            for a in applied
        ],
    )  # fmt: skip
    after = {a.asked.code: a.accumulator.usage for a in applied if a.applied}
    await _set_balances(tx, new.group_id, new.member_id, new.term, after)


async def _add_entries(tx: Connection, entries: Iterable[Sequence[Any]]) -> None:
    async with tx.cursor() as cursor:
        await cursor.executemany(
            "INSERT INTO accumulator_entry (application_key, reverses, code, asked, applied, individual_used,"
            " family_used) VALUES (%s, %s, %s, %s, %s, %s, %s)",
            entries,
        )


async def _set_balances(tx: Connection, group_id: UUID, member_id: UUID, term: Day, usage: Mapping[str, Usage]) -> None:
    rows = [(code, member_id, each.individual) for code, each in usage.items()]
    rows += [(code, FAMILY, each.family) for code, each in usage.items()]
    await tx.execute(
        "INSERT INTO accumulator_balance (group_id, term_start, code, member_id, used, changed_by)"
        f" SELECT %s, %s, b.code, b.member_id, b.used, {_NOW}"
        " FROM unnest(%s::text[], %s::uuid[], %s::bigint[]) AS b(code, member_id, used)"
        " ON CONFLICT (group_id, term_start, code, member_id)"
        " DO UPDATE SET used = excluded.used, changed_by = excluded.changed_by",
        [group_id, to_date(term), [row[0] for row in rows], [row[1] for row in rows], [row[2] for row in rows]],
    )


@dataclass(frozen=True, slots=True)
class Entry:
    """What an application did to one code."""

    entry_key: int
    code: str
    asked: int
    applied: int


async def entries_of(connection: Connection, application_key: int) -> list[Entry]:
    """What an application did, in order; its reversal is not told."""
    cursor = await connection.execute(
        "SELECT entry_key, code, asked, applied FROM accumulator_entry WHERE application_key = %s"
        " AND reverses IS NULL ORDER BY entry_key",
        [application_key],
    )
    return [Entry(*row) for row in await cursor.fetchall()]


async def add_reversal(
    tx: Connection, of: Application, entries: Sequence[Entry], usage: Mapping[str, Usage], answer: Any
) -> None:
    """Adds a reversal to the ledger; `usage` is what is used after it, by code."""
    await tx.execute(
        "INSERT INTO accumulator_reversal (application_key, answer, recorded_at) VALUES (%s, %s, clock_timestamp())",
        [of.application_key, Jsonb(answer)],
    )
    await _add_entries(
        tx,
        [
            (of.application_key, e.entry_key, e.code, 0, -e.applied, usage[e.code].individual, usage[e.code].family)
            for e in entries
        ],
    )
    touched = {e.code: usage[e.code] for e in entries if e.applied}
    await _set_balances(tx, of.group_id, of.member_id, of.term, touched)


@dataclass(frozen=True, slots=True)
class Excess:
    """A live application of which something could not be applied."""

    application_id: UUID
    member_id: UUID
    service_on: date
    code: str
    excess: int


async def later_excesses(connection: Connection, of: Application, codes: Sequence[str]) -> list[Excess]:
    """Later live applications of a policy and term with an excess of some codes, in order."""
    cursor = await connection.execute(
        "SELECT a.application_id, a.member_id, a.service_on, e.code, e.asked - e.applied FROM accumulator_application a"
        " JOIN accumulator_entry e USING (application_key) LEFT JOIN accumulator_reversal r USING (application_key)"
        " WHERE a.group_id = %s AND a.term_start = %s AND a.application_key > %s AND e.code = ANY(%s)"
        " AND e.reverses IS NULL AND e.asked > e.applied AND r.application_key IS NULL ORDER BY e.entry_key",
        [of.group_id, to_date(of.term), of.application_key, list(codes)],
    )
    return [Excess(*row) for row in await cursor.fetchall()]


# -------------------------------------------------------------------------------------------------- lists


@dataclass(frozen=True, slots=True)
class LedgerLine:
    """A line of the ledger: what an application did to a code, or what its reversal did."""

    entry_key: int
    application_id: UUID
    group_id: UUID
    member_id: UUID
    service_on: date
    term_start: date
    code: str
    asked: int
    applied: int
    individual_used: int
    family_used: int
    is_reversal: bool
    is_reversed: bool
    is_orphaned: bool
    recorded_at: datetime


async def list_lines(
    connection: Connection,
    group_id: UUID | None,
    member_id: UUID | None,
    *,
    orphaned_only: bool,
    after: int,
    limit: int,
) -> list[LedgerLine]:
    """Lines of a policy or a member (exactly one) after a key, in order. Orphaned is an application that was not
    reversed, and whose member the projection does not cover on the service date."""
    orphaned = (
        "(r.application_key IS NULL AND NOT EXISTS"
        " (SELECT FROM coverage_run c JOIN projection_checkpoints k USING (generation) WHERE k.name = 'coverage'"
        " AND c.group_id = a.group_id AND c.member_id = a.member_id AND c.days @> a.service_on))"
    )
    owner = "a.group_id" if group_id else "a.member_id"
    cursor = await connection.execute(
        "SELECT e.entry_key, a.application_id, a.group_id, a.member_id, a.service_on, a.term_start, e.code, e.asked,"
        " e.applied, e.individual_used, e.family_used, e.reverses IS NOT NULL, r.application_key IS NOT NULL,"
        f" {orphaned},"
        " CASE WHEN e.reverses IS NULL THEN a.recorded_at ELSE r.recorded_at END"
        " FROM accumulator_application a JOIN accumulator_entry e USING (application_key)"
        " LEFT JOIN accumulator_reversal r USING (application_key)"
        f" WHERE {owner} = %s AND e.entry_key > %s AND (NOT %s OR {orphaned}) ORDER BY e.entry_key LIMIT %s",
        [group_id or member_id, after, orphaned_only, limit],
    )
    return [LedgerLine(*row) for row in await cursor.fetchall()]


@dataclass(frozen=True, slots=True)
class Balance:
    """What is used of a code within a term; `member_id` FAMILY: by all."""

    group_id: UUID
    term_start: date
    code: str
    member_id: UUID
    used: int


async def list_balances(
    connection: Connection, group_id: UUID, after: tuple[str, str, str] | None, limit: int
) -> list[Balance]:
    """A policy's balances in order of term, code and member, beginning after one."""
    term, code, member = after or ("0001-01-01", "", str(FAMILY))
    cursor = await connection.execute(
        "SELECT group_id, term_start, code, member_id, used FROM accumulator_balance WHERE group_id = %s"
        " AND (term_start, code, member_id) > (%s::date, %s, %s::uuid)"
        " ORDER BY term_start, code, member_id LIMIT %s",
        [group_id, term, code, member, limit],
    )
    return [Balance(*row) for row in await cursor.fetchall()]


# -------------------------------------------------------------------------------------------------- followed


@dataclass(frozen=True, slots=True)
class Changes:
    """What was written since some transaction; `until`: what is to be asked for next time."""

    balances: Sequence[Balance]
    versions: Sequence[tuple[UUID, int]]
    until: int


async def changed_since(connection: Connection, transaction: int) -> Changes:
    """Balances and versions that were written by a transaction or later ones, in one snapshot. Some of it may have been
    told before."""
    cursor = await connection.execute(
        "SELECT group_id, term_start, code, member_id, used FROM accumulator_balance WHERE changed_by >= %s",
        [transaction],
    )
    balances = [Balance(*row) for row in await cursor.fetchall()]
    cursor = await connection.execute(
        "SELECT group_id, version FROM accumulator_policy WHERE changed_by >= %s", [transaction]
    )
    versions = [(row[0], row[1]) for row in await cursor.fetchall()]
    return Changes(balances, versions, await present_transaction(connection))


async def present_transaction(connection: Connection) -> int:
    """From which transaction on `changed_since` tells everything that a reader that begins now might not see."""
    cursor = await connection.execute("SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint")
    row = await cursor.fetchone()
    assert row is not None  # noqa: S101 (there is always a snapshot)
    transaction: int = row[0]
    return transaction


async def balances_page(connection: Connection, after: Balance | None, limit: int) -> list[Balance]:
    """All balances in an order of their own, beginning after one."""
    place = (after.group_id, after.term_start, after.code, after.member_id) if after else None
    cursor = await connection.execute(
        "SELECT group_id, term_start, code, member_id, used FROM accumulator_balance"
        " WHERE (group_id, term_start, code, member_id) > (%s, %s, %s, %s)"
        " ORDER BY group_id, term_start, code, member_id LIMIT %s",
        [*(place or (FAMILY, date.min, "", FAMILY)), limit],
    )
    return [Balance(*row) for row in await cursor.fetchall()]


async def versions_page(connection: Connection, after: UUID, limit: int) -> list[tuple[UUID, int]]:
    """The versions of all policies' usage, in order of id, beginning after one."""
    cursor = await connection.execute(
        "SELECT group_id, version FROM accumulator_policy WHERE group_id > %s ORDER BY group_id LIMIT %s",
        [after, limit],
    )
    return [(row[0], row[1]) for row in await cursor.fetchall()]
