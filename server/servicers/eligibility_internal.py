"""`affilia.eligibility.v1.EligibilityInternalService`."""

from uuid import UUID

from affilia.eligibility.v1 import eligibility_internal_service_pb2 as pb
from affilia.eligibility.v1.eligibility_internal_service_pb2_grpc import EligibilityInternalServiceServicer
from domain.days import to_day
from domain.eligibility.checks import Question
from operations import accumulators, eligibility, projection
from operations.call import current_call
from operations.core import Core
from server.mapping.accumulator import accumulators_to_proto
from server.mapping.coverage_record import in_payment_order_to_proto
from server.mapping.dates import date_from_proto
from server.mapping.eligibility import (
    applied_to_proto,
    apply_from_proto,
    later_to_proto,
    ledger_owner_from_proto,
    line_to_proto,
    reversals_to_proto,
)
from server.mapping.paging import current_page
from server.rpc_types import Context
from server.tokens import Tokens


class EligibilityInternalServicer(EligibilityInternalServiceServicer):
    def __init__(self, core: Core, tokens: Tokens) -> None:
        self._core = core

    async def GetMemberCoverage(
        self, request: pb.GetMemberCoverageRequest, context: Context
    ) -> pb.GetMemberCoverageResponse:
        question = Question(UUID(request.member_id), to_day(date_from_proto(request.date)))
        answer = await eligibility.check_eligibility(self._core, current_call(), question)
        return pb.GetMemberCoverageResponse(
            records=in_payment_order_to_proto(answer.finding),
            accumulators=accumulators_to_proto(answer.accumulators),
            feed_position=answer.position,
        )

    async def ApplyAccumulators(
        self, request: pb.ApplyAccumulatorsRequest, context: Context
    ) -> pb.ApplyAccumulatorsResponse:
        answer = await accumulators.apply_accumulators(self._core, current_call(), apply_from_proto(request))
        return pb.ApplyAccumulatorsResponse(
            amounts=applied_to_proto(answer),
        )

    async def ReverseAccumulators(
        self, request: pb.ReverseAccumulatorsRequest, context: Context
    ) -> pb.ReverseAccumulatorsResponse:
        answer = await accumulators.reverse_accumulators(self._core, current_call(), UUID(request.application_id))
        return pb.ReverseAccumulatorsResponse(
            reversals=reversals_to_proto(answer),
            later_excesses=later_to_proto(answer),
        )

    async def ListAccumulatorApplications(
        self, request: pb.ListAccumulatorApplicationsRequest, context: Context
    ) -> pb.ListAccumulatorApplicationsResponse:
        page, owner = current_page(), ledger_owner_from_proto(request)
        found = await accumulators.list_applications(
            self._core, current_call(), owner, request.orphaned_only, page.starting(int, first=0)
        )
        lines, token = page.filled(found, line_to_proto, lambda last: last.entry_key)
        return pb.ListAccumulatorApplicationsResponse(applications=lines, next_page_token=token)

    async def RebuildProjection(
        self, request: pb.RebuildProjectionRequest, context: Context
    ) -> pb.RebuildProjectionResponse:
        rebuilt = await projection.rebuild(self._core, current_call())
        return pb.RebuildProjectionResponse(policies=rebuilt.policies, runs=rebuilt.runs, differing=rebuilt.differing)
