"""Writes that were answered: the memory that makes every write safe to repeat."""

from dataclasses import dataclass
from hashlib import blake2b
from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb

from domain.errors import RequestIdReused
from storage.database import Connection


@dataclass(frozen=True, slots=True)
class WriteKey:
    """What a repeated write is known by: the caller's request id, and a fingerprint of everything else in it."""

    request_id: UUID
    fingerprint: bytes


async def answered(tx: Connection, key: WriteKey) -> dict[str, Any] | None:
    """The remembered answer of a write (plain JSON), or None where it is new.

    Equal requests at once wait for each other. Raises RequestIdReused when the id came with another request.
    """
    await lock(tx, "request", key.request_id)
    cursor = await tx.execute(
        "SELECT fingerprint, answer FROM answered_request WHERE request_id = %s", [key.request_id]
    )
    row = await cursor.fetchone()
    if row is None:
        return None
    if bytes(row[0]) != key.fingerprint:
        raise RequestIdReused(key.request_id)
    answer: dict[str, Any] = row[1]
    return answer


async def remember(tx: Connection, key: WriteKey, answer: dict[str, Any]) -> None:
    """Remembers the answer of a write that was done in this transaction."""
    await tx.execute(
        "INSERT INTO answered_request (request_id, fingerprint, answer, recorded_at)"
        " VALUES (%s, %s, %s, clock_timestamp())",
        [key.request_id, key.fingerprint, Jsonb(answer)],
    )


async def lock(tx: Connection, kind: str, *ids: UUID, shared: bool = False) -> None:
    """Keeps others from doing the same to these things until the transaction ends, in an order that cannot deadlock.

    Advisory locks: shared ones cost no write, unlike row locks. Things of one kind whose hashes collide merely wait
    for each other.
    """
    function = "pg_advisory_xact_lock_shared" if shared else "pg_advisory_xact_lock"
    keys = sorted({lock_key(kind, thing.bytes) for thing in ids})
    await tx.execute(f"SELECT {function}(key) FROM unnest(%s::bigint[]) AS key", [keys])


def lock_key(kind: str, thing: bytes) -> int:
    """The number that stands for a thing of a kind among PostgreSQL's advisory locks."""
    digest = blake2b(thing, digest_size=8, person=kind.encode())
    return int.from_bytes(digest.digest(), "big", signed=True)
