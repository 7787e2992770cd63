"""Writes that were answered. Storing their responses makes every write safe to repeat."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb

from domain.errors import DomainError, RequestIdReused
from storage.postgres.database import Connection
from storage.postgres.instants import NOW
from storage.postgres.locks import Lock, lock

ERASED_FINGERPRINT = b""
"""The fingerprint of a request whose contents were erased."""


@dataclass(frozen=True, slots=True)
class WriteKey:
    """What identifies a repeated write: the request id of the caller, and a fingerprint of all other fields."""

    request_id: UUID
    fingerprint: bytes


async def find_answer(tx: Connection, key: WriteKey) -> dict[str, Any] | None:
    """Returns the stored response of a write as plain JSON, or None if the write is new.

    Concurrent writes with the same id wait for each other. Raises RequestIdReused if the id belongs to a different
    request. If the contents of that request were erased, its id alone identifies it.
    """
    await lock(tx, Lock.REQUEST, key.request_id)
    found = (await answers_of(tx, [key]))[key]
    if isinstance(found, DomainError):
        raise found
    return found


async def answers_of(
    tx: Connection, keys: Sequence[WriteKey]
) -> dict[WriteKey, dict[str, Any] | RequestIdReused | None]:
    """Does the same for many writes whose ids are locked. Several can have the same id. Errors are returned."""
    cursor = await tx.execute(
        "SELECT request_id, fingerprint, answer FROM answered_request WHERE request_id = ANY(%s)",
        [[key.request_id for key in keys]],
    )
    stored = {request_id: (bytes(fingerprint), answer) for request_id, fingerprint, answer in await cursor.fetchall()}
    found: dict[WriteKey, dict[str, Any] | RequestIdReused | None] = {}
    for key in keys:
        fingerprint, answer = stored.get(key.request_id, (key.fingerprint, None))
        is_same = fingerprint in (key.fingerprint, ERASED_FINGERPRINT)
        found[key] = answer if is_same else RequestIdReused(key.request_id)
    return found


async def store_answer(tx: Connection, key: WriteKey, answer: dict[str, Any]) -> None:
    """Stores the response of a write in its transaction."""
    await tx.execute(
        f"INSERT INTO answered_request (request_id, fingerprint, answer, recorded_at) VALUES (%s, %s, %s, {NOW})",
        [key.request_id, key.fingerprint, Jsonb(answer)],
    )
