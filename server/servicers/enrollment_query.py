"""`affilia.enrollment.v1.EnrollmentQueryService`."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

from affilia.enrollment.v1 import enrollment_query_service_pb2 as pb
from affilia.enrollment.v1.enrollment_query_service_pb2_grpc import EnrollmentQueryServiceServicer
from domain.enrollment.decisions import EnrollmentKey
from domain.enrollment.events import ResumePoint
from operations import enrollment, feed
from operations.call import current_call
from operations.core import Core
from operations.feed import FeedStart
from server.mapping.enrollment_event import (
    FEED_STARTS,
    FeedMessages,
    ResumeTokens,
    filter_from_proto,
    merged_in_filter,
)
from server.mapping.enrollment_group import (
    SOURCES_OF_TRUTH,
    as_of_from_proto,
    difference_to_proto,
    group_filter_from_proto,
    group_from_proto,
    group_id_from_proto,
    group_to_proto,
    revision_to_proto,
    touching_from_proto,
)
from server.mapping.paging import current_page
from server.mapping.stored_view import response_of_view
from server.rpc_types import Context
from server.tokens import Tokens


class EnrollmentQueryServicer(EnrollmentQueryServiceServicer):
    def __init__(self, core: Core, tokens: Tokens) -> None:
        self._core = core
        self._tokens = tokens
        self._messages = FeedMessages()

    async def GetEnrollmentGroup(self, request: pb.GetEnrollmentGroupRequest, context: Context) -> Any:
        call, as_of, touching = current_call(), as_of_from_proto(request), touching_from_proto(request)
        source = SOURCES_OF_TRUTH.from_proto(request.source_of_truth)
        view = await enrollment.find_view(self._core, call, group_id_from_proto(request), as_of, touching, source)
        if view is not None and (response := response_of_view(view)) is not None:
            return response
        state = await enrollment.get_group(self._core, call, group_from_proto(request), as_of, touching, source)
        return pb.GetEnrollmentGroupResponse(group=group_to_proto(state))

    async def ListEnrollmentGroups(
        self, request: pb.ListEnrollmentGroupsRequest, context: Context
    ) -> pb.ListEnrollmentGroupsResponse:
        page, which = current_page(), group_filter_from_proto(request)
        as_of, touching = as_of_from_proto(request), touching_from_proto(request)
        states = await enrollment.list_groups(
            self._core,
            current_call(),
            which,
            as_of,
            touching,
            page.starting(UUID, first=None),
            SOURCES_OF_TRUTH.from_proto(request.source_of_truth),
        )
        groups, token = page.filled(states, group_to_proto, lambda last: str(last.group_id))
        return pb.ListEnrollmentGroupsResponse(groups=groups, next_page_token=token)

    async def ListRevisions(self, request: pb.ListRevisionsRequest, context: Context) -> pb.ListRevisionsResponse:
        page = current_page()
        found = await enrollment.list_revisions(self._core, UUID(request.group_id), page.starting(int, first=0))
        revisions, token = page.filled(found, revision_to_proto, lambda last: last.revision)
        return pb.ListRevisionsResponse(revisions=revisions, next_page_token=token)

    async def DiffRevisions(self, request: pb.DiffRevisionsRequest, context: Context) -> pb.DiffRevisionsResponse:
        group_id = UUID(request.group_id)
        found = await enrollment.diff_revisions(
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
        watching = feed.watch(self._core, current_call(), _start(request, tokens), wanted, tokens.token_of)
        reported = wanted
        try:
            async for delivered in watching:
                messages = self._messages.of(delivered, tokens)
                number, filtered = feed.erasure_number_of(delivered), delivered.wanted
                del delivered  # so that a stalled reader keeps only the messages in memory, not the events
                for message in messages:
                    await feed.reject_erased(self._core, number)
                    yield message if filtered is reported else message + merged_in_filter(filtered, reported)
                    reported = filtered
                del messages, message  # an idle stream keeps nothing in memory
        finally:
            await watching.aclose()


def _start(request: pb.WatchEnrollmentsRequest, tokens: ResumeTokens) -> FeedStart | ResumePoint:
    if request.WhichOneof("start") == "resume_token":
        return tokens.point_of(request.resume_token)
    return FEED_STARTS.from_proto(getattr(request, "from"))
