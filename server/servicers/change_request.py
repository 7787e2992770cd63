"""`affilia.enrollment.v1.ChangeRequestService`."""

from uuid import UUID

from affilia.enrollment.v1 import change_request_pb2 as messages
from affilia.enrollment.v1 import change_request_service_pb2 as pb
from affilia.enrollment.v1.change_request_service_pb2_grpc import ChangeRequestServiceServicer
from domain.enrollment.history import GroupState
from domain.errors import FieldViolation, RequestMalformed
from domain.identity import group_id
from server.mapping.change_request import (
    VERDICTS,
    change_request_to_proto,
    choice_to_proto,
    consequence_to_proto,
    notice_to_proto,
    proposal_from_proto,
    recompute_to_proto,
    unmet_to_proto,
    violation_to_proto,
)
from server.mapping.dates import date_from_proto
from server.mapping.enrollment_group import difference_to_proto, group_to_proto, key_from_proto, period_to_proto
from server.mapping.enums import MEMBERSHIP_TYPES
from server.mapping.insurance_cost import cost_change_to_proto, cost_missing_reason
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
from server.operations.eligibility_state import NOTHING, Written
from server.rpc_types import Context
from server.tokens import Tokens


def _written(group: GroupState) -> Written:
    return Written(policy=(group.group_id, group.revision)) if group.revision else NOTHING


class ChangeRequestServicer(ChangeRequestServiceServicer):
    def __init__(self, core: Core, tokens: Tokens) -> None:
        self._core = core
        self._tokens = tokens

    async def SubmitChangeRequest(
        self, request: pb.SubmitChangeRequestRequest, context: Context
    ) -> pb.SubmitChangeRequestResponse:
        submitted = await change_requests.submit(
            self._core, current_call(), write_key(request, self._tokens), proposal_from_proto(request)
        )
        return pb.SubmitChangeRequestResponse(
            change_request=change_request_to_proto(submitted.change_request),
            group=group_to_proto(submitted.group),
            consistency_token=consistency_token(self._tokens, _written(submitted.group)),
        )

    async def GetChangeRequest(
        self, request: pb.GetChangeRequestRequest, context: Context
    ) -> pb.GetChangeRequestResponse:
        check_consistency_token(request, self._tokens)
        found = await change_requests.get_change_request(self._core, current_call(), UUID(request.change_request_id))
        return pb.GetChangeRequestResponse(change_request=change_request_to_proto(found))

    async def ListChangeRequests(
        self, request: pb.ListChangeRequestsRequest, context: Context
    ) -> pb.ListChangeRequestsResponse:
        check_consistency_token(request, self._tokens)
        after, size = page_start(request, self._tokens) or 0, page_size(request)
        found = await change_requests.list_change_requests(
            self._core, current_call(), UUID(request.group_id), after, size
        )
        return pb.ListChangeRequestsResponse(
            change_requests=[change_request_to_proto(change_request) for _, change_request in found],
            next_page_token=next_page_token(request, self._tokens, len(found) == size, found[-1][0] if found else None),
        )

    async def SimulateChangeRequest(
        self, request: pb.SimulateChangeRequestRequest, context: Context
    ) -> pb.SimulateChangeRequestResponse:
        check_consistency_token(request, self._tokens)
        proposal = proposal_from_proto(request)
        simulated = await change_requests.simulate(
            self._core,
            current_call(),
            proposal,
            date_from_proto(request.cost_on) if request.HasField("cost_on") else None,
        )
        judgement, group = simulated.judgement, group_id(*proposal.key)
        return pb.SimulateChangeRequestResponse(
            verdict=VERDICTS.to_proto(judgement.verdict),
            violations=[violation_to_proto(violation) for violation in judgement.violations],
            notices=[notice_to_proto(notice) for notice in judgement.notices],
            consequences=[consequence_to_proto(consequence) for consequence in judgement.consequences],
            periods_before=[period_to_proto(group, period) for period in simulated.before],
            periods_after=[period_to_proto(group, period) for period in simulated.after],
            cost=cost_change_to_proto(simulated.cost),
            cost_missing_reason=cost_missing_reason(simulated.cost),
        )

    async def ListAvailableChoices(
        self, request: pb.ListAvailableChoicesRequest, context: Context
    ) -> pb.ListAvailableChoicesResponse:
        check_consistency_token(request, self._tokens)
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
        response = pb.RequestRecomputeResponse(consistency_token=consistency_token(self._tokens))
        if request.WhichOneof("target") == "contract_id":
            contract_id = UUID(request.contract_id)
            refuse_dry_run_of_contract(request)
            response.groups_waiting = await recomputes.request_for_contract(
                self._core, current_call(), write_key(request, self._tokens), contract_id
            )
        elif request.dry_run:
            tried = await recomputes.dry_run(self._core, current_call(), UUID(request.group_id))
            types = tried.membership_types
            response.differences.extend(difference_to_proto(tried.group_id, d, types) for d in tried.differences)
            response.unmet_enrolls.extend(unmet_to_proto(unmet) for unmet in tried.unmet_enrolls)
        else:
            recompute = await recomputes.request_for_group(
                self._core, current_call(), write_key(request, self._tokens), UUID(request.group_id)
            )
            response.recompute.CopyFrom(recompute_to_proto(recompute))
            response.groups_waiting = 1
        return response

    async def ListRecomputes(self, request: pb.ListRecomputesRequest, context: Context) -> pb.ListRecomputesResponse:
        check_consistency_token(request, self._tokens)
        after, size = page_start(request, self._tokens) or 0, page_size(request)
        state = messages.RecomputeState.Name(request.state).removeprefix("RECOMPUTE_STATE_")
        page = await recomputes.list_recomputes(
            self._core,
            current_call(),
            UUID(request.group_id) if request.group_id else None,
            UUID(request.contract_id) if request.contract_id else None,
            None if state == "UNSPECIFIED" else state,
            after,
            size,
        )
        found = page.recomputes
        return pb.ListRecomputesResponse(
            recomputes=[recompute_to_proto(recompute) for _, recompute in found],
            next_page_token=next_page_token(request, self._tokens, len(found) == size, found[-1][0] if found else None),
            waiting_count=page.waiting,
            failed_count=page.failed,
        )


def refuse_dry_run_of_contract(request: pb.RequestRecomputeRequest) -> None:
    """Raises RequestMalformed: a dry run is of one group, so that its answer has an end."""
    if request.dry_run:
        raise RequestMalformed([FieldViolation("dry_run", "is of one group only")])
