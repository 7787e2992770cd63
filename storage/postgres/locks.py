"""Advisory locks: every kind that is in use, and the functions that take them.

Row locks are not listed here. ARCHITECTURE.md describes the order in which a transaction takes all of its locks.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from hashlib import blake2b
from typing import Any, LiteralString
from uuid import UUID

import psycopg

NIL = UUID(int=0)
"""The id to lock for a kind of which there is only one thing."""

MIGRATION_LOCK = 0x6166_6669
"""Held by the one server that migrates the schema."""


class Lock(StrEnum):
    """What a transaction can lock. Servers of several releases share a database, so never change a value."""

    REQUEST = "request"
    """A write, by its request_id. Concurrent writes with the same id wait for each other."""
    CONTRACT = "contract"
    """A contract: shared by transactions that read it to decide, exclusive for those that amend it."""
    MEMBER = "member"
    """A member's facts: shared by transactions that read them to decide, exclusive for those that record them."""
    IDENTIFIER = "identifier"
    """An identifier that is assigned to a member or removed from one."""
    REMOVAL = "removal"
    """The removal of members' periods (`NIL`): shared by writers of coverage, exclusive for erasures."""
    APPLICATION = "application"
    """An application to accumulators, or its reversal."""
    PREMIUM_ENTRY = "premium_entry"
    """An entry of the premium ledger that is being marked as invoiced."""
    FOLLOWING = "following"
    """Whether the premiums of a contract follow its enrollments."""
    MIGRATION_STAGE = "migration_stage"
    """The stage of a country: shared by transactions that depend on it, exclusive for those that change it."""
    SERVED_COVERAGE = "coverage-swap"
    """Which generation of the coverage projection is served (`NIL`)."""


async def lock(tx: psycopg.AsyncConnection[Any], kind: Lock, *ids: UUID, shared: bool = False) -> None:
    """Locks things of one kind until the transaction ends, in an order that cannot deadlock.

    Advisory locks are used because a shared one costs no write, unlike a shared row lock. Two things whose hashes
    collide share one lock, which costs a wait but is otherwise harmless.
    """
    function = "pg_advisory_xact_lock_shared" if shared else "pg_advisory_xact_lock"
    keys = sorted({lock_key(kind, each) for each in ids})
    await tx.execute(f"SELECT {function}(key) FROM unnest(%s::bigint[]) AS key", [keys])


@dataclass(slots=True)
class DecisionLocks:
    """The locks of a transaction that decides about groups: exclusive for its requests, shared for everything else.

    Nothing is locked twice. Without `wait`, anything that another transaction has locked is busy instead.
    """

    tx: psycopg.AsyncConnection[Any]
    wait: bool = True
    _locked: dict[tuple[Lock, UUID], bool] = field(default_factory=dict)
    """Whether each thing is locked; otherwise, it is busy."""

    async def take(self, things: Mapping[Lock, Iterable[UUID]]) -> bool:
        """Locks things with one statement, in the order of their kinds. Returns whether any of them are new."""
        new = {(kind, each): lock_key(kind, each) for kind, ids in things.items() for each in ids}
        new = {thing: key for thing, key in new.items() if thing not in self._locked}
        if not new:
            return False
        kinds = list(things)
        wanted = sorted({(kinds.index(kind), key, kind is not Lock.REQUEST) for (kind, _), key in new.items()})
        _, keys, are_shared = zip(*wanted, strict=True)
        cursor = await self.tx.execute(_LOCK if self.wait else _TRY_LOCK, [list(keys), list(are_shared)])
        locked = {key for key, *_ in await cursor.fetchall()}
        self._locked |= {thing: key in locked for thing, key in new.items()}
        return True

    def busy(self, kind: Lock, ids: Iterable[UUID]) -> set[UUID]:
        """Returns those that other transactions have locked. Requires that they were taken before."""
        return {each for each in ids if not self._locked[kind, each]}


_LOCK: LiteralString = (
    "SELECT key, CASE WHEN is_shared THEN pg_advisory_xact_lock_shared(key) ELSE pg_advisory_xact_lock(key) END"
    " FROM unnest(%s::bigint[], %s::boolean[]) AS k(key, is_shared)"
)
_TRY_LOCK: LiteralString = (
    "SELECT key FROM unnest(%s::bigint[], %s::boolean[]) AS k(key, is_shared) WHERE"
    " CASE WHEN is_shared THEN pg_try_advisory_xact_lock_shared(key) ELSE pg_try_advisory_xact_lock(key) END"
)


def lock_key(kind: Lock, thing: UUID) -> int:
    """Returns the number with which PostgreSQL locks a thing."""
    digest = blake2b(thing.bytes, digest_size=8, person=kind.value.encode())
    return int.from_bytes(digest.digest(), "big", signed=True)


def try_migration_lock(connection: psycopg.Connection) -> bool:
    """Takes the lock for migrations, if it is free, for the rest of the session. Returns whether it did."""
    row = connection.execute("SELECT pg_try_advisory_lock(%s)", [MIGRATION_LOCK]).fetchone()
    return bool(row and row[0])
