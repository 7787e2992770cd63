"""Maps searches for members, and their results."""

from typing import Any
from uuid import UUID

from affilia.catalog.v1 import member_service_pb2 as pb
from affilia.type.v1 import membership_type_pb2
from domain.member_search import Match, Rank, parsed_query
from operations.member_search import Hit, HitGroup
from server.mapping.dates import date_from_proto, date_to_proto
from server.mapping.enums import MEMBERSHIP_TYPES
from server.mapping.member import member_to_proto
from storage.member_search import IdentifierFilter, SearchFilters


def search_filters_from_proto(request: pb.SearchMembersRequest) -> SearchFilters:
    """Returns the filters of a search. Raises RequestMalformed."""
    identifier = request.identifier
    return SearchFilters(
        parsed_query(request.query) if request.query else None,
        date_from_proto(request.born_on) if request.HasField("born_on") else None,
        IdentifierFilter(identifier.system, identifier.value) if request.HasField("identifier") else None,
        UUID(request.contract_id) if request.contract_id else None,
    )


def match_to_key(match: Match) -> Any:
    """Returns the position of a match as JSON, for page tokens."""
    return [match.rank.value, match.name, str(match.member_id)]


def match_from_key(key: Any) -> Match:
    number, name, member_id = key
    return Match(Rank(number), name, UUID(member_id))


def hit_to_proto(hit: Hit) -> pb.MemberHit:
    born_on = hit.recorded.member.facts.born_on
    return pb.MemberHit(
        member=member_to_proto(hit.recorded),
        born_on=date_to_proto(born_on) if born_on else None,
        groups=[hit_group_to_proto(group) for group in hit.groups],
        groups_omitted=hit.groups_omitted,
    )


def hit_group_to_proto(group: HitGroup) -> pb.MemberGroup:
    kind = group.membership_type
    return pb.MemberGroup(
        group_id=str(group.group_id),
        contract_id=str(group.contract.contract_id),
        contract_name=group.contract.display_name,
        primary_id=str(group.primary_id),
        membership_type=(MEMBERSHIP_TYPES.to_proto(kind) if kind else membership_type_pb2.MEMBERSHIP_TYPE_UNSPECIFIED),
        enrolled_today=group.enrolled_today,
    )
