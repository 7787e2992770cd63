"""The legacy source of Spain: the tables of the schema `legacy_es`, declared in `spain_tables.sql`.

`spain_guard.sql` has the triggers that let only the servers write from the stage READ_CORE on.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from uuid import UUID

from domain.enrollment.decisions import GroupKey
from domain.identity import group_id
from domain.migration.legacy import LegacyGroup
from domain.migration.writing_back import RowChange
from storage.legacy.identifiers import (
    Identifier,
    IdentifierKind,
    add_identifiers,
    group_key,
    mapped_contract,
    stored_groups,
)
from storage.legacy.ordinals import contract_days, ordinal
from storage.legacy.source import LegacyContract
from storage.legacy.spain_groups import COUNTRY, OF_MEMBERS, key_of, load_by_id, load_by_member
from storage.legacy.spain_identifiers import store_identifiers, store_users, users_for
from storage.legacy.spain_writes import apply_changes, let_write
from storage.postgres.database import Connection
from storage.postgres.rows import fetch_column, fetch_value


class SpanishTables:
    """Reads and writes the tables of the schema `legacy_es`."""

    country = COUNTRY
    privileges: Mapping[str, Sequence[str]] = MappingProxyType(
        {
            "legacy_es.es_user": ("SELECT", "INSERT"),
            "legacy_es.es_health_contract": ("SELECT",),
            "legacy_es.es_policy": ("SELECT", "INSERT", "UPDATE"),
            "legacy_es.es_enrollment": ("SELECT", "INSERT", "UPDATE"),
        }
    )
    guarded_tables: Sequence[str] = ("legacy_es.es_policy", "legacy_es.es_enrollment")
    guard = Path(__file__).with_name("spain_guard.sql")

    async def contract(self, connection: Connection, legacy_contract_id: int) -> LegacyContract | None:
        cursor = await connection.execute(
            f"SELECT {ordinal('start_date')}, {ordinal('end_date')} FROM legacy_es.es_health_contract WHERE id = %s",
            [legacy_contract_id],
        )
        row = await cursor.fetchone()
        return LegacyContract(legacy_contract_id, *contract_days(*row)) if row else None

    async def store_identifiers(self, tx: Connection, member_ids: Collection[UUID] | None = None) -> int:
        return await store_identifiers(tx, member_ids)

    async def load(self, connection: Connection, group_ids: Collection[UUID]) -> dict[UUID, LegacyGroup]:
        return await load_by_id(connection, group_ids)

    async def load_of_members(self, connection: Connection, member_ids: Collection[UUID]) -> dict[UUID, LegacyGroup]:
        return await load_by_member(connection, member_ids)

    async def groups_of_members(self, connection: Connection, member_ids: Collection[UUID]) -> dict[UUID, list[UUID]]:
        cursor = await connection.execute(
            f"WITH RECURSIVE {OF_MEMBERS} SELECT member_id, array_agg(DISTINCT group_id) FROM head_of_member"
            " WHERE group_id IS NOT NULL GROUP BY member_id",
            {"member_ids": list(member_ids)},
        )
        return {member_id: sorted(groups) for member_id, groups in await cursor.fetchall()}

    async def heads(
        self, connection: Connection, contract_id: UUID | None, primary_id: UUID | None, after: UUID, limit: int
    ) -> Sequence[UUID]:
        if primary_id is None:
            return await stored_groups(connection, COUNTRY, contract_id, after, limit)
        return await fetch_column(
            connection,
            UUID,
            f"WITH RECURSIVE {OF_MEMBERS} SELECT DISTINCT h.group_id FROM head_of_member h"
            " JOIN of_member m ON m.user_id = h.owner"
            f" JOIN legacy_identifier c ON {key_of('CONTRACT', 'c')} AND c.legacy_key = h.contract::text"
            " WHERE h.group_id > %(after)s AND (%(contract_id)s::uuid IS NULL OR c.id = %(contract_id)s)"
            " ORDER BY h.group_id LIMIT %(limit)s",
            {"member_ids": [primary_id], "contract_id": contract_id, "after": after, "limit": limit},
        )

    async def known_members(self, connection: Connection, member_ids: Collection[UUID]) -> set[UUID]:
        statement = f"WITH RECURSIVE {OF_MEMBERS} SELECT DISTINCT member_id FROM of_member"
        return set(await fetch_column(connection, UUID, statement, {"member_ids": list(member_ids)}))

    async def lock(self, tx: Connection, group_ids: Collection[UUID]) -> dict[UUID, LegacyGroup]:
        known = {policy_id for group in (await load_by_id(tx, group_ids)).values() for policy_id in group.policy_ids}
        policies = await fetch_column(
            tx, int, "SELECT id FROM legacy_es.es_policy WHERE id = ANY(%s) ORDER BY id FOR UPDATE", [list(known)]
        )
        await tx.execute(
            "SELECT FROM legacy_es.es_enrollment WHERE policy_id = ANY(%s) ORDER BY id FOR UPDATE", [policies]
        )
        locked = await load_by_id(tx, group_ids, policies)
        if await store_users(tx, {user_id for group in locked.values() for user_id in group.member_ids}):
            locked = await load_by_id(tx, group_ids, policies)
        return locked

    async def add_policy(self, tx: Connection, key: GroupKey) -> LegacyGroup | None:
        mapped = await mapped_contract(tx, COUNTRY, key.contract_id)
        if mapped is None:
            return None
        owner = (await users_for(tx, [key.primary_id]))[key.primary_id]
        await let_write(tx)
        await tx.execute(
            "INSERT INTO legacy_es.es_policy (health_contract_id, owner_user_id) VALUES (%s, %s)",
            [mapped.legacy_contract_id, owner],
        )
        added = Identifier(group_key(mapped.legacy_contract_id, owner), group_id(*key))
        await add_identifiers(tx, COUNTRY, IdentifierKind.GROUP, [added])
        return (await self.lock(tx, [added.id]))[added.id]

    async def write(self, tx: Connection, group: LegacyGroup, changes: Iterable[RowChange]) -> LegacyGroup:
        await apply_changes(tx, group, list(changes))
        return (await load_by_id(tx, [group.group_id], group.policy_ids))[group.group_id]

    async def wait_for_writers(self, tx: Connection) -> None:
        await tx.execute("LOCK TABLE legacy_es.es_policy, legacy_es.es_enrollment IN SHARE MODE")

    async def unmapped_policies(self, connection: Connection) -> int:
        return await fetch_value(
            connection,
            int,
            "SELECT count(*) FROM legacy_es.es_policy p WHERE NOT EXISTS (SELECT FROM legacy_identifier c"
            f" WHERE {key_of('CONTRACT', 'c')} AND c.legacy_key = p.health_contract_id::text)",
        )
