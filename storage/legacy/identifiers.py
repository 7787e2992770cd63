"""The ids of what is in legacy tables: contracts and products as mapped by admins, users, and owners under a contract.

An identifier that was stored stays, whatever happens to the legacy row. Only the products of a contract are replaced.
The keys are those of the legacy tables: contract `17`, product `17/FLEX`, user `4711`, owner of policies `17/4711`.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID

from domain.identity import derived_id
from storage.postgres.database import Connection
from storage.postgres.rows import fetch_all, fetch_column, fetch_first


class IdentifierKind(StrEnum):
    """Values are stored, so never change one."""

    CONTRACT = "CONTRACT"
    MODULE = "MODULE"
    MEMBER = "MEMBER"
    GROUP = "GROUP"


class Identifier(NamedTuple):
    """A key of the legacy tables and its id. Sorts by key."""

    legacy_key: str
    id: UUID


def derived_member_id(country: str, user_id: int) -> UUID:
    """Returns the id of a user without a global id, or whose global id already belongs to another user."""
    return derived_id("legacy", country, IdentifierKind.MEMBER, str(user_id))


def user_key(user_id: int) -> str:
    return str(user_id)


def group_key(legacy_contract_id: int, owner_user_id: int) -> str:
    return f"{legacy_contract_id}/{owner_user_id}"


async def add_identifiers(tx: Connection, country: str, kind: IdentifierKind, identifiers: Iterable[Identifier]) -> int:
    """Stores identifiers unless the key or the id is stored already. Returns how many were stored.

    They are stored in order of key, so that concurrent calls wait for each other instead of deadlocking.
    """
    added = sorted(identifiers)
    cursor = await tx.execute(
        "INSERT INTO legacy_identifier (country, kind, legacy_key, id)"
        " SELECT %s, %s, legacy_key, id FROM unnest(%s::text[], %s::uuid[]) AS added(legacy_key, id)"
        " ON CONFLICT DO NOTHING",
        [country, kind.value, [each.legacy_key for each in added], [each.id for each in added]],
    )
    return cursor.rowcount


@dataclass(frozen=True, slots=True)
class MappedContract:
    """A legacy contract, the contract that it is mapped to, and the module of each of its products."""

    legacy_contract_id: int
    contract_id: UUID
    modules: Mapping[str, UUID]


_MAPPED = (
    "SELECT c.legacy_key, c.id AS contract_id, coalesce(p.codes, '{}') AS codes, coalesce(p.module_ids, '{}')"
    " AS module_ids FROM legacy_identifier c LEFT JOIN LATERAL"
    " (SELECT array_agg(substr(m.legacy_key, length(c.legacy_key) + 2)) AS codes, array_agg(m.id) AS module_ids"
    " FROM legacy_identifier m WHERE m.country = c.country AND m.kind = 'MODULE'"
    " AND starts_with(m.legacy_key, c.legacy_key || '/')) AS p ON true WHERE c.country = %s AND c.kind = 'CONTRACT'"
)


def _mapped(*, legacy_key: str, contract_id: UUID, codes: list[str], module_ids: list[UUID]) -> MappedContract:
    return MappedContract(int(legacy_key), contract_id, dict(sorted(zip(codes, module_ids, strict=True))))


async def mapped_contracts(connection: Connection, country: str) -> list[MappedContract]:
    """Returns the mapped contracts of a country, in order of their legacy ids."""
    found = await fetch_all(connection, _mapped, _MAPPED, [country])
    return sorted(found, key=lambda mapped: mapped.legacy_contract_id)


async def mapped_contract(connection: Connection, country: str, contract: int | UUID) -> MappedContract | None:
    """Returns the mapping of a contract, given its legacy id or its id; None if it isn't mapped."""
    column, value = ("c.id", contract) if isinstance(contract, UUID) else ("c.legacy_key", str(contract))
    return await fetch_first(connection, _mapped, f"{_MAPPED} AND {column} = %s", [country, value])


async def map_contract(tx: Connection, country: str, mapping: MappedContract) -> bool:
    """Stores the mapping of a contract, and replaces its products.

    Returns False, and stores nothing, if the legacy contract or the contract is mapped to another one.
    """
    key = str(mapping.legacy_contract_id)
    await add_identifiers(tx, country, IdentifierKind.CONTRACT, [Identifier(key, mapping.contract_id)])
    stored = await mapped_contract(tx, country, mapping.legacy_contract_id)
    if stored is None or stored.contract_id != mapping.contract_id:
        return False
    codes = sorted(mapping.modules)
    await tx.execute(
        "SELECT map_legacy_products(%s, %s, %s::text[], %s::uuid[])",
        [country, key, codes, [mapping.modules[code] for code in codes]],
    )
    return True


async def users_of_members(connection: Connection, country: str, member_ids: Collection[UUID]) -> dict[UUID, list[int]]:
    """Returns the users of each member in order, including those of the records that were merged into the member.

    Only users whose ids are stored are found. Members without users are missing.
    """
    cursor = await connection.execute(
        f"WITH RECURSIVE {RECORDS} SELECT r.member_id, array_agg(i.legacy_key::bigint ORDER BY i.legacy_key::bigint)"
        " FROM record r JOIN legacy_identifier i ON i.id = r.record_id AND i.country = %(country)s"
        " AND i.kind = 'MEMBER' GROUP BY r.member_id",
        {"member_ids": list(member_ids), "country": country},
    )
    return dict(await cursor.fetchall())


RECORDS = (
    "record (member_id, record_id) AS (SELECT id, id FROM unnest(%(member_ids)s::uuid[]) AS asked(id)"
    " UNION SELECT r.member_id, g.from_member_id FROM record r JOIN member_merge g ON g.into_member_id = r.record_id)"
)
"""SQL of a recursive query for the ids of `member_ids`: their own, and those of the records merged into them."""


async def owned_groups(connection: Connection, member_id: UUID) -> list[UUID]:
    """Returns the groups that a member owns in the legacy tables of any country, in order."""
    return await fetch_column(
        connection,
        UUID,
        "SELECT g.id FROM legacy_identifier u JOIN legacy_identifier g ON g.country = u.country AND g.kind = 'GROUP'"
        " AND split_part(g.legacy_key, '/', 2) = u.legacy_key WHERE u.kind = 'MEMBER' AND u.id = %s ORDER BY g.id",
        [member_id],
    )


async def stored_groups(
    connection: Connection, country: str, contract_id: UUID | None, after: UUID, limit: int
) -> Sequence[UUID]:
    """Returns the ids of the groups of a country, or of one mapped contract, after an id and in order."""
    return await fetch_column(
        connection,
        UUID,
        "SELECT g.id FROM legacy_identifier g WHERE g.country = %(country)s AND g.kind = 'GROUP' AND g.id > %(after)s"
        " AND (%(contract_id)s::uuid IS NULL OR split_part(g.legacy_key, '/', 1) = (SELECT c.legacy_key FROM"
        " legacy_identifier c WHERE c.country = %(country)s AND c.kind = 'CONTRACT' AND c.id = %(contract_id)s))"
        " ORDER BY g.id LIMIT %(limit)s",
        {"country": country, "contract_id": contract_id, "after": after, "limit": limit},
    )
