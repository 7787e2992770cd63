"""Accumulators: the append-only ledger of applications and reversals, and the balances that follow from it.

Applications of a member who was merged into another one stay as they were recorded. They count towards the usage of the
member into whom they were merged, and can be reversed as before.

A transaction that changes the balances of a policy locks its row in `accumulator_policy` and names the policy in the
write log (`storage/history.py`), where readers find out what has changed.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb

from domain.actors import Actor
from domain.days import Day, to_date, to_day
from domain.eligibility.accumulators import Applied, Usage
from storage.merges import aliases_of, merged_into
from storage.postgres.database import Connection
from storage.postgres.documents import Document, actor_from_document, actor_to_document
from storage.postgres.instants import NOW
from storage.postgres.rows import fetch_all, fetch_column, fetch_first, fetch_value, insert_rows

FAMILY = UUID(int=0)


@dataclass(frozen=True, slots=True)
class Application:
    """A stored application. `answer` is its first response."""

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
    """An application to store. `actor` applied the amounts."""

    application_id: UUID
    fingerprint: bytes
    group_id: UUID
    member_id: UUID
    service_on: date
    term: Day
    actor: Actor


async def lock_policy(tx: Connection, group_id: UUID) -> None:
    """Locks the balances of a policy until the transaction ends."""
    await tx.execute(
        "INSERT INTO accumulator_policy AS p (group_id, version) VALUES (%s, 1)"
        " ON CONFLICT (group_id) DO UPDATE SET version = p.version + 1",
        [group_id],
    )


async def application(connection: Connection, application_id: UUID) -> Application | None:
    """Returns an application, or None if there is none."""
    return await fetch_first(
        connection,
        _application,
        "SELECT application_key, application_id, fingerprint, group_id, member_id, service_on, term_start, answer"
        " FROM accumulator_application WHERE application_id = %s",
        [application_id],
    )


def _application(*, fingerprint: bytes, term_start: date, **columns: Any) -> Application:
    return Application(fingerprint=bytes(fingerprint), term=to_day(term_start), **columns)


@dataclass(frozen=True, slots=True)
class Reversal:
    """A stored reversal. `answer` is the response to the first call, and `actor` made the reversal."""

    answer: Any
    actor: Actor


async def reversal(connection: Connection, application_key: int) -> Reversal | None:
    """Returns the reversal of an application, or None if it is not reversed."""
    return await fetch_first(
        connection,
        _reversal,
        "SELECT answer, actor FROM accumulator_reversal WHERE application_key = %s",
        [application_key],
    )


def _reversal(*, answer: Any, actor: Document) -> Reversal:
    return Reversal(answer, actor_from_document(actor))


async def usage_of(connection: Connection, group_id: UUID, member_id: UUID, term: Day) -> dict[str, Usage]:
    """Returns what is used within a term, by code. The term is identified by its first day."""
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
    """Adds an application to the ledger and to the balances."""
    application_key = await fetch_value(
        tx,
        int,
        "INSERT INTO accumulator_application (application_id, fingerprint, group_id, member_id, service_on,"
        f" term_start, answer, recorded_at, actor) VALUES (%s, %s, %s, %s, %s, %s, %s, {NOW}, %s)"
        " RETURNING application_key",
        [
            new.application_id,
            new.fingerprint,
            new.group_id,
            new.member_id,
            new.service_on,
            to_date(new.term),
            Jsonb(answer),
            Jsonb(actor_to_document(new.actor)),
        ],
    )
    await _add_entries(
        tx,
        [
            (application_key, None, a.asked.code, a.asked.amount, a.applied, a.accumulator.usage.individual,
             a.accumulator.usage.family)
            for a in applied
        ],
    )  # fmt: skip
    after = {a.asked.code: a.accumulator.usage for a in applied if a.applied}
    await _set_balances(tx, new.group_id, new.member_id, new.term, after)


async def _add_entries(tx: Connection, entries: Iterable[Sequence[Any]]) -> None:
    await insert_rows(
        tx,
        "accumulator_entry (application_key, reverses, code, asked, applied, individual_used, family_used)",
        "(%s, %s, %s, %s, %s, %s, %s)",
        entries,
    )


async def _set_balances(tx: Connection, group_id: UUID, member_id: UUID, term: Day, usage: Mapping[str, Usage]) -> None:
    rows = [(code, member_id, each.individual) for code, each in usage.items()]
    rows += [(code, FAMILY, each.family) for code, each in usage.items()]
    await tx.execute(
        "INSERT INTO accumulator_balance (group_id, term_start, code, member_id, used)"
        " SELECT %s, %s, b.code, b.member_id, b.used"
        " FROM unnest(%s::text[], %s::uuid[], %s::bigint[]) AS b(code, member_id, used)"
        " ON CONFLICT (group_id, term_start, code, member_id)"
        " DO UPDATE SET used = excluded.used",
        [group_id, to_date(term), [row[0] for row in rows], [row[1] for row in rows], [row[2] for row in rows]],
    )


@dataclass(frozen=True, slots=True)
class Entry:
    """The effect of an application on one code."""

    entry_key: int
    code: str
    asked: int
    applied: int


async def entries_of(connection: Connection, application_key: int) -> list[Entry]:
    """Returns the effects of an application in order, without those of its reversal."""
    return await fetch_all(
        connection,
        Entry,
        "SELECT entry_key, code, asked, applied FROM accumulator_entry WHERE application_key = %s"
        " AND reverses IS NULL ORDER BY entry_key",
        [application_key],
    )


async def add_reversal(
    tx: Connection, of: Application, entries: Sequence[Entry], usage: Mapping[str, Usage], new: Reversal
) -> None:
    """Adds a reversal to the ledger. `usage` is what is used after it, by code."""
    await tx.execute(
        "INSERT INTO accumulator_reversal (application_key, answer, recorded_at, actor, group_id)"
        f" VALUES (%s, %s, {NOW}, %s, %s)",
        [of.application_key, Jsonb(new.answer), Jsonb(actor_to_document(new.actor)), of.group_id],
    )
    await _add_entries(
        tx,
        [
            (of.application_key, e.entry_key, e.code, 0, -e.applied, usage[e.code].individual, usage[e.code].family)
            for e in entries
        ],
    )
    changed = {e.code: usage[e.code] for e in entries if e.applied}
    await _set_balances(tx, of.group_id, of.member_id, of.term, changed)


@dataclass(frozen=True, slots=True)
class Excess:
    """An application in force that was not applied in full."""

    application_id: UUID
    member_id: UUID
    service_on: date
    code: str
    excess: int


async def later_excesses(connection: Connection, of: Application, codes: Sequence[str]) -> list[Excess]:
    """Returns, in order, the excesses of later applications that are in force, for some codes of the same policy and
    term."""
    return await fetch_all(
        connection,
        Excess,
        "SELECT a.application_id, a.member_id, a.service_on, e.code, e.asked - e.applied AS excess"
        " FROM accumulator_application a"
        " JOIN accumulator_entry e USING (application_key) LEFT JOIN accumulator_reversal r USING (application_key)"
        " WHERE a.group_id = %s AND a.term_start = %s AND a.application_key > %s AND e.code = ANY(%s)"
        " AND e.reverses IS NULL AND e.asked > e.applied AND r.application_key IS NULL ORDER BY e.entry_key",
        [of.group_id, to_date(of.term), of.application_key, list(codes)],
    )


# -------------------------------------------------------------------------------------------------- merges


@dataclass(frozen=True, slots=True)
class MovedUsage:
    """The usage of a code within a term after a merge, and the last service date of the applications in force."""

    group_id: UUID
    term: Day
    code: str
    used: int
    last_service_on: date


async def move_usage(tx: Connection, from_member_id: UUID, into_member_id: UUID) -> list[MovedUsage]:
    """Moves all usage of a member to another one, in the same policies and terms, even above a limit.

    Family usage doesn't change. Both members must be locked exclusively. Returns the usage of `into_member_id` wherever
    it has changed, in order of policy, term and code. Must be called before the merge is stored.
    """
    moved = [from_member_id, *await merged_into(tx, from_member_id)]
    others = [into_member_id, *await merged_into(tx, into_member_id)]
    statement = "SELECT DISTINCT group_id FROM accumulator_application WHERE member_id = ANY(%s) ORDER BY group_id"
    policies = await fetch_column(tx, UUID, statement, [moved])
    for group_id in policies:
        await lock_policy(tx, group_id)
    named = {"from": from_member_id, "into": into_member_id, "policies": policies, "members": moved + others}
    # The rows are inserted in one statement with the snapshot in which the old balances aren't 0 yet.
    return await fetch_all(
        tx,
        _moved_usage,
        "WITH old AS MATERIALIZED (SELECT group_id, term_start, code, used FROM accumulator_balance"
        " WHERE group_id = ANY(%(policies)s) AND member_id = %(from)s AND used > 0),"
        " emptied AS (UPDATE accumulator_balance b SET used = 0 FROM old"
        " WHERE (b.group_id, b.term_start, b.code) = (old.group_id, old.term_start, old.code)"
        " AND b.member_id = %(from)s),"
        " moved AS (INSERT INTO accumulator_balance (group_id, term_start, code, member_id, used)"
        " SELECT group_id, term_start, code, %(into)s, used FROM old"
        " ON CONFLICT (group_id, term_start, code, member_id)"
        " DO UPDATE SET used = accumulator_balance.used + excluded.used RETURNING group_id, term_start, code, used)"
        " SELECT m.*, (SELECT max(a.service_on) FROM accumulator_application a JOIN accumulator_entry e"
        " USING (application_key) LEFT JOIN accumulator_reversal r USING (application_key)"
        " WHERE a.group_id = m.group_id AND a.term_start = m.term_start AND a.member_id = ANY(%(members)s)"
        " AND e.code = m.code AND e.reverses IS NULL AND r.application_key IS NULL) AS last_service_on"
        " FROM moved m ORDER BY group_id, term_start, code",
        named,
    )


def _moved_usage(*, term_start: date, **columns: Any) -> MovedUsage:
    return MovedUsage(term=to_day(term_start), **columns)


# -------------------------------------------------------------------------------------------------- lists


@dataclass(frozen=True, slots=True)
class LedgerLine:
    """A line of the ledger: the effect on one code of an application, or of its reversal."""

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
    actor: Actor


def _ledger_line(*, actor: Document, **columns: Any) -> LedgerLine:
    return LedgerLine(actor=actor_from_document(actor), **columns)


async def list_lines(
    connection: Connection,
    group_id: UUID | None,
    member_id: UUID | None,
    *,
    orphaned_only: bool,
    after: int,
    limit: int,
) -> list[LedgerLine]:
    """Returns the lines of a policy or of a member (exactly one of them) after a key, in order.

    Lines of merged members have the id of the member into whom they were merged. An application is orphaned if it is
    not reversed and its member is no longer covered on the service date.
    """
    aliases: Mapping[UUID, UUID]
    if member_id is not None:
        aliases = dict.fromkeys(await merged_into(connection, member_id), member_id)
    else:
        statement = (
            "SELECT DISTINCT a.member_id FROM accumulator_application a JOIN member_merge m"
            " ON m.from_member_id = a.member_id WHERE a.group_id = %s"
        )
        aliases = await aliases_of(connection, await fetch_column(connection, UUID, statement, [group_id]))
    orphaned = (
        "(r.application_key IS NULL AND NOT EXISTS"
        " (SELECT FROM coverage_run c JOIN projection_checkpoints k USING (generation) WHERE k.name = 'coverage'"
        " AND c.group_id = a.group_id AND c.member_id = coalesce(m.into_member_id, a.member_id)"
        " AND c.days @> a.service_on))"
    )
    owner = "a.group_id" if group_id else "a.member_id"
    owners = [group_id] if group_id else [member_id, *aliases]
    return await fetch_all(
        connection,
        _ledger_line,
        "SELECT e.entry_key, a.application_id, a.group_id, coalesce(m.into_member_id, a.member_id) AS member_id,"
        " a.service_on, a.term_start, e.code, e.asked,"
        " e.applied, e.individual_used, e.family_used, e.reverses IS NOT NULL AS is_reversal,"
        f" r.application_key IS NOT NULL AS is_reversed, {orphaned} AS is_orphaned,"
        " CASE WHEN e.reverses IS NULL THEN a.recorded_at ELSE r.recorded_at END AS recorded_at,"
        " CASE WHEN e.reverses IS NULL THEN a.actor ELSE r.actor END AS actor"
        " FROM accumulator_application a JOIN accumulator_entry e USING (application_key)"
        " LEFT JOIN accumulator_reversal r USING (application_key)"
        " LEFT JOIN unnest(%s::uuid[], %s::uuid[]) AS m (from_member_id, into_member_id)"
        " ON m.from_member_id = a.member_id"
        f" WHERE {owner} = ANY(%s::uuid[]) AND e.entry_key > %s AND (NOT %s OR {orphaned})"
        " ORDER BY e.entry_key LIMIT %s",
        [list(aliases), list(aliases.values()), owners, after, orphaned_only, limit],
    )


@dataclass(frozen=True, slots=True)
class Balance:
    """What is used of a code within a term, by a member or, with `member_id` FAMILY, by all members."""

    group_id: UUID
    term_start: date
    code: str
    member_id: UUID
    used: int


async def list_balances(
    connection: Connection, group_id: UUID, after: tuple[str, str, str] | None, limit: int
) -> list[Balance]:
    """Returns the balances of a policy in order of term, code and member, starting after a given one."""
    term, code, member = after or ("0001-01-01", "", str(FAMILY))
    return await fetch_all(
        connection,
        Balance,
        "SELECT group_id, term_start, code, member_id, used FROM accumulator_balance WHERE group_id = %s"
        " AND (term_start, code, member_id) > (%s::date, %s, %s::uuid)"
        " ORDER BY term_start, code, member_id LIMIT %s",
        [group_id, term, code, member, limit],
    )


# -------------------------------------------------------------------------------------------------- for caches


async def balances_of(connection: Connection, group_ids: Collection[UUID]) -> list[Balance]:
    """Returns all balances of some policies."""
    return await fetch_all(
        connection,
        Balance,
        "SELECT group_id, term_start, code, member_id, used FROM accumulator_balance WHERE group_id = ANY(%s)",
        [list(group_ids)],
    )
