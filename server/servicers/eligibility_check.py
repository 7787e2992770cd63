"""`affilia.eligibility.v1.EligibilityCheckService`."""

from typing import Any
from uuid import UUID

from affilia.eligibility.v1 import eligibility_check_service_pb2 as pb
from affilia.eligibility.v1.eligibility_check_service_pb2_grpc import EligibilityCheckServiceServicer
from domain.days import Span, to_day
from domain.eligibility.checks import Question
from domain.enrollment.events import BEFORE_ALL_GROUPS
from server.mapping.dates import date_from_proto, span_to_proto
from server.mapping.eligibility import (
    accumulators_to_proto,
    answer_to_bytes,
    balance_to_proto,
    batch_from_proto,
    bounded_span_from_proto,
    outcomes_to_bytes,
    question_from_proto,
    record_to_proto,
    records_to_proto,
)
from server.mapping.paging import next_page_token, page_size, page_start, written_from_token
from server.operations import eligibility
from server.operations.call import current_call
from server.operations.core import Core
from server.operations.eligibility_state import Written
from server.rpc_types import Context
from server.tokens import Tokens
from storage.coverage import CoverageFilter

YEARS_BACK_DAYS, YEAR_AHEAD_DAYS = 3653, 366


class EligibilityCheckServicer(EligibilityCheckServiceServicer):
    def __init__(self, core: Core, tokens: Tokens) -> None:
        self._core = core
        self._tokens = tokens

    def _written(self, request: Any) -> Written:
        return written_from_token(request, self._tokens)

    async def CheckEligibility(self, request: pb.CheckEligibilityRequest, context: Context) -> Any:
        question, written = question_from_proto(request.check), self._written(request)
        return answer_to_bytes(await eligibility.check_eligibility(self._core, current_call(), question, written))

    async def BatchCheckEligibility(self, request: pb.BatchCheckEligibilityRequest, context: Context) -> Any:
        asked = batch_from_proto(request.checks)
        questions = [each for each in asked if isinstance(each, Question)]
        answers = await eligibility.check_many(self._core, current_call(), questions, self._written(request))
        return outcomes_to_bytes(asked, answers)

    async def CheckCapability(self, request: pb.CheckCapabilityRequest, context: Context) -> pb.CheckCapabilityResponse:
        found = await eligibility.check_capability(
            self._core,
            current_call(),
            UUID(request.member_id),
            request.capability,
            to_day(date_from_proto(request.date)),
            self._written(request),
        )
        return pb.CheckCapabilityResponse(
            capable=found.days is not None,
            days=span_to_proto(found.days) if found.days else None,
            feed_position=found.position,
        )

    async def ListCapabilities(
        self, request: pb.ListCapabilitiesRequest, context: Context
    ) -> pb.ListCapabilitiesResponse:
        member_id, day = UUID(request.member_id), to_day(date_from_proto(request.date))
        found, position = await eligibility.list_capabilities(
            self._core, current_call(), member_id, day, self._written(request)
        )
        return pb.ListCapabilitiesResponse(capabilities=found, feed_position=position)

    async def GetCoverage(self, request: pb.GetCoverageRequest, context: Context) -> pb.GetCoverageResponse:
        record = await eligibility.get_coverage(
            self._core, current_call(), UUID(request.locator), self._written(request)
        )
        return pb.GetCoverageResponse(record=record_to_proto(record))

    async def GetActiveCoverage(
        self, request: pb.GetActiveCoverageRequest, context: Context
    ) -> pb.GetActiveCoverageResponse:
        call = current_call()
        on = date_from_proto(request.date) if request.HasField("date") else call.today("UTC")
        question = Question(UUID(request.member_id), to_day(on))
        answer = await eligibility.check_eligibility(self._core, call, question, self._written(request))
        return pb.GetActiveCoverageResponse(
            records=records_to_proto(answer.finding.records), feed_position=answer.position
        )

    async def ListMemberCoverage(
        self, request: pb.ListMemberCoverageRequest, context: Context
    ) -> pb.ListMemberCoverageResponse:
        call = current_call()
        after, size = page_start(request, self._tokens), page_size(request)
        if request.HasField("days"):
            days = bounded_span_from_proto(request.days, "days")
        elif after:
            days = Span(*after[:2])
        else:
            today = to_day(call.today("UTC"))
            days = Span(today - YEARS_BACK_DAYS, today + YEAR_AHEAD_DAYS)
        written = self._written(request)
        found = await eligibility.member_coverage(self._core, call, UUID(request.member_id), days, written)
        places = [[*days, r.days.start, str(r.run.group_id), str(r.run.module_id)] for r in found]
        page = [i for i, place in enumerate(places) if not after or place[2:] > after[2:]][:size]
        return pb.ListMemberCoverageResponse(
            records=[record_to_proto(found[i]) for i in page],
            next_page_token=next_page_token(
                request, self._tokens, bool(page) and page[-1] < len(found) - 1, places[page[-1]] if page else None
            ),
        )

    async def ListCoverage(self, request: pb.ListCoverageRequest, context: Context) -> pb.ListCoverageResponse:
        after, size = UUID(page_start(request, self._tokens) or str(BEFORE_ALL_GROUPS)), page_size(request)
        wanted = CoverageFilter(
            UUID(request.contract_id) if request.contract_id else None,
            UUID(request.group_id) if request.group_id else None,
            UUID(request.module_id) if request.module_id else None,
            bounded_span_from_proto(request.days, "days"),
        )
        written = self._written(request)
        records, last = await eligibility.list_coverage(self._core, current_call(), wanted, after, size, written)
        return pb.ListCoverageResponse(
            records=records_to_proto(records),
            next_page_token=next_page_token(request, self._tokens, last is not None, str(last)),
        )

    async def GetAccumulators(self, request: pb.GetAccumulatorsRequest, context: Context) -> pb.GetAccumulatorsResponse:
        question = Question(UUID(request.member_id), to_day(date_from_proto(request.date)))
        answer = await eligibility.check_eligibility(self._core, current_call(), question, self._written(request))
        return pb.GetAccumulatorsResponse(
            accumulators=accumulators_to_proto(answer.accumulators), feed_position=answer.position
        )

    async def ListAccumulators(
        self, request: pb.ListAccumulatorsRequest, context: Context
    ) -> pb.ListAccumulatorsResponse:
        self._written(request)  # balances are read where they are written
        after, size = page_start(request, self._tokens), page_size(request)
        found = await eligibility.list_balances(
            self._core, current_call(), UUID(request.group_id), tuple(after) if after else None, size
        )
        last = [str(found[-1].term_start), found[-1].code, str(found[-1].member_id)] if found else None
        return pb.ListAccumulatorsResponse(
            balances=[balance_to_proto(balance) for balance in found],
            next_page_token=next_page_token(request, self._tokens, len(found) == size, last),
        )
