"""Finds members.

Few members match by an identifier or id, and they are compared one by one. All others are found by name and date of
birth (`storage/name_search.py`).
"""

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import date
from typing import Any, LiteralString
from uuid import UUID

from domain.errors import FieldViolation, RequestMalformed
from domain.member_search import EVERY_NAME, Match, Query, Rank, birth_term, rank
from storage.name_search import FoundPage, NameSearch, unprepared
from storage.postgres.database import Connection

MAX_CANDIDATES = 5000
"""Maximum number of members who are compared one by one."""
MAX_SMALL_CONTRACT = 2000
"""Contracts with up to this many members are searched one member at a time."""


@dataclass(frozen=True, slots=True)
class IdentifierFilter:
    """An identifier to search for, in any system if `system` is empty."""

    system: str
    value: str


@dataclass(frozen=True, slots=True)
class SearchFilters:
    """What members must match. At least one of the first three is set."""

    query: Query | None = None
    born_on: date | None = None
    identifier: IdentifierFilter | None = None
    contract_id: UUID | None = None


async def find(connection: Connection, filters: SearchFilters, after: Match | None, limit: int) -> FoundPage:
    """Returns the next matches in order. Raises RequestMalformed if too many members have an identifier."""
    named = await _named_members(connection, filters.query)
    chosen = await _chosen_members(connection, filters, named)
    ranked = await _ranked(connection, filters, named, named if chosen is None else chosen)
    if chosen is None:
        ranked = [match for match in ranked if match.rank is Rank.ID]
    ranked = sorted(match for match in ranked if after is None or match > after)
    if chosen is not None or len(ranked) > limit:
        return FoundPage(ranked[:limit], ranked[limit - 1] if len(ranked) > limit else None)
    search = NameSearch(connection, filters.query, filters.born_on, filters.contract_id, list(named))
    found = await search.find(after, limit - len(ranked) + 1)
    matches = [*ranked, *found.matches][:limit]
    more = len(ranked) + len(found.matches) > limit
    return FoundPage(matches, matches[-1] if more else found.resume_after)


@dataclass(slots=True)
class _Named:
    """The ids and identifiers of a member that a query contains."""

    ids: set[UUID] = field(default_factory=set)
    values: set[str] = field(default_factory=set)


async def _named_members(connection: Connection, query: Query | None) -> dict[UUID, _Named]:
    """Returns the members for whom a query contains an identifier, their id, or the id of a group."""
    named: dict[UUID, _Named] = {}
    if query is None:
        return named
    statement: LiteralString = "SELECT member_id, value FROM member_identifier WHERE value = ANY(%s) LIMIT %s"
    for member_id, value in await unprepared(connection, statement, [query.values, MAX_CANDIDATES + 1]):
        named.setdefault(member_id, _Named()).values.add(value)
    _reject_too_many("query", named)
    if query.ids:
        statement = (
            "SELECT w.id, w.id FROM unnest(%s::uuid[]) AS w (id)"
            " WHERE EXISTS (SELECT FROM member_revision r WHERE r.member_id = w.id OFFSET 0)"
            " UNION ALL SELECT m.member_id, g.group_id FROM enrollment_group g JOIN group_member m USING (group_key)"
            " WHERE g.group_id = ANY(%s) LIMIT %s"
        )
        for member_id, id_ in await unprepared(connection, statement, [query.ids, query.ids, MAX_CANDIDATES + 1]):
            named.setdefault(member_id, _Named()).ids.add(id_)
        _reject_too_many("query", named)
    return named


async def _chosen_members(
    connection: Connection, filters: SearchFilters, named: dict[UUID, _Named]
) -> Collection[UUID] | None:
    """Returns a small set of members that includes all matches, or None if the index must be searched."""
    if filters.identifier:
        wanted = filters.identifier
        statement: LiteralString = "SELECT member_id FROM member_identifier WHERE value = %s LIMIT %s"
        parameters: list[Any] = [wanted.value, MAX_CANDIDATES + 1]
        if wanted.system:
            statement = "SELECT member_id FROM member_identifier WHERE value = %s AND system = %s LIMIT %s"
            parameters = [wanted.value, wanted.system, MAX_CANDIDATES + 1]
        chosen = {member_id for (member_id,) in await unprepared(connection, statement, parameters)}
        _reject_too_many("identifier", chosen)
        return chosen
    if filters.query and filters.query.ids:
        return named
    if filters.contract_id:
        statement = (
            "SELECT m.member_id FROM enrollment_group g JOIN group_member m USING (group_key)"
            " WHERE g.contract_id = %s ORDER BY g.primary_id LIMIT %s"
        )
        rows = await unprepared(connection, statement, [filters.contract_id, MAX_SMALL_CONTRACT + 1])
        if len(rows) <= MAX_SMALL_CONTRACT:
            return {member_id for (member_id,) in rows}
    return None


def _reject_too_many(field_name: str, members: Collection[UUID]) -> None:
    if len(members) > MAX_CANDIDATES:
        sentence = f"matches identifiers or groups of more than {MAX_CANDIDATES} members; set identifier.system"
        raise RequestMalformed([FieldViolation(field_name, sentence)])


async def _ranked(
    connection: Connection, filters: SearchFilters, named: dict[UUID, _Named], members: Collection[UUID]
) -> list[Match]:
    """Returns the matches among the given members, based on their rows in the index."""
    if not members:
        return []
    born = birth_term(filters.born_on) if filters.born_on else None
    statement = "SELECT member_id, term, name FROM member_search WHERE member_id = ANY(%s) AND term = ANY(%s)"
    terms = [EVERY_NAME, born] if born else [EVERY_NAME]
    names: dict[UUID, str] = {}
    born_then: set[UUID] = set()
    for member_id, term, name in await unprepared(connection, statement, [list(members), terms]):
        names[member_id] = name
        if term == born:
            born_then.add(member_id)
    possible = set(members) & born_then if born else set(members)
    if filters.contract_id:
        statement = (
            "SELECT m.member_id FROM group_member m JOIN enrollment_group g USING (group_key)"
            " WHERE m.member_id = ANY(%s) AND g.contract_id = %s"
        )
        rows = await unprepared(connection, statement, [list(possible), filters.contract_id])
        possible &= {member_id for (member_id,) in rows}
    found = []
    for member_id in possible:
        by, name = named.get(member_id) or _Named(), names.get(member_id, "")
        ranked = rank(filters.query, name, by.ids, by.values) if filters.query else Rank.ID
        if ranked is not None:
            found.append(Match(ranked, name, member_id))
    return await _unmerged(connection, found)


async def _unmerged(connection: Connection, matches: list[Match]) -> list[Match]:
    """Returns the matches without members who were merged into others."""
    if not matches:
        return matches
    statement: LiteralString = (
        "SELECT w.id FROM unnest(%s::uuid[]) AS w (id)"
        # OFFSET prevents PostgreSQL from reading all merges.
        " WHERE EXISTS (SELECT FROM member_merge WHERE from_member_id = w.id OFFSET 0)"
    )
    merged = {id_ for (id_,) in await unprepared(connection, statement, [[match.member_id for match in matches]])}
    return [match for match in matches if match.member_id not in merged]
