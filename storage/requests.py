"""Writes that were answered. Storing their responses makes every write safe to repeat."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb

from domain.errors import RequestIdReused
from storage.postgres.database import Connection
from storage.postgres.instants import NOW
from storage.postgres.locks import Lock, lock
from storage.postgres.rows import fetch_first

ERASED_FINGERPRINT = b""
"""The fingerprint of a request whose contents were erased."""


@dataclass(frozen=True, slots=True)
class WriteKey:
    """What identifies a repeated write: the request id of the caller, and a fingerprint of all other fields."""

    request_id: UUID
    fingerprint: bytes


@dataclass(frozen=True, slots=True)
class _Stored:
    fingerprint: bytes
    answer: dict[str, Any]


async def find_answer(tx: Connection, key: WriteKey) -> dict[str, Any] | None:
    """Returns the stored response of a write as plain JSON, or None if the write is new.

    Concurrent writes with the same id wait for each other. Raises RequestIdReused if the id belongs to a different
    request. If the contents of that request were erased, its id alone identifies it.
    """
    await lock(tx, Lock.REQUEST, key.request_id)
    statement = "SELECT fingerprint, answer FROM answered_request WHERE request_id = %s"
    stored = await fetch_first(tx, _Stored, statement, [key.request_id])
    if stored is None:
        return None
    if bytes(stored.fingerprint) not in (key.fingerprint, ERASED_FINGERPRINT):
        raise RequestIdReused(key.request_id)
    return stored.answer


async def store_answer(tx: Connection, key: WriteKey, answer: dict[str, Any]) -> None:
    """Stores the response of a write in its transaction."""
    await tx.execute(
        f"INSERT INTO answered_request (request_id, fingerprint, answer, recorded_at) VALUES (%s, %s, %s, {NOW})",
        [key.request_id, key.fingerprint, Jsonb(answer)],
    )
