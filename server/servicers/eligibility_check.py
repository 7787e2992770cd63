"""`affilia.eligibility.v1.EligibilityCheckService`."""

from datetime import UTC, datetime
from itertools import groupby
from typing import Any
from uuid import UUID

from affilia.eligibility.v1 import eligibility_check_service_pb2 as pb
from affilia.eligibility.v1.eligibility_check_service_pb2_grpc import EligibilityCheckServiceServicer
from domain.days import Span, to_day
from domain.eligibility.checks import Question
from domain.eligibility.coverage import CoverageRecord
from domain.enrollment.events import BEFORE_ALL_GROUPS
from operations import accumulators, capabilities, coverage, eligibility
from operations.call import current_call
from operations.core import Core
from operations.missing_coverage import explain_missing
from operations.readers import reader_of, reads_groups
from server.mapping.accumulator import accumulators_to_proto
from server.mapping.coverage_record import in_payment_order_to_proto, record_to_proto, records_to_proto
from server.mapping.dates import date_from_proto, span_to_proto
from server.mapping.eligibility import (
    CheckMessages,
    balance_to_proto,
    batch_from_proto,
    bounded_span_from_proto,
    coverage_filter_from_proto,
    day_from_proto,
    question_from_proto,
)
from server.mapping.missing_coverage import explanation_to_proto
from server.mapping.paging import current_page
from server.rpc_types import Context
from server.tokens import Tokens


class EligibilityCheckServicer(EligibilityCheckServiceServicer):
    def __init__(self, core: Core, tokens: Tokens) -> None:
        self._core = core
        self._messages = CheckMessages(core.lease)

    async def CheckEligibility(self, request: pb.CheckEligibilityRequest, context: Context) -> Any:
        question = question_from_proto(request.check)
        answer = await eligibility.check_eligibility(self._core, current_call(), question)
        message = self._messages.of_answer(answer)
        if request.explain and not answer.is_covered:
            message += await self._explanation(question)  # protobuf merges concatenated messages
        return message

    async def _explanation(self, question: Question) -> bytes:
        """Returns the serialized fields that explain why a member isn't covered, if the caller can read groups."""
        call = current_call()
        if not reads_groups(call.caller):
            return b""
        reader = reader_of(call.caller)
        missing = await explain_missing(self._core, call, question, primary_id=reader.member_id)
        return explanation_to_proto(missing, reader).SerializeToString()

    async def BatchCheckEligibility(self, request: pb.BatchCheckEligibilityRequest, context: Context) -> Any:
        asked = batch_from_proto(request.checks)
        questions = [each for each in asked if isinstance(each, Question)]
        call = current_call()
        answers = await eligibility.check_many(self._core, call, questions)
        return self._messages.of_batch(asked, answers, call.merged_ids)

    async def CheckCapability(self, request: pb.CheckCapabilityRequest, context: Context) -> pb.CheckCapabilityResponse:
        found = await capabilities.check_capability(
            self._core,
            current_call(),
            UUID(request.member_id),
            request.capability,
            to_day(date_from_proto(request.date)),
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
        found, position = await capabilities.list_capabilities(self._core, current_call(), member_id, day)
        return pb.ListCapabilitiesResponse(capabilities=found, feed_position=position)

    async def GetCoverage(self, request: pb.GetCoverageRequest, context: Context) -> pb.GetCoverageResponse:
        record = await coverage.get_coverage(self._core, current_call(), UUID(request.locator))
        return pb.GetCoverageResponse(record=record_to_proto(record))

    async def GetActiveCoverage(
        self, request: pb.GetActiveCoverageRequest, context: Context
    ) -> pb.GetActiveCoverageResponse:
        question = Question(UUID(request.member_id), day_from_proto(request))
        answer = await eligibility.check_eligibility(self._core, current_call(), question)
        return pb.GetActiveCoverageResponse(
            records=in_payment_order_to_proto(answer.finding), feed_position=answer.position
        )

    async def ListMemberCoverage(
        self, request: pb.ListMemberCoverageRequest, context: Context
    ) -> pb.ListMemberCoverageResponse:
        call, page = current_call(), current_page()
        days = _coverage_days(request, page.after)
        begun_at = page.after[0] if page.after and days is None else int(call.clock().timestamp())
        call = call.at(datetime.fromtimestamp(begun_at, UTC))  # without days, later pages keep the first page's today
        found = await coverage.member_coverage(self._core, call, UUID(request.member_id), days)
        which = [begun_at, None] if days is None else list(days)

        def key_of(record: CoverageRecord) -> list[Any]:
            return [*which, record.days.start, str(record.run.group_id), str(record.run.module_id)]

        rest = [record for record in found if page.after is None or key_of(record) > page.after]
        records, token = page.filled(rest[: page.size], record_to_proto, key_of, has_more=len(rest) > page.size)
        return pb.ListMemberCoverageResponse(records=records, next_page_token=token)

    async def ListCoverage(self, request: pb.ListCoverageRequest, context: Context) -> pb.ListCoverageResponse:
        page, wanted = current_page(), coverage_filter_from_proto(request)
        after = page.starting(UUID, first=BEFORE_ALL_GROUPS)
        records, last = await coverage.list_coverage(self._core, current_call(), wanted, after)
        policies = [list(of_policy) for _, of_policy in groupby(records, lambda record: record.run.group_id)]
        parts, token = page.filled(
            policies,
            lambda of_policy: pb.ListCoverageResponse(records=records_to_proto(of_policy)),
            lambda of_policy: str(of_policy[0].run.group_id),
            has_more=False,
        )
        if not token and last is not None:  # the next page begins after the last policy read, even if it has no records
            token = page.next_token(str(last))
        return pb.ListCoverageResponse(
            records=[record for part in parts for record in part.records], next_page_token=token
        )

    async def GetAccumulators(self, request: pb.GetAccumulatorsRequest, context: Context) -> pb.GetAccumulatorsResponse:
        question = Question(UUID(request.member_id), to_day(date_from_proto(request.date)))
        answer = await eligibility.check_eligibility(self._core, current_call(), question)
        return pb.GetAccumulatorsResponse(
            accumulators=accumulators_to_proto(answer.accumulators), feed_position=answer.position
        )

    async def ListAccumulators(
        self, request: pb.ListAccumulatorsRequest, context: Context
    ) -> pb.ListAccumulatorsResponse:
        page = current_page()
        found = await accumulators.list_balances(
            self._core, UUID(request.group_id), page.starting(_balance_key, first=None)
        )
        balances, token = page.filled(
            found, balance_to_proto, lambda last: [str(last.term_start), last.code, str(last.member_id)]
        )
        return pb.ListAccumulatorsResponse(balances=balances, next_page_token=token)


def _coverage_days(request: pb.ListMemberCoverageRequest, after: Any) -> Span | None:
    """Returns the days requested, and None for those around each contract's today.

    Page tokens of earlier releases have days in both cases.
    """
    if request.HasField("days"):
        return bounded_span_from_proto(request.days, "days")
    return Span(*after[:2]) if after and after[1] is not None else None


def _balance_key(key: list[str]) -> tuple[str, str, str]:
    term_start, code, member_id = key
    return term_start, code, member_id
