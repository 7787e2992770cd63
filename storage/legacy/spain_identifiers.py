"""Stores the ids of the users and groups of the Spanish tables, and finds or adds the users of members."""

from collections.abc import Collection, Iterable, Mapping
from typing import Any
from uuid import UUID

from domain.identity import group_id
from storage.legacy.identifiers import (
    Identifier,
    IdentifierKind,
    add_identifiers,
    derived_member_id,
    group_key,
    user_key,
    users_of_members,
)
from storage.legacy.spain_groups import COUNTRY, OF_MEMBERS, key_of
from storage.merges import aliases_of
from storage.postgres.database import Connection
from storage.postgres.rows import fetch_column

STORED_AT_A_TIME = 20_000

_WITHOUT_ID = (
    f"NOT EXISTS (SELECT FROM legacy_identifier i WHERE {key_of('MEMBER', 'i')} AND i.legacy_key = u.id::text)"
)

_USERS = (
    "SELECT u.id, CASE WHEN taken.id IS NULL THEN u.global_user_id END FROM legacy_es.es_user u"
    f" LEFT JOIN legacy_identifier taken ON {key_of('MEMBER', 'taken')} AND taken.id = u.global_user_id"
    f" WHERE {_WITHOUT_ID}"
)

_GROUPS = (
    "SELECT DISTINCT p.health_contract_id, p.owner_user_id, c.id, m.id FROM legacy_identifier c"
    " JOIN legacy_es.es_policy p ON p.health_contract_id = c.legacy_key::bigint"
    f" JOIN legacy_identifier m ON {key_of('MEMBER', 'm')} AND m.legacy_key = p.owner_user_id::text"
    f" WHERE {key_of('CONTRACT', 'c')} AND NOT EXISTS (SELECT FROM legacy_identifier g"
    f" WHERE {key_of('GROUP', 'g')} AND g.legacy_key = p.health_contract_id || '/' || p.owner_user_id)"
)

_OF_USERS = " AND (%(users)s::bigint[] IS NULL OR {user} = ANY(%(users)s)) LIMIT %(limit)s"


async def store_identifiers(tx: Connection, member_ids: Collection[UUID] | None) -> int:
    """Stores the ids of users and groups that have none yet: of all, or only of the users of some members, and of the
    groups that they own or that have rows of them.

    Returns how many were stored.
    """
    if member_ids is None:
        # All tables are read whole. Without statistics, nested loops would be chosen, which take minutes.
        await tx.execute("SET LOCAL enable_nestloop = off")
        stored = await store_users(tx, None) + await _store_groups(tx, None)
        await tx.execute("SET LOCAL enable_nestloop TO DEFAULT")
        return stored
    parameters = {"member_ids": list(member_ids)}
    users = await fetch_column(tx, int, f"WITH RECURSIVE {OF_MEMBERS} SELECT user_id FROM of_member", parameters)
    owners = await fetch_column(tx, int, f"WITH RECURSIVE {OF_MEMBERS} SELECT owner FROM head_of_member", parameters)
    return await store_users(tx, {*users, *owners}) + await _store_groups(tx, set(owners))


async def store_users(tx: Connection, users: Collection[int] | None) -> int:
    """Stores the ids of those of some users, or of all, who have none yet. Returns how many were stored.

    The id is the global id, or a derived one if the user has none or if it is the id of another user.
    """
    stored = 0
    while rows := await _rows(tx, _USERS + _OF_USERS.format(user="u.id"), users):
        added = await add_identifiers(
            tx,
            COUNTRY,
            IdentifierKind.MEMBER,
            (Identifier(user_key(user), global_id or derived_member_id(COUNTRY, user)) for user, global_id in rows),
        )
        if not added:
            break  # the rest has ids of other users
        stored += added
    return stored


async def _store_groups(tx: Connection, owners: Collection[int] | None) -> int:
    """Stores the ids of groups. A merged owner's group has the id of the remaining member's group.

    If that member owns policies as another user, the other user's group has these policies, too, and nothing is stored.
    """
    stored = 0
    while rows := await _rows(tx, _GROUPS + _OF_USERS.format(user="p.owner_user_id"), owners):
        aliases = await aliases_of(tx, (member_id for *_, member_id in rows))
        added = await add_identifiers(
            tx,
            COUNTRY,
            IdentifierKind.GROUP,
            (
                Identifier(group_key(contract, owner), group_id(contract_id, aliases.get(member_id, member_id)))
                for contract, owner, contract_id, member_id in rows
            ),
        )
        if not added:
            break  # the rest belongs to groups of other users
        stored += added
    return stored


async def _rows(tx: Connection, statement: str, users: Collection[int] | None) -> list[tuple[Any, ...]]:
    parameters = {"users": None if users is None else list(users), "limit": STORED_AT_A_TIME}
    cursor = await tx.execute(statement, parameters)
    return await cursor.fetchall()


async def users_for(tx: Connection, member_ids: Iterable[UUID]) -> dict[UUID, int]:
    """Returns a user for each member, and adds those who are missing."""
    wanted = sorted(set(member_ids))
    users = await _known_users(tx, wanted)
    if missing := [member_id for member_id in wanted if member_id not in users]:
        await tx.execute(
            "INSERT INTO legacy_es.es_user (global_user_id) SELECT * FROM unnest(%s::uuid[]) ON CONFLICT DO NOTHING",
            [missing],
        )
        await store_identifiers(tx, missing)
        users |= await _known_users(tx, missing)
    # The global ids of the others belong to users who have other ids.
    if missing := [member_id for member_id in wanted if member_id not in users]:
        added = await fetch_column(
            tx,
            int,
            "INSERT INTO legacy_es.es_user (global_user_id) SELECT NULL FROM unnest(%s::uuid[]) RETURNING id",
            [missing],
        )
        users |= dict(zip(missing, added, strict=True))
        identifiers = (Identifier(user_key(users[member_id]), member_id) for member_id in missing)
        await add_identifiers(tx, COUNTRY, IdentifierKind.MEMBER, identifiers)
    return users


async def _known_users(tx: Connection, member_ids: Collection[UUID]) -> dict[UUID, int]:
    found: Mapping[UUID, list[int]] = await users_of_members(tx, COUNTRY, member_ids)
    return {member_id: users[0] for member_id, users in found.items()}
