"""Searches for members, and fills the search index."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from itertools import takewhile
from uuid import UUID

from domain.catalog.contract import Contract
from domain.days import to_day
from domain.errors import FieldViolation, RequestMalformed
from domain.member_search import Match
from domain.membership import MembershipType
from operations.call import Call
from operations.core import Core
from operations.history import refresh
from operations.member_aliases import MergedId
from operations.paging import Page
from operations.sources import known_contracts
from storage import member_index
from storage.member_groups import GroupOfMember, groups_of_members
from storage.member_search import SearchFilters, find
from storage.members import RecordedMember
from storage.name_search import FoundPage
from storage.postgres.database import Connection

MAX_GROUPS = 20
"""Maximum number of groups that are reported for one member."""

MAX_STORED_BYTES = 8 * 1024 * 1024
"""Maximum stored size of the members that one call reads. A page ends before it is exceeded."""

INDEXED_PER_TRANSACTION = 250
"""Large enough that a commit costs little per member, and small enough that writers only wait briefly."""


@dataclass(frozen=True, slots=True)
class HitGroup:
    """A group of a member who was found. `membership_type` is None if the member has no role in it yet."""

    group_id: UUID
    contract: Contract
    primary_id: UUID
    membership_type: MembershipType | None
    enrolled_today: bool


@dataclass(frozen=True, slots=True)
class Hit:
    """A member who was found, with up to `MAX_GROUPS` groups."""

    match: Match
    recorded: RecordedMember
    groups: tuple[HitGroup, ...]
    groups_omitted: int


@dataclass(frozen=True, slots=True)
class SearchResult:
    """A page of hits. `resume_after` is None on the last page.

    `is_complete` is False while the index is being filled. Until then, members can be missing or only be found by an
    earlier name. `merged` are the ids in the query that belong to merged members; those into whom they were merged are
    found instead.
    """

    hits: tuple[Hit, ...]
    resume_after: Match | None
    is_complete: bool
    merged: tuple[MergedId, ...] = ()


async def search_members(core: Core, call: Call, filters: SearchFilters, page: Page[Match | None]) -> SearchResult:
    """Returns the members who match, best matches first. Raises RequestMalformed."""
    if not (filters.query or filters.born_on or filters.identifier):
        raise RequestMalformed([FieldViolation("query", "is required unless born_on or identifier is set")])
    filters, merged = await _resolved(core, filters)
    async with core.database.snapshot() as connection:
        is_complete = await member_index.is_complete(connection)
        found = await find(connection, filters, page.after, page.size)
        ids = [match.member_id for match in found.matches]
        members, omitted = await core.members.newest_up_to(connection, ids, MAX_STORED_BYTES)
        found = _until(found, omitted)
        groups = await groups_of_members(connection, ids, MAX_GROUPS)
        contract_ids = {group.contract_id for listed, _ in groups.values() for group in listed}
        contracts = await known_contracts(core.contract_source, connection, contract_ids, hold=False)
    hits = []
    for match in found.matches:
        listed, number = groups.get(match.member_id, ([], 0))
        hit_groups = tuple(_hit_group(call, group, contracts[group.contract_id]) for group in listed)
        hits.append(Hit(match, members[match.member_id], hit_groups, number - len(listed)))
    return SearchResult(tuple(hits), found.resume_after, is_complete, merged)


async def _resolved(core: Core, filters: SearchFilters) -> tuple[SearchFilters, tuple[MergedId, ...]]:
    """Returns the filters with the ids into which members in the query were merged, and the replaced ids."""
    query = filters.query
    if query is None or not query.ids:
        return filters, ()
    if not core.aliases.are_fresh:
        await refresh(core)
    into = {id_: other for id_ in query.ids if (other := core.aliases.resolved(id_)) != id_}
    merged = tuple(MergedId(str(id_), str(other)) for id_, other in into.items())
    return (replace(filters, query=query.with_ids(into)) if into else filters), merged


def _until(found: FoundPage, omitted: Collection[UUID]) -> FoundPage:
    """Returns the matches before the first one that was omitted because of the size limit."""
    read = list(takewhile(lambda match: match.member_id not in omitted, found.matches))
    return found if len(read) == len(found.matches) else FoundPage(read, read[-1])


def _hit_group(call: Call, group: GroupOfMember, contract: Contract) -> HitGroup:
    today = to_day(call.today(contract.time_zone))
    return HitGroup(group.group_id, contract, group.primary_id, group.membership_type, group.enrolled.holds(today))


async def index_some_members(core: Core) -> int | None:
    """Indexes some members from the queue. Returns their number, or None if nothing is left for this server."""

    async def work(tx: Connection) -> int | None:
        return await member_index.index_next(tx, INDEXED_PER_TRANSACTION)

    return await core.database.write(work, patient=False)


async def count_ranges_to_index(core: Core, limit: int) -> int:
    """Returns the number of ranges of members that have yet to be indexed, at most `limit`."""
    async with core.database.reading() as connection:
        return await member_index.count_ranges(connection, limit)
