"""Reads groups of the Spanish tables: any number of groups with all their rows, in one statement."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from domain.days import Span
from domain.enrollment.decisions import GroupKey
from domain.identity import group_id
from domain.membership import MembershipType
from domain.migration.legacy import LegacyGroup, LegacyMapping, LegacyRow
from storage.legacy.identifiers import RECORDS, derived_member_id
from storage.legacy.ordinals import contract_days, date_of, ordinal, row_days
from storage.postgres.database import Connection
from storage.postgres.rows import fetch_all, fetch_column

COUNTRY = "ES"

MEMBERSHIP_TYPES = {each.value: each for each in MembershipType if each is not MembershipType.PET}
"""The enrollment types that the tables can hold."""


def identifier(kind: str, name: str) -> str:
    """Returns the SQL condition for rows of `legacy_identifier`, called `name`, of a kind."""
    return f"{name}.country = '{COUNTRY}' AND {name}.kind = '{kind}'"


FREE_GLOBAL_ID = (
    "CASE WHEN NOT EXISTS (SELECT FROM legacy_identifier taken WHERE taken.id = u.global_user_id"
    f" AND {identifier('MEMBER', 'taken')}) THEN u.global_user_id END"
)
"""SQL for the global id of a user `u`, unless another user has it as their id."""

ROW = (
    "id, policy_id, user_id, enrollment_type, product_code,"
    f" {ordinal('start_date')}, {ordinal('end_date')}, is_cancelled"
)
"""SQL for the columns of a row of `es_enrollment`."""

_BY_ID = (
    "head (group_id, contract, owner) AS ("
    " SELECT g.id, split_part(g.legacy_key, '/', 1)::bigint, split_part(g.legacy_key, '/', 2)::bigint"
    f" FROM legacy_identifier g WHERE {identifier('GROUP', 'g')} AND g.id = ANY(%(group_ids)s::uuid[]))"
)
"""SQL for the heads of `group_ids`."""

OF_MEMBERS = (
    f"{RECORDS}, of_member (member_id, user_id) AS ("
    " SELECT r.member_id, i.legacy_key::bigint FROM record r JOIN legacy_identifier i ON i.id = r.record_id"
    f" AND {identifier('MEMBER', 'i')}"
    " UNION SELECT r.member_id, u.id FROM record r JOIN legacy_es.es_user u ON u.global_user_id = r.record_id"
    f" WHERE NOT EXISTS (SELECT FROM legacy_identifier i WHERE {identifier('MEMBER', 'i')}"
    " AND i.legacy_key = u.id::text)),"
    " policy_of_member (member_id, policy_id) AS ("
    " SELECT m.member_id, e.policy_id FROM of_member m JOIN legacy_es.es_enrollment e USING (user_id)"
    " UNION SELECT m.member_id, p.id FROM of_member m JOIN legacy_es.es_policy p ON p.owner_user_id = m.user_id),"
    " head_of_member (member_id, group_id, contract, owner) AS ("
    " SELECT DISTINCT m.member_id, g.id, p.health_contract_id, p.owner_user_id FROM policy_of_member m"
    " JOIN legacy_es.es_policy p ON p.id = m.policy_id"
    f" JOIN legacy_identifier c ON {identifier('CONTRACT', 'c')} AND c.legacy_key = p.health_contract_id::text"
    f" LEFT JOIN legacy_identifier g ON {identifier('GROUP', 'g')}"
    " AND g.legacy_key = p.health_contract_id || '/' || p.owner_user_id)"
)
"""SQL of a recursive query for the heads of the groups that `member_ids` own, or that have rows of them. The id of a
group is null if it isn't stored yet."""

_BY_MEMBER = f"{OF_MEMBERS}, head AS (SELECT DISTINCT group_id, contract, owner FROM head_of_member)"

# A person can own policies as several users, whose records were merged: these policies are one group, too.
_POLICIES = f"""
WITH RECURSIVE {{heads}},
same_person (contract, owner, id) AS (
    SELECT h.contract, h.owner, i.id FROM head h
        JOIN legacy_identifier i ON {identifier("MEMBER", "i")} AND i.legacy_key = h.owner::text
    UNION SELECT s.contract, s.owner, other.id FROM same_person s
        JOIN member_merge g ON s.id IN (g.from_member_id, g.into_member_id)
        CROSS JOIN LATERAL (VALUES (g.from_member_id), (g.into_member_id)) AS other(id)
),
owning (contract, owner, user_id) AS (
    SELECT contract, owner, owner FROM head
    UNION SELECT s.contract, s.owner, i.legacy_key::bigint FROM same_person s
        JOIN legacy_identifier i ON i.id = s.id AND {identifier("MEMBER", "i")}
),
policy AS (
    SELECT o.contract, o.owner, p.id, p.created_at FROM owning o
        JOIN legacy_es.es_policy p ON p.health_contract_id = o.contract AND p.owner_user_id = o.user_id
        WHERE %(policies)s::bigint[] IS NULL OR p.id = ANY(%(policies)s)
)
"""

_GROUPS = f"""
{_POLICIES},
entry AS (
    SELECT p.contract, p.owner, e.* FROM policy p JOIN legacy_es.es_enrollment e ON e.policy_id = p.id
),
person AS (SELECT contract, owner, user_id FROM owning UNION SELECT contract, owner, user_id FROM entry),
member AS (
    SELECT u.id AS user_id, coalesce(i.id, {FREE_GLOBAL_ID}) AS id, {ordinal("u.birth_date")} AS born
        FROM (SELECT DISTINCT user_id FROM person) AS p JOIN legacy_es.es_user u ON u.id = p.user_id
        LEFT JOIN legacy_identifier i ON {identifier("MEMBER", "i")} AND i.legacy_key = u.id::text
),
alias (id, into_id, step) AS (
    SELECT m.id, g.into_member_id, 1 FROM member m JOIN member_merge g ON g.from_member_id = m.id
    UNION ALL SELECT a.id, g.into_member_id, a.step + 1 FROM alias a
        JOIN member_merge g ON g.from_member_id = a.into_id
),
remaining AS (SELECT DISTINCT ON (id) id, into_id FROM alias ORDER BY id, step DESC),
policies AS (SELECT contract, owner, array_agg(id ORDER BY created_at, id) AS ids FROM policy GROUP BY 1, 2),
entries AS (
    SELECT contract, owner, json_agg(json_build_array({ROW}) ORDER BY id) AS rows FROM entry GROUP BY 1, 2
),
members AS (
    SELECT p.contract, p.owner,
        json_agg(json_build_array(user_id, coalesce(r.into_id, m.id), m.born) ORDER BY user_id) AS people
        FROM person p JOIN member m USING (user_id) LEFT JOIN remaining r ON r.id = m.id GROUP BY 1, 2
),
modules AS (
    SELECT h.contract, json_object_agg(substr(m.legacy_key, length(h.contract::text) + 2), m.id) AS ids
        FROM (SELECT DISTINCT contract FROM head) AS h JOIN legacy_identifier m ON {identifier("MODULE", "m")}
        AND split_part(m.legacy_key, '/', 1) = h.contract::text GROUP BY 1
)
SELECT h.group_id, h.contract, h.owner, c.id AS contract_id, {ordinal("k.start_date")} AS first,
    {ordinal("k.end_date")} AS last, modules.ids AS modules, policies.ids AS policies, entries.rows, members.people
FROM head h
JOIN legacy_identifier c ON {identifier("CONTRACT", "c")} AND c.legacy_key = h.contract::text
JOIN legacy_es.es_health_contract k ON k.id = h.contract
JOIN members USING (contract, owner)
LEFT JOIN modules USING (contract) LEFT JOIN policies USING (contract, owner) LEFT JOIN entries USING (contract, owner)
ORDER BY h.group_id, h.contract, h.owner
"""


async def load_by_id(
    connection: Connection, group_ids: Iterable[UUID], policies: Iterable[int] | None = None
) -> list[LegacyGroup]:
    """Returns groups by their ids, in order; if `policies` are given, only with these policies and their rows."""
    parameters = {"group_ids": list(group_ids), "policies": None if policies is None else list(policies)}
    return await _load(connection, _BY_ID, parameters)


async def load_by_member(connection: Connection, member_ids: Iterable[UUID]) -> list[LegacyGroup]:
    """Returns the groups that some members own, or that have rows of them."""
    return await _load(connection, _BY_MEMBER, {"member_ids": list(member_ids), "policies": None})


async def lock_policies(tx: Connection, group_ids: Iterable[UUID]) -> list[int]:
    """Locks the policies of groups in order, and returns their ids."""
    return await fetch_column(
        tx,
        int,
        f"{_POLICIES.format(heads=_BY_ID)} SELECT id FROM legacy_es.es_policy WHERE id IN (SELECT id FROM policy)"
        " ORDER BY id FOR UPDATE",
        {"group_ids": list(group_ids), "policies": None},
    )


async def _load(connection: Connection, heads: str, parameters: Mapping[str, Any]) -> list[LegacyGroup]:
    mappings: dict[int, LegacyMapping] = {}
    groups: dict[UUID, LegacyGroup] = {}
    for row in await fetch_all(connection, _Row, _GROUPS.format(heads=heads), parameters):
        mapping = mappings.setdefault(row.contract, row.mapping())
        group = row.group(mapping)
        groups.setdefault(group.group_id, group)  # one who owns policies as several users has several heads
    return list(groups.values())


@dataclass(frozen=True, slots=True)
class _Row:
    """A group as the statement returns it. Days are ordinals."""

    group_id: UUID | None
    contract: int
    owner: int
    contract_id: UUID
    first: int
    last: int | None
    modules: Mapping[str, str] | None
    policies: Sequence[int] | None
    rows: Sequence[Sequence[Any]] | None
    people: Sequence[tuple[int, str | None, int | None]]

    def mapping(self) -> LegacyMapping:
        days = Span.between(*contract_days(self.first, self.last))
        modules = {code: UUID(module_id) for code, module_id in (self.modules or {}).items()}
        return LegacyMapping(COUNTRY, self.contract, self.contract_id, days, modules)

    def group(self, mapping: LegacyMapping) -> LegacyGroup:
        member_ids = {
            user_id: UUID(member_id) if member_id else derived_member_id(COUNTRY, user_id)
            for user_id, member_id, _ in self.people
        }
        births = ((member_ids[user_id], date_of(born)) for user_id, _, born in reversed(self.people))
        key = GroupKey(self.contract_id, member_ids[self.owner])
        return LegacyGroup(
            group_id=self.group_id or group_id(*key),
            key=key,
            mapping=mapping,
            owner_user_id=self.owner,
            policy_ids=tuple(self.policies or ()),
            rows=tuple(map(legacy_row, self.rows or ())),
            member_ids=member_ids,
            birth_dates={member_id: born_on for member_id, born_on in births if born_on},
        )


def legacy_row(columns: Sequence[Any]) -> LegacyRow:
    """Returns a row from the columns of `ROW`."""
    row_id, policy_id, user_id, type_, product, first, last, is_cancelled = columns
    first_on, last_on = row_days(first, last)
    return LegacyRow(row_id, policy_id, user_id, MEMBERSHIP_TYPES.get(type_), product, first_on, last_on, is_cancelled)
