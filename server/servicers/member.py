"""`affilia.catalog.v1.MemberService`."""

from uuid import UUID

from affilia.catalog.v1 import member_service_pb2 as pb
from affilia.catalog.v1.member_service_pb2_grpc import MemberServiceServicer
from server.mapping.dates import date_to_proto, timestamp_from_proto, timestamp_to_proto
from server.mapping.member import (
    MEMBER_KINDS,
    facts_to_proto,
    member_to_proto,
    timeline_from_proto,
)
from server.mapping.paging import (
    check_consistency_token,
    consistency_token,
    next_page_token,
    page_size,
    page_start,
    write_key,
)
from server.operations import members
from server.operations.call import current_call
from server.operations.core import Core
from server.operations.erasing import erase_member
from server.rpc_types import Context
from server.tokens import Tokens


class MemberServicer(MemberServiceServicer):
    def __init__(self, core: Core, tokens: Tokens) -> None:
        self._core = core
        self._tokens = tokens

    async def UpsertMember(self, request: pb.UpsertMemberRequest, context: Context) -> pb.UpsertMemberResponse:
        member = request.member
        recorded = await members.upsert_member(
            self._core,
            current_call(),
            write_key(request, self._tokens),
            UUID(member.member_id),
            MEMBER_KINDS.from_proto(member.kind),
            member.display_name,
        )
        return pb.UpsertMemberResponse(
            member=member_to_proto(recorded.member, recorded.recorded_at),
            consistency_token=consistency_token(self._tokens),
        )

    async def RecordFacts(self, request: pb.RecordFactsRequest, context: Context) -> pb.RecordFactsResponse:
        recorded = await members.record_facts(
            self._core,
            current_call(),
            write_key(request, self._tokens),
            UUID(request.member_id),
            timeline_from_proto(request),
        )
        return pb.RecordFactsResponse(
            recorded_at=timestamp_to_proto(recorded.recorded_at),
            groups_concerned=recorded.groups_concerned,
            consistency_token=consistency_token(self._tokens),
        )

    async def EraseMember(self, request: pb.EraseMemberRequest, context: Context) -> pb.EraseMemberResponse:
        erased = await erase_member(
            self._core, current_call(), write_key(request, self._tokens), UUID(request.member_id)
        )
        return pb.EraseMemberResponse(
            erased_on=date_to_proto(erased.on),
            groups_closed=erased.groups,
            consistency_token=consistency_token(self._tokens),
        )

    async def GetMember(self, request: pb.GetMemberRequest, context: Context) -> pb.GetMemberResponse:
        check_consistency_token(request, self._tokens)
        as_of = timestamp_from_proto(request.as_of) if request.HasField("as_of") else None
        recorded = await members.get_member(self._core, current_call(), UUID(request.member_id), as_of)
        return pb.GetMemberResponse(
            member=member_to_proto(recorded.member, recorded.recorded_at),
            facts=facts_to_proto(recorded.member.facts),
        )

    async def ListMembers(self, request: pb.ListMembersRequest, context: Context) -> pb.ListMembersResponse:
        check_consistency_token(request, self._tokens)
        after, size = page_start(request, self._tokens), page_size(request)
        found = await members.list_members(self._core, current_call(), UUID(after) if after else None, size)
        last = str(found[-1].member.member_id) if found else None
        return pb.ListMembersResponse(
            members=[member_to_proto(recorded.member, recorded.recorded_at) for recorded in found],
            next_page_token=next_page_token(request, self._tokens, len(found) == size, last),
        )
