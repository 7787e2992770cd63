"""`affilia.enrollment.v1.ChangeRequestService`."""

from uuid import UUID

from affilia.enrollment.v1 import change_request_service_pb2 as pb
from affilia.enrollment.v1.change_request_service_pb2_grpc import ChangeRequestServiceServicer
from domain.errors import FieldViolation, RequestMalformed
from domain.identity import group_id
from operations import change_requests, recomputes, submitting
from operations.call import current_call
from operations.core import Core
from server.identity.requesters import agree_with_caller
from server.mapping.change_request import (
    change_request_filter_from_proto,
    change_request_to_proto,
    choice_to_proto,
    dry_run_to_proto,
    proposal_from_proto,
    recompute_filter_from_proto,
    recompute_to_proto,
    simulated_to_proto,
)
from server.mapping.dates import date_from_proto
from server.mapping.enrollment_group import group_to_proto, key_from_proto
from server.mapping.enums import MEMBERSHIP_TYPES
from server.mapping.fingerprints import write_key
from server.mapping.listing import position_from_json, position_to_json
from server.mapping.paging import MAX_PAGE_BYTES, current_page
from server.mapping.stored_view import group_of_view
from server.rpc_types import Context
from server.tokens import Tokens


class ChangeRequestServicer(ChangeRequestServiceServicer):
    def __init__(self, core: Core, tokens: Tokens) -> None:
        self._core = core
        self._tokens = tokens

    async def SubmitChangeRequest(
        self, request: pb.SubmitChangeRequestRequest, context: Context
    ) -> pb.SubmitChangeRequestResponse:
        call = current_call()
        agree_with_caller(request.requester, call.caller, request.group.primary_id)
        key, proposal = write_key(request, self._tokens), proposal_from_proto(request)
        submitted = await submitting.submit(self._core, call, key, proposal)
        return pb.SubmitChangeRequestResponse(
            change_request=change_request_to_proto(submitted.change_request),
            group=group_of_view(submitted.view) if submitted.view else group_to_proto(submitted.group),
        )

    async def GetChangeRequest(
        self, request: pb.GetChangeRequestRequest, context: Context
    ) -> pb.GetChangeRequestResponse:
        found = await change_requests.get_change_request(self._core, UUID(request.change_request_id))
        return pb.GetChangeRequestResponse(change_request=change_request_to_proto(found))

    async def ListChangeRequests(
        self, request: pb.ListChangeRequestsRequest, context: Context
    ) -> pb.ListChangeRequestsResponse:
        page, which = current_page(), change_request_filter_from_proto(request)
        if request.group_id:
            found, has_more = await change_requests.list_of_group(
                self._core, UUID(request.group_id), which, page.starting(int, first=0), MAX_PAGE_BYTES
            )
        else:
            found, has_more = await change_requests.list_of_all(
                self._core, which, page.starting(position_from_json, first=None), MAX_PAGE_BYTES
            )
        requests, token = page.filled(
            found,
            lambda item: change_request_to_proto(item[1]),
            lambda last: last[0].key if request.group_id else position_to_json(last[0]),
            has_more=has_more,
        )
        return pb.ListChangeRequestsResponse(change_requests=requests, next_page_token=token)

    async def SimulateChangeRequest(
        self, request: pb.SimulateChangeRequestRequest, context: Context
    ) -> pb.SimulateChangeRequestResponse:
        call = current_call()
        agree_with_caller(request.requester, call.caller, request.group.primary_id)
        proposal = proposal_from_proto(request)
        cost_on = date_from_proto(request.cost_on) if request.HasField("cost_on") else None
        simulated = await change_requests.simulate(self._core, call, proposal, cost_on)
        return simulated_to_proto(group_id(*proposal.key), simulated)

    async def ListAvailableChoices(
        self, request: pb.ListAvailableChoicesRequest, context: Context
    ) -> pb.ListAvailableChoicesResponse:
        by_id = request.WhichOneof("group") == "group_id"
        found = await change_requests.available_choices(
            self._core,
            current_call(),
            UUID(request.group_id) if by_id else key_from_proto(request.key),
            UUID(request.member_id),
            MEMBERSHIP_TYPES.given(request.membership_type),
            date_from_proto(request.on),
        )
        return pb.ListAvailableChoicesResponse(choices=[choice_to_proto(choice, cost) for choice, cost in found])

    async def RequestRecompute(
        self, request: pb.RequestRecomputeRequest, context: Context
    ) -> pb.RequestRecomputeResponse:
        call, key = current_call(), write_key(request, self._tokens)
        if request.WhichOneof("target") == "contract_id":
            reject_dry_run_of_contract(request)
            waiting = await recomputes.request_for_contract(self._core, call, key, UUID(request.contract_id))
            return pb.RequestRecomputeResponse(groups_waiting=waiting)
        if request.dry_run:
            return dry_run_to_proto(await recomputes.dry_run(self._core, call, UUID(request.group_id)))
        recompute = await recomputes.request_for_group(self._core, call, key, UUID(request.group_id))
        return pb.RequestRecomputeResponse(recompute=recompute_to_proto(recompute), groups_waiting=1)

    async def GetRecompute(self, request: pb.GetRecomputeRequest, context: Context) -> pb.GetRecomputeResponse:
        found = await recomputes.get_recompute(self._core, UUID(request.recompute_id))
        return pb.GetRecomputeResponse(recompute=recompute_to_proto(found))

    async def ListRecomputes(self, request: pb.ListRecomputesRequest, context: Context) -> pb.ListRecomputesResponse:
        page, which = current_page(), recompute_filter_from_proto(request)
        if request.group_id:
            listed = await recomputes.list_of_group(
                self._core, UUID(request.group_id), which, page.starting(int, first=0)
            )
        else:
            listed = await recomputes.list_of_all(self._core, which, page.starting(position_from_json, first=None))
        found, token = page.filled(
            listed.recomputes,
            lambda item: recompute_to_proto(item[1]),
            lambda last: last[0].key if request.group_id else position_to_json(last[0]),
        )
        return pb.ListRecomputesResponse(
            recomputes=found,
            next_page_token=token,
            waiting_count=listed.waiting,
            failed_count=listed.failed,
        )


def reject_dry_run_of_contract(request: pb.RequestRecomputeRequest) -> None:
    """Raises RequestMalformed for a dry run of a whole contract: its response would have no size limit."""
    if request.dry_run:
        raise RequestMalformed([FieldViolation("dry_run", "is only supported for a single group")])
