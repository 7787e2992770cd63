"""`affilia.enrollment.v1.EnrollmentQueryService`."""

from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any
from uuid import UUID

from affilia.enrollment.v1 import enrollment_query_service_pb2 as pb
from affilia.enrollment.v1.enrollment_query_service_pb2_grpc import EnrollmentQueryServiceServicer
from domain.days import Span
from domain.enrollment.decisions import EnrollmentKey, GroupKey
from domain.enrollment.events import ResumePoint
from server.mapping.dates import span_from_proto, timestamp_from_proto
from server.mapping.enrollment_event import FEED_STARTS, FeedMessages, ResumeTokens, filter_from_proto
from server.mapping.enrollment_group import (
    difference_to_proto,
    group_to_proto,
    key_from_proto,
    revision_to_proto,
)
from server.mapping.paging import check_consistency_token, next_page_token, page_size, page_start
from server.operations import enrollment as operations
from server.operations import feed as operations_of_feed
from server.operations.call import current_call
from server.operations.core import Core
from server.operations.feed import FeedStart
from server.rpc_types import Context
from server.slow_readers import SlowReaders
from server.tokens import Tokens
from storage.enrollment_reads import AsOf, GroupFilter


class EnrollmentQueryServicer(EnrollmentQueryServiceServicer):
    def __init__(self, core: Core, tokens: Tokens) -> None:
        self._core = core
        self._tokens = tokens
        self._messages = FeedMessages()
        self._slow_readers = SlowReaders()

    async def GetEnrollmentGroup(
        self, request: pb.GetEnrollmentGroupRequest, context: Context
    ) -> pb.GetEnrollmentGroupResponse:
        check_consistency_token(request, self._tokens)
        state = await operations.get_group(
            self._core, current_call(), _group(request), _as_of(request), _touching(request)
        )
        return pb.GetEnrollmentGroupResponse(group=group_to_proto(state))

    async def ListEnrollmentGroups(
        self, request: pb.ListEnrollmentGroupsRequest, context: Context
    ) -> pb.ListEnrollmentGroupsResponse:
        check_consistency_token(request, self._tokens)
        after, size = page_start(request, self._tokens), page_size(request)
        states = await operations.list_groups(
            self._core,
            current_call(),
            _filter(request),
            _as_of(request),
            _touching(request),
            UUID(after) if after else None,
            size,
        )
        return pb.ListEnrollmentGroupsResponse(
            groups=[group_to_proto(state) for state in states],
            next_page_token=next_page_token(
                request, self._tokens, len(states) == size, str(states[-1].group_id) if states else None
            ),
        )

    async def ListRevisions(self, request: pb.ListRevisionsRequest, context: Context) -> pb.ListRevisionsResponse:
        check_consistency_token(request, self._tokens)
        after, size = page_start(request, self._tokens) or 0, page_size(request)
        revisions = await operations.list_revisions(self._core, current_call(), UUID(request.group_id), after, size)
        return pb.ListRevisionsResponse(
            revisions=[revision_to_proto(revision) for revision in revisions],
            next_page_token=next_page_token(request, self._tokens, len(revisions) == size, after + size),
        )

    async def DiffRevisions(self, request: pb.DiffRevisionsRequest, context: Context) -> pb.DiffRevisionsResponse:
        check_consistency_token(request, self._tokens)
        group_id = UUID(request.group_id)
        found = await operations.diff_revisions(
            self._core, current_call(), group_id, request.from_revision, request.to_revision
        )
        return pb.DiffRevisionsResponse(
            differences=[
                difference_to_proto(
                    group_id,
                    difference,
                    found.membership_types,
                    found.causes.get(EnrollmentKey(difference.member_id, difference.module_id), ()),
                )
                for difference in found.differences
            ]
        )

    async def WatchEnrollments(self, request: pb.WatchEnrollmentsRequest, context: Context) -> AsyncIterator[Any]:
        wanted = filter_from_proto(request.filter)
        tokens = ResumeTokens(self._tokens, wanted)
        watching = operations_of_feed.watch(
            self._core, current_call(), _start(request, tokens), wanted, tokens.token_of
        )
        reader = self._slow_readers.reader(context)
        async with aclosing(watching) as deliveries:
            async for delivered in deliveries:
                for message in self._messages.of(delivered, tokens):
                    with reader.sending():
                        yield message


def _start(request: pb.WatchEnrollmentsRequest, tokens: ResumeTokens) -> FeedStart | ResumePoint:
    if request.WhichOneof("start") == "resume_token":
        return tokens.point_of(request.resume_token)
    return FEED_STARTS.from_proto(getattr(request, "from"))


def _group(request: pb.GetEnrollmentGroupRequest) -> UUID | GroupKey:
    return UUID(request.group_id) if request.WhichOneof("group") == "group_id" else key_from_proto(request.key)


def _as_of(request: pb.GetEnrollmentGroupRequest | pb.ListEnrollmentGroupsRequest) -> AsOf:
    match request.WhichOneof("as_of"):
        case "revision":
            return AsOf(revision=request.revision)
        case "instant":
            return AsOf(instant=timestamp_from_proto(request.instant))
        case _:
            return AsOf()


def _touching(request: pb.GetEnrollmentGroupRequest | pb.ListEnrollmentGroupsRequest) -> Span | None:
    return span_from_proto(request.touching) if request.HasField("touching") else None


def _filter(request: pb.ListEnrollmentGroupsRequest) -> GroupFilter:
    match request.WhichOneof("filter"):
        case "contract_id":
            return GroupFilter(contract_id=UUID(request.contract_id))
        case "primary_id":
            return GroupFilter(primary_id=UUID(request.primary_id))
        case _:
            return GroupFilter(member_id=UUID(request.member_id))
