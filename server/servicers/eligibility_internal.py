"""`affilia.eligibility.v1.EligibilityInternalService`."""

from uuid import UUID

from affilia.eligibility.v1 import eligibility_internal_service_pb2 as pb
from affilia.eligibility.v1.eligibility_internal_service_pb2_grpc import EligibilityInternalServiceServicer
from domain.days import to_day
from domain.eligibility.checks import Question
from server.mapping.dates import date_from_proto
from server.mapping.eligibility import (
    accumulators_to_proto,
    applied_to_proto,
    apply_from_proto,
    later_to_proto,
    line_to_proto,
    records_to_proto,
    reversals_to_proto,
)
from server.mapping.paging import consistency_token, next_page_token, page_size, page_start, written_from_token
from server.operations import accumulators, eligibility, projection
from server.operations.call import current_call
from server.operations.core import Core
from server.operations.eligibility_state import Written
from server.rpc_types import Context
from server.tokens import Tokens


class EligibilityInternalServicer(EligibilityInternalServiceServicer):
    def __init__(self, core: Core, tokens: Tokens) -> None:
        self._core = core
        self._tokens = tokens

    async def GetMemberCoverage(
        self, request: pb.GetMemberCoverageRequest, context: Context
    ) -> pb.GetMemberCoverageResponse:
        question = Question(UUID(request.member_id), to_day(date_from_proto(request.date)))
        written = written_from_token(request, self._tokens)
        answer = await eligibility.check_eligibility(self._core, current_call(), question, written)
        return pb.GetMemberCoverageResponse(
            records=records_to_proto(answer.finding.records),
            accumulators=accumulators_to_proto(answer.accumulators),
            feed_position=answer.position,
        )

    async def ApplyAccumulators(
        self, request: pb.ApplyAccumulatorsRequest, context: Context
    ) -> pb.ApplyAccumulatorsResponse:
        written = written_from_token(request, self._tokens)
        answer = await accumulators.apply_accumulators(self._core, current_call(), apply_from_proto(request), written)
        return pb.ApplyAccumulatorsResponse(
            amounts=applied_to_proto(answer),
            consistency_token=consistency_token(self._tokens, Written(usage=(answer.group_id, answer.version))),
        )

    async def ReverseAccumulators(
        self, request: pb.ReverseAccumulatorsRequest, context: Context
    ) -> pb.ReverseAccumulatorsResponse:
        answer = await accumulators.reverse_accumulators(self._core, current_call(), UUID(request.application_id))
        return pb.ReverseAccumulatorsResponse(
            reversals=reversals_to_proto(answer),
            later_excesses=later_to_proto(answer),
            consistency_token=consistency_token(self._tokens, Written(usage=(answer.group_id, answer.version))),
        )

    async def ListAccumulatorApplications(
        self, request: pb.ListAccumulatorApplicationsRequest, context: Context
    ) -> pb.ListAccumulatorApplicationsResponse:
        after, size = page_start(request, self._tokens) or 0, page_size(request)
        by_policy = request.WhichOneof("owner") == "group_id"
        found = await accumulators.list_applications(
            self._core,
            current_call(),
            UUID(request.group_id) if by_policy else None,
            None if by_policy else UUID(request.member_id),
            request.orphaned_only,
            after,
            size,
            written_from_token(request, self._tokens),
        )
        return pb.ListAccumulatorApplicationsResponse(
            applications=[line_to_proto(line) for line in found],
            next_page_token=next_page_token(
                request, self._tokens, len(found) == size, found[-1].entry_key if found else None
            ),
        )

    async def RebuildProjection(
        self, request: pb.RebuildProjectionRequest, context: Context
    ) -> pb.RebuildProjectionResponse:
        rebuilt = await projection.rebuild(self._core, current_call())
        return pb.RebuildProjectionResponse(policies=rebuilt.policies, runs=rebuilt.runs, differing=rebuilt.differing)
