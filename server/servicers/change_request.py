"""`affilia.enrollment.v1.ChangeRequestService`."""

from uuid import UUID

from affilia.enrollment.v1 import change_request_pb2 as messages
from affilia.enrollment.v1 import change_request_service_pb2 as pb
from affilia.enrollment.v1.change_request_service_pb2_grpc import ChangeRequestServiceServicer
from server.mapping.change_request import change_request_to_proto, proposal_from_proto, recompute_to_proto
from server.mapping.enrollment_group import group_to_proto
from server.mapping.paging import (
    check_consistency_token,
    consistency_token,
    next_page_token,
    page_size,
    page_start,
    write_key,
)
from server.operations import change_requests, recomputes
from server.operations.call import current_call
from server.operations.core import Core
from server.rpc_types import Context
from server.tokens import Tokens


class ChangeRequestServicer(ChangeRequestServiceServicer):
    def __init__(self, core: Core, tokens: Tokens) -> None:
        self._core = core
        self._tokens = tokens

    async def SubmitChangeRequest(
        self, request: pb.SubmitChangeRequestRequest, context: Context
    ) -> pb.SubmitChangeRequestResponse:
        submitted = await change_requests.submit(
            self._core, current_call(), write_key(request), proposal_from_proto(request)
        )
        return pb.SubmitChangeRequestResponse(
            change_request=change_request_to_proto(submitted.change_request),
            group=group_to_proto(submitted.group),
            consistency_token=consistency_token(self._tokens),
        )

    async def GetChangeRequest(
        self, request: pb.GetChangeRequestRequest, context: Context
    ) -> pb.GetChangeRequestResponse:
        check_consistency_token(request, self._tokens)
        found = await change_requests.get_change_request(self._core, UUID(request.change_request_id))
        return pb.GetChangeRequestResponse(change_request=change_request_to_proto(found))

    async def ListChangeRequests(
        self, request: pb.ListChangeRequestsRequest, context: Context
    ) -> pb.ListChangeRequestsResponse:
        check_consistency_token(request, self._tokens)
        after, size = page_start(request, self._tokens) or 0, page_size(request)
        found = await change_requests.list_change_requests(self._core, UUID(request.group_id), after, size)
        return pb.ListChangeRequestsResponse(
            change_requests=[change_request_to_proto(change_request) for _, change_request in found],
            next_page_token=next_page_token(request, self._tokens, len(found) == size, found[-1][0] if found else None),
        )

    async def RequestRecompute(
        self, request: pb.RequestRecomputeRequest, context: Context
    ) -> pb.RequestRecomputeResponse:
        recompute = await recomputes.request_recompute(
            self._core, current_call(), write_key(request), UUID(request.group_id)
        )
        return pb.RequestRecomputeResponse(
            recompute=recompute_to_proto(recompute), consistency_token=consistency_token(self._tokens)
        )

    async def ListRecomputes(self, request: pb.ListRecomputesRequest, context: Context) -> pb.ListRecomputesResponse:
        check_consistency_token(request, self._tokens)
        after, size = page_start(request, self._tokens) or 0, page_size(request)
        found = await recomputes.list_recomputes(self._core, UUID(request.group_id), _done(request), after, size)
        return pb.ListRecomputesResponse(
            recomputes=[recompute_to_proto(recompute) for _, recompute in found],
            next_page_token=next_page_token(request, self._tokens, len(found) == size, found[-1][0] if found else None),
        )


def _done(request: pb.ListRecomputesRequest) -> bool | None:
    return {messages.RECOMPUTE_STATE_WAITING: False, messages.RECOMPUTE_STATE_DONE: True}.get(request.state)
