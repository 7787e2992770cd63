"""Erasures. A function of the tables' owner does them and numbers them, and every running server detects them.

Before a server reads anything that it caches, it registers in `server_memory`. There it stores the number of the last
erasure for which it has cleared its caches, so the erasing server knows which others could still return erased data.
"""

from collections.abc import AsyncGenerator, Collection
from dataclasses import dataclass
from datetime import date
from uuid import UUID

import psycopg
from psycopg.types.json import Jsonb

from domain.actors import Actor
from domain.errors import MemberStillCovered, PeriodsInUse
from storage.postgres.database import Connection
from storage.postgres.documents import actor_to_document
from storage.postgres.locks import NIL, Lock, lock
from storage.postgres.notifications import notified
from storage.postgres.rows import fetch_column, fetch_value
from storage.postgres.sessions import ERASURES

CHANNEL = "affilia_erasure"
"""The channel on which PostgreSQL announces erasures. The function `erase_member` uses the same name."""


@dataclass(frozen=True, slots=True)
class MadeBy:
    """The call that erases a member, and its actor."""

    call_id: str
    actor: Actor


async def erase(tx: Connection, member_id: UUID, on: date, made_by: MadeBy, *, keep_periods: bool) -> int:
    """Erases all personal data from every state of a member and from the requests that name the member. If
    `keep_periods` is false, also removes the member's periods. Returns the number of the erasure.

    The member must be locked exclusively. The function in the database runs with the rights of the tables' owner,
    checks the state again and adds an audit entry. Raises MemberStillCovered, PeriodsInUse.
    """
    if not keep_periods:
        await lock(tx, Lock.REMOVAL, NIL)
    try:
        return await fetch_value(
            tx,
            int,
            "SELECT erase_member(%s, %s, %s, %s, %s)",
            [member_id, on, not keep_periods, made_by.call_id, Jsonb(actor_to_document(made_by.actor))],
        )
    except psycopg.errors.RestrictViolation as covered:
        raise MemberStillCovered(member_id, UUID(covered.diag.message_detail or "")) from covered
    except psycopg.errors.CheckViolation as in_use:
        raise PeriodsInUse(member_id) from in_use


async def removed_among(tx: Connection, member_ids: Collection[UUID]) -> set[UUID]:
    """Returns those of some members whose periods were removed. No other periods are removed until the transaction
    ends."""
    await lock(tx, Lock.REMOVAL, NIL, shared=True)
    statement = "SELECT member_id FROM erasure WHERE periods_removed AND member_id = ANY(%s)"
    return set(await fetch_column(tx, UUID, statement, [list(member_ids)]))


@dataclass(frozen=True, slots=True)
class Removal:
    """The removal of a member's periods from a group, and the day on which the member was erased."""

    member_id: UUID
    erased_on: date


async def last_removals(connection: Connection, group_keys: Collection[int]) -> dict[int, Removal]:
    """Returns the last removal of periods for each group. Groups without one are omitted."""
    cursor = await connection.execute(
        "SELECT DISTINCT ON (m.group_key) m.group_key, e.member_id, e.erased_on"
        " FROM group_member m JOIN erasure e USING (member_id)"
        " WHERE e.periods_removed AND m.group_key = ANY(%s) ORDER BY m.group_key, e.erased_on DESC",
        [list(group_keys)],
    )
    return {group_key: Removal(member_id, on) for group_key, member_id, on in await cursor.fetchall()}


@dataclass(frozen=True, slots=True)
class ErasureHead:
    """The number of the last erasure (0 if there is none), and all members whose periods were removed."""

    number: int
    without_periods: frozenset[UUID]


async def read_head(connection: Connection, known_number: int) -> ErasureHead | None:
    """Returns the current head, or None if its number is still `known_number`."""
    number = await fetch_value(connection, int, "SELECT coalesce(max(number), 0) FROM erasure")
    if number == known_number:
        return None
    removed = await fetch_column(connection, UUID, "SELECT DISTINCT member_id FROM erasure WHERE periods_removed")
    return ErasureHead(number, frozenset(removed))


async def record_cleared_caches(connection: Connection, server_id: UUID, number: int) -> None:
    """Stores that a server is running, and that its caches have nothing that was erased up to a number."""
    await connection.execute(
        "INSERT INTO server_memory (server_id, erasure_number, seen_at) VALUES (%s, %s, clock_timestamp())"
        " ON CONFLICT (server_id) DO UPDATE SET erasure_number = excluded.erasure_number, seen_at = excluded.seen_at",
        [server_id, number],
    )


async def remove_lost_servers(connection: Connection) -> None:
    """Deletes servers that have not been seen for an hour."""
    await connection.execute("DELETE FROM server_memory WHERE seen_at < clock_timestamp() - interval '1 hour'")


async def count_servers_with_old_caches(connection: Connection, number: int, lease_seconds: float) -> int:
    """Returns how many servers were seen in the last `lease_seconds` and can still have an erasure in their caches."""
    return await fetch_value(
        connection,
        int,
        "SELECT count(*) FROM server_memory WHERE erasure_number < %s"
        " AND seen_at > clock_timestamp() - make_interval(secs => %s)",
        [number, lease_seconds],
    )


def changes(url: str, poll_seconds: float) -> AsyncGenerator[Connection]:
    """Yields a connection immediately, then at every erasure, and at least every `poll_seconds`.

    Raises DatabaseUnavailable when the connection is lost.
    """
    return notified(url, ERASURES, CHANNEL, poll_seconds)
