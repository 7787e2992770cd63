"""Stores which member has an identifier. Each identifier belongs to at most one member."""

from collections.abc import Collection
from uuid import UUID, uuid5

from domain.errors import IdentifierTaken
from domain.members import Identifier
from storage.postgres.database import Connection
from storage.postgres.locks import Lock, lock
from storage.postgres.rows import fetch_first

_LOCK_IDS = UUID("4f6d0c4e-8a55-4b57-9d0f-2b1c7a5de913")
"""The namespace for the lock ids of identifiers. Never change it, because servers of different releases share it."""


async def replace_identifiers(
    tx: Connection, member_id: UUID, before: Collection[Identifier], after: Collection[Identifier]
) -> None:
    """Replaces the identifiers of a member, which must be locked exclusively. Raises IdentifierTaken.

    All identifiers that change are locked in a fixed order before anything is written. Calls that exchange identifiers
    of two members concurrently can't deadlock, and no unique violation writes an identifier to PostgreSQL's log.
    """
    removed, added = set(before) - set(after), sorted(set(after) - set(before))
    if not removed and not added:
        return
    await lock(tx, Lock.IDENTIFIER, *(_lock_id(identifier) for identifier in (*removed, *added)))
    if taken := await _first_taken(tx, member_id, added):
        raise taken
    await tx.execute(
        "DELETE FROM member_identifier i USING unnest(%s::text[], %s::text[]) AS removed (system, value)"
        " WHERE i.system = removed.system AND i.value = removed.value AND i.member_id = %s",
        [*_columns(removed), member_id],
    )
    await tx.execute(
        "INSERT INTO member_identifier (system, value, member_id)"
        " SELECT added.system, added.value, %s FROM unnest(%s::text[], %s::text[]) AS added (system, value)"
        " ON CONFLICT DO NOTHING",
        [member_id, *_columns(added)],
    )


async def owners_of(connection: Connection, identifiers: Collection[Identifier]) -> dict[Identifier, UUID]:
    """Returns the member to whom each identifier belongs. Identifiers that belong to nobody are left out."""
    # LIMIT makes PostgreSQL look up each identifier in the index, instead of reading the whole table.
    cursor = await connection.execute(
        "SELECT wanted.system, wanted.value, i.member_id FROM unnest(%s::text[], %s::text[]) AS wanted (system, value)"
        " CROSS JOIN LATERAL (SELECT member_id FROM member_identifier o"
        " WHERE o.system = wanted.system AND o.value = wanted.value LIMIT 1) AS i",
        _columns(identifiers),
    )
    return {Identifier(system, value): member_id for system, value, member_id in await cursor.fetchall()}


async def _first_taken(tx: Connection, member_id: UUID, identifiers: Collection[Identifier]) -> IdentifierTaken | None:
    """Returns an error for the first identifier that another member has, or None if all are free."""
    return await fetch_first(
        tx,
        IdentifierTaken,
        "SELECT i.system, i.value, i.member_id FROM unnest(%s::text[], %s::text[]) WITH ORDINALITY"
        " AS wanted (system, value, n) JOIN member_identifier i USING (system, value)"
        " WHERE i.member_id <> %s ORDER BY wanted.n LIMIT 1",
        [*_columns(identifiers), member_id],
    )


def _columns(identifiers: Collection[Identifier]) -> list[list[str]]:
    in_order = sorted(identifiers)
    return [[identifier.system for identifier in in_order], [identifier.value for identifier in in_order]]


def _lock_id(identifier: Identifier) -> UUID:
    return uuid5(_LOCK_IDS, f"{identifier.system}\0{identifier.value}")
