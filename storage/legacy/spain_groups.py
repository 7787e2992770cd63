"""Reads groups of the Spanish tables: any number of groups with all their rows, in one statement unless members were
merged.

The statement has subqueries of each head, so that PostgreSQL reads many groups by the same indexes as one. With joins,
it would read whole tables, or compare all groups with each other, because it can't estimate the rows of a group.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from domain.days import Span
from domain.enrollment.decisions import GroupKey
from domain.identity import group_id
from domain.membership import MembershipType
from domain.migration.legacy import LegacyGroup, LegacyMapping, LegacyRow
from storage.legacy.identifiers import RECORDS, derived_member_id, users_of_members
from storage.legacy.ordinals import contract_days, date_of, ordinal, row_days
from storage.merges import aliases_of
from storage.postgres.database import Connection
from storage.postgres.rows import fetch_all

COUNTRY = "ES"

MEMBERSHIP_TYPES = {each.value: each for each in MembershipType if each is not MembershipType.PET}
"""The enrollment types that the tables can hold."""


def key_of(kind: str, name: str) -> str:
    """Returns the SQL condition for rows of `legacy_identifier`, called `name`, that are found by their keys."""
    return f"{name}.country = '{COUNTRY}' AND {name}.kind = '{kind}'"


def id_of(kind: str, name: str) -> str:
    """Returns the SQL condition for rows of `legacy_identifier`, called `name`, that are found by their ids.

    It can't use the index of the keys, which PostgreSQL would otherwise choose until it has statistics.
    """
    return f"{name}.country || '' = '{COUNTRY}' AND {name}.kind || '' = '{kind}'"


FREE_GLOBAL_ID = (
    "CASE WHEN NOT EXISTS (SELECT FROM legacy_identifier taken WHERE taken.id = u.global_user_id"
    f" AND {id_of('MEMBER', 'taken')}) THEN u.global_user_id END"
)
"""SQL for the global id of a user `u`, unless another user has it as their id."""

OF_MEMBERS = (
    f"{RECORDS}, of_member (member_id, user_id) AS ("
    " SELECT r.member_id, i.legacy_key::bigint FROM record r JOIN legacy_identifier i ON i.id = r.record_id"
    f" AND {id_of('MEMBER', 'i')}"
    " UNION SELECT r.member_id, u.id FROM record r JOIN legacy_es.es_user u ON u.global_user_id = r.record_id"
    f" WHERE NOT EXISTS (SELECT FROM legacy_identifier i WHERE {key_of('MEMBER', 'i')}"
    " AND i.legacy_key = u.id::text)),"
    " policy_of_member (member_id, policy_id) AS ("
    " SELECT m.member_id, e.policy_id FROM of_member m JOIN legacy_es.es_enrollment e USING (user_id)"
    " UNION SELECT m.member_id, p.id FROM of_member m JOIN legacy_es.es_policy p ON p.owner_user_id = m.user_id),"
    " head_of_member (member_id, group_id, contract, owner) AS ("
    " SELECT DISTINCT m.member_id, g.id, p.health_contract_id, p.owner_user_id FROM policy_of_member m"
    " JOIN legacy_es.es_policy p ON p.id = m.policy_id"
    f" JOIN legacy_identifier c ON {key_of('CONTRACT', 'c')} AND c.legacy_key = p.health_contract_id::text"
    f" LEFT JOIN legacy_identifier g ON {key_of('GROUP', 'g')}"
    " AND g.legacy_key = p.health_contract_id || '/' || p.owner_user_id)"
)
"""SQL of a recursive query for the heads of the groups that `member_ids` own, or that have rows of them. The id of a
group is null if it isn't stored yet."""

_HEADS_BY_ID = (
    "head (group_id, contract, owner) AS ("
    " SELECT g.id, split_part(g.legacy_key, '/', 1)::bigint, split_part(g.legacy_key, '/', 2)::bigint"
    f" FROM legacy_identifier g WHERE {id_of('GROUP', 'g')} AND g.id = ANY(%(group_ids)s::uuid[]))"
)
_HEADS_BY_MEMBER = f"{OF_MEMBERS}, head AS (SELECT DISTINCT group_id, contract, owner FROM head_of_member)"
_HEADS_BY_OWNER = (
    "head (group_id, contract, owner) AS"
    " (SELECT DISTINCT NULL::uuid, contract, owner FROM unnest(%(contracts)s::bigint[], %(owners)s::bigint[])"
    " AS asked(contract, owner))"
)

_POLICIES = (
    "legacy_es.es_policy p WHERE p.health_contract_id = h.contract AND p.owner_user_id = h.owner"
    " AND (%(policies)s::bigint[] IS NULL OR p.id = ANY(%(policies)s))"
)
_ROWS = f"legacy_es.es_enrollment e WHERE e.policy_id IN (SELECT p.id FROM {_POLICIES})"

_GROUPS = f"""
WITH RECURSIVE {{heads}},
mapping AS MATERIALIZED (
    SELECT k.id AS contract, c.id AS contract_id, {ordinal("k.start_date")} AS first, {ordinal("k.end_date")} AS last,
        (SELECT json_object_agg(substr(m.legacy_key, length(c.legacy_key) + 2), m.id) FROM legacy_identifier m
            WHERE {key_of("MODULE", "m")} AND starts_with(m.legacy_key, c.legacy_key || '/')) AS modules
        FROM (SELECT DISTINCT contract FROM head) AS h JOIN legacy_es.es_health_contract k ON k.id = h.contract
        JOIN legacy_identifier c ON {key_of("CONTRACT", "c")} AND c.legacy_key = h.contract::text
)
SELECT h.group_id, h.contract, h.owner, mapping.contract_id, mapping.first, mapping.last, mapping.modules,
    ARRAY(SELECT p.id FROM {_POLICIES} ORDER BY p.created_at, p.id) AS policies,
    (SELECT json_agg(json_build_array(e.id, e.policy_id, e.user_id, e.enrollment_type, e.product_code,
        {ordinal("e.start_date")}, {ordinal("e.end_date")}, e.is_cancelled) ORDER BY e.id) FROM {_ROWS}) AS rows,
    coalesce((SELECT json_agg(json_build_array(u.id, coalesce(i.id, {FREE_GLOBAL_ID}), {ordinal("u.birth_date")},
        EXISTS (SELECT FROM member_merge g WHERE g.from_member_id = coalesce(i.id, u.global_user_id))
        OR EXISTS (SELECT FROM member_merge g WHERE g.into_member_id = coalesce(i.id, u.global_user_id)))
        ORDER BY u.id)
        FROM legacy_es.es_user u
        LEFT JOIN legacy_identifier i ON {key_of("MEMBER", "i")} AND i.legacy_key = u.id::text
        WHERE u.id = ANY(ARRAY(SELECT h.owner UNION SELECT e.user_id FROM {_ROWS}))), '[]') AS people
FROM head h JOIN mapping USING (contract) ORDER BY h.group_id, h.contract, h.owner
"""


async def load_by_id(
    connection: Connection, group_ids: Iterable[UUID], policies: Collection[int] | None = None
) -> dict[UUID, LegacyGroup]:
    """Returns groups by their ids, in order; if `policies` are given, only with these policies and their rows."""
    return await _load(connection, _HEADS_BY_ID, {"group_ids": list(group_ids)}, policies)


async def load_by_member(connection: Connection, member_ids: Iterable[UUID]) -> dict[UUID, LegacyGroup]:
    """Returns the groups that some members own, or that have rows of them."""
    return await _load(connection, _HEADS_BY_MEMBER, {"member_ids": list(member_ids)}, None)


async def _load(
    connection: Connection, heads: str, parameters: Mapping[str, Any], policies: Collection[int] | None
) -> dict[UUID, LegacyGroup]:
    rows = await _rows(connection, heads, parameters, policies)
    aliases: Mapping[UUID, UUID] = {}
    if any(row.has_merges for row in rows):
        aliases = await aliases_of(connection, {member_id for row in rows for member_id in row.member_ids().values()})
        rows += await _rows_of_merged_owners(connection, rows, aliases, policies)
        aliases = await aliases_of(connection, {member_id for row in rows for member_id in row.member_ids().values()})
    mappings: dict[int, LegacyMapping] = {}
    groups: dict[UUID, LegacyGroup] = {}
    for row in rows:
        group = row.group(mappings.setdefault(row.contract, row.mapping()), aliases)
        known = groups.get(group.group_id)
        groups[group.group_id] = _joined(known, group) if known else group
    return groups


async def _rows(
    connection: Connection, heads: str, parameters: Mapping[str, Any], policies: Collection[int] | None
) -> "list[_Row]":
    named = {**parameters, "policies": None if policies is None else list(policies)}
    found = await fetch_all(connection, _Row, _GROUPS.format(heads=heads), named)
    return [row for row in found if row.people]  # the user who owned the policies can have been deleted


async def _rows_of_merged_owners(
    connection: Connection, rows: "Sequence[_Row]", aliases: Mapping[UUID, UUID], policies: Collection[int] | None
) -> "list[_Row]":
    """Returns the policies that owners have under the same contracts as other users, whose records were merged."""
    primaries = {(row.contract, row.owner): row.primary_id(aliases) for row in rows}
    users = await users_of_members(connection, COUNTRY, set(primaries.values()))
    others = {(contract, user) for (contract, _), primary_id in primaries.items() for user in users.get(primary_id, ())}
    asked = sorted(others - primaries.keys())
    parameters = {"contracts": [contract for contract, _ in asked], "owners": [owner for _, owner in asked]}
    return await _rows(connection, _HEADS_BY_OWNER, parameters, policies) if asked else []


def _joined(group: LegacyGroup, other: LegacyGroup) -> LegacyGroup:
    """Returns a group with the policies that its owner has as another user."""
    return replace(
        group,
        policy_ids=tuple(sorted({*group.policy_ids, *other.policy_ids})),
        rows=tuple(sorted({*group.rows, *other.rows}, key=lambda row: row.row_id)),
        member_ids={**group.member_ids, **other.member_ids},
        birth_dates={**other.birth_dates, **group.birth_dates},
    )


@dataclass(frozen=True, slots=True)
class _Row:
    """A group as the statement returns it. Days are ordinals.

    `people` are users with their ids, if known, their dates of birth, and whether they were merged with others.
    """

    group_id: UUID | None
    contract: int
    owner: int
    contract_id: UUID
    first: int
    last: int | None
    modules: Mapping[str, str] | None
    policies: Sequence[int]
    rows: Sequence[Sequence[Any]] | None
    people: Sequence[tuple[int, str | None, int | None, bool]]

    @property
    def has_merges(self) -> bool:
        return any(person[3] for person in self.people)

    def member_ids(self) -> dict[int, UUID]:
        """Returns the ids of users before merges."""
        return {
            user_id: UUID(member_id) if member_id else derived_member_id(COUNTRY, user_id)
            for user_id, member_id, *_ in self.people
        }

    def primary_id(self, aliases: Mapping[UUID, UUID]) -> UUID:
        owner = self.member_ids()[self.owner]
        return aliases.get(owner, owner)

    def mapping(self) -> LegacyMapping:
        days = Span.between(*contract_days(self.first, self.last))
        modules = {code: UUID(module_id) for code, module_id in (self.modules or {}).items()}
        return LegacyMapping(COUNTRY, self.contract, self.contract_id, days, modules)

    def group(self, mapping: LegacyMapping, aliases: Mapping[UUID, UUID]) -> LegacyGroup:
        member_ids = {user_id: aliases.get(each, each) for user_id, each in self.member_ids().items()}
        births = ((member_ids[user_id], date_of(born)) for user_id, _, born, _ in reversed(self.people))
        key = GroupKey(self.contract_id, member_ids[self.owner])
        return LegacyGroup(
            group_id=self.group_id or group_id(*key),
            key=key,
            mapping=mapping,
            owner_user_id=self.owner,
            policy_ids=tuple(self.policies),
            rows=tuple(map(_legacy_row, self.rows or ())),
            member_ids=member_ids,
            birth_dates={member_id: born_on for member_id, born_on in births if born_on},
        )


def _legacy_row(columns: Sequence[Any]) -> LegacyRow:
    row_id, policy_id, user_id, type_, product, first, last, is_cancelled = columns
    first_on, last_on = row_days(first, last)
    return LegacyRow(row_id, policy_id, user_id, MEMBERSHIP_TYPES.get(type_), product, first_on, last_on, is_cancelled)
