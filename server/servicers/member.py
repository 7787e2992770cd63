"""`affilia.catalog.v1.MemberService`."""

import asyncio
from uuid import UUID

from affilia.catalog.v1 import member_service_pb2 as pb
from affilia.catalog.v1.member_service_pb2_grpc import MemberServiceServicer
from domain.errors import IdentifierTaken
from operations import members
from operations.call import current_call
from operations.core import Core
from operations.erasing import erase_member
from operations.member_search import search_members
from operations.merging import merge_members
from server.identity.access_policy import MEMBER
from server.mapping.dates import date_to_proto, timestamp_from_proto, timestamp_to_proto
from server.mapping.fingerprints import write_key
from server.mapping.member import (
    facts_to_proto,
    identifier_from_proto,
    member_from_proto,
    member_to_proto,
    member_with_facts_to_proto,
    resolved_identifiers_to_proto,
    update_from_proto,
)
from server.mapping.member_merging import merge_from_proto, merge_to_proto
from server.mapping.member_search import (
    hit_to_proto,
    match_from_key,
    match_to_key,
    search_filters_from_proto,
)
from server.mapping.merged_ids import merged_to_proto
from server.mapping.paging import MAX_PAGE_BYTES, FittingMessages, current_page
from server.rpc_types import Context
from server.tokens import Tokens
from storage.members import MEMBERS_AT_A_TIME

MAX_STORED_BYTES = 2 * MAX_PAGE_BYTES
"""Maximum stored size of the members that one call reads: more than fits into a response, but still limited."""


class MemberServicer(MemberServiceServicer):
    def __init__(self, core: Core, tokens: Tokens) -> None:
        self._core = core
        self._tokens = tokens

    async def UpsertMember(self, request: pb.UpsertMemberRequest, context: Context) -> pb.UpsertMemberResponse:
        call = current_call()
        try:
            recorded = await members.upsert_member(
                self._core, call, write_key(request, self._tokens), member_from_proto(request.member), request.etag
            )
        except IdentifierTaken as taken:
            raise taken if MEMBER["GetMember"].admits(call.caller) else taken.without_member() from None
        return pb.UpsertMemberResponse(
            member=member_to_proto(recorded),
        )

    async def RecordFacts(self, request: pb.RecordFactsRequest, context: Context) -> pb.RecordFactsResponse:
        recorded = await members.record_facts(
            self._core,
            current_call(),
            write_key(request, self._tokens),
            members.ExpectedMember(UUID(request.member_id), request.etag),
            update_from_proto(request),
        )
        return pb.RecordFactsResponse(
            recorded_at=timestamp_to_proto(recorded.recorded_at),
            groups_concerned=recorded.groups_concerned,
            etag=recorded.etag,
        )

    async def MergeMembers(self, request: pb.MergeMembersRequest, context: Context) -> pb.MergeMembersResponse:
        merged = await merge_members(
            self._core, current_call(), write_key(request, self._tokens), merge_from_proto(request)
        )
        return merge_to_proto(merged)

    async def EraseMember(self, request: pb.EraseMemberRequest, context: Context) -> pb.EraseMemberResponse:
        erased = await erase_member(
            self._core,
            current_call(),
            write_key(request, self._tokens),
            UUID(request.member_id),
            keep_periods=request.keep_periods or not request.HasField("keep_periods"),
        )
        return pb.EraseMemberResponse(
            erased_on=date_to_proto(erased.on),
            groups_closed=erased.groups,
        )

    async def GetMember(self, request: pb.GetMemberRequest, context: Context) -> pb.GetMemberResponse:
        as_of = timestamp_from_proto(request.as_of) if request.HasField("as_of") else None
        recorded = await members.get_member(self._core, current_call(), UUID(request.member_id), as_of)
        return pb.GetMemberResponse(
            member=member_to_proto(recorded),
            facts=facts_to_proto(recorded.member.facts),
        )

    async def BatchGetMembers(self, request: pb.BatchGetMembersRequest, context: Context) -> pb.BatchGetMembersResponse:
        ids = list(dict.fromkeys(UUID(member_id) for member_id in request.member_ids))
        found, too_large = await members.get_members(self._core, ids, MAX_STORED_BYTES)
        existing = [member_id for member_id in ids if member_id in found]
        response = FittingMessages[pb.MemberWithFacts]()
        for n, member_id in enumerate(existing, start=1):
            if not response.add(member_with_facts_to_proto(found[member_id])):
                break
            if n % MEMBERS_AT_A_TIME == 0:
                await asyncio.sleep(0)  # lets other calls run
        omitted = {*existing[len(response.messages) :], *too_large}
        return pb.BatchGetMembersResponse(
            members=response.messages,
            unknown_member_ids=[str(each) for each in ids if each not in found and each not in too_large],
            omitted_member_ids=[str(each) for each in ids if each in omitted],
        )

    async def ResolveIdentifiers(
        self, request: pb.ResolveIdentifiersRequest, context: Context
    ) -> pb.ResolveIdentifiersResponse:
        identifiers = list(dict.fromkeys(identifier_from_proto(each) for each in request.identifiers))
        owners = await members.resolve_identifiers(self._core, identifiers)
        return resolved_identifiers_to_proto(identifiers, owners)

    async def SearchMembers(self, request: pb.SearchMembersRequest, context: Context) -> pb.SearchMembersResponse:
        filters, page = search_filters_from_proto(request), current_page()
        found = await search_members(self._core, current_call(), filters, page.starting(match_from_key, first=None))
        hits, token = page.filled(
            found.hits, hit_to_proto, lambda hit: match_to_key(hit.match), has_more=found.resume_after is not None
        )
        if found.resume_after and len(hits) == len(found.hits):
            token = page.next_token(match_to_key(found.resume_after))
        return pb.SearchMembersResponse(
            hits=hits,
            next_page_token=token,
            is_complete=found.is_complete,
            merged_members=merged_to_proto(found.merged),
        )

    async def ListMembers(self, request: pb.ListMembersRequest, context: Context) -> pb.ListMembersResponse:
        page = current_page()
        found = await members.list_members(self._core, page.starting(UUID, first=None))
        listed, token = page.filled(found, member_to_proto, lambda last: str(last.member.member_id))
        return pb.ListMembersResponse(members=listed, next_page_token=token)
