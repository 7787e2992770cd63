"""Maps checks, filters of coverage, and applications to accumulators."""

from collections.abc import Iterable, Sequence
from uuid import UUID

from affilia.eligibility.v1 import accumulator_pb2
from affilia.eligibility.v1 import eligibility_check_service_pb2 as pb
from affilia.eligibility.v1 import eligibility_internal_service_pb2 as internal_pb
from affilia.type.v1 import date_span_pb2
from domain.days import Day, Span, to_date, to_day
from domain.eligibility.accumulators import Applied, Asked
from domain.eligibility.checks import CheckReason, Question
from domain.eligibility.terms import term_id
from domain.errors import DomainError, FieldViolation, RequestMalformed
from operations.accumulators import ApplyAnswer, ApplyRequest, LedgerOwner, ReverseAnswer
from operations.eligibility import Answer
from operations.erasure_lease import ErasureLease
from operations.findings import Found
from operations.member_aliases import MergedId
from server.checking import violations
from server.errors import status_of
from server.mapping.accumulator import add_accumulators, owner_of, set_accumulator
from server.mapping.actors import actor_to_proto
from server.mapping.coverage_record import add_in_payment_order
from server.mapping.dates import date_from_proto, date_to_proto, span_from_proto, timestamp_to_proto
from server.mapping.enums import EnumMapping
from server.mapping.fingerprints import fingerprint
from storage.accumulators import FAMILY, Balance, LedgerLine
from storage.coverage import CoverageFilter

REASONS = EnumMapping(pb.EligibilityReason.DESCRIPTOR, CheckReason)
MAX_YEARS = 100
MAX_CACHED_MESSAGES = 10_000


def day_from_proto(request: pb.EligibilityCheck | pb.GetActiveCoverageRequest) -> Day | None:
    """Returns the day in a message; None if it isn't set, which means today."""
    return to_day(date_from_proto(request.date)) if request.HasField("date") else None


def question_from_proto(check: pb.EligibilityCheck) -> Question:
    return Question(
        UUID(check.member_id),
        day_from_proto(check),
        UUID(check.module_id) if check.module_id else None,
        check.capability,
    )


def batch_from_proto(checks: Iterable[pb.EligibilityCheck]) -> list[Question | RequestMalformed]:
    """Converts each check separately, so that a malformed one fails alone."""
    found: list[Question | RequestMalformed] = []
    for i, check in enumerate(checks):
        wrong = violations(check, f"checks[{i}]")
        found.append(RequestMalformed(wrong) if wrong else question_from_proto(check))
    return found


def bounded_span_from_proto(days: date_span_pb2.DateSpan, field: str) -> Span:
    """Converts a span that must have both days, at most 100 years apart. Raises RequestMalformed."""
    if not (days.HasField("first_on") and days.HasField("last_on")):
        raise RequestMalformed([FieldViolation(field, "needs first_on and last_on")])
    span = span_from_proto(days)
    if to_date(span.end - 1).year - to_date(span.start).year > MAX_YEARS:
        raise RequestMalformed([FieldViolation(field, f"must span at most {MAX_YEARS} years")])
    return span


def coverage_filter_from_proto(request: pb.ListCoverageRequest) -> CoverageFilter:
    """Returns which coverage to list. Raises RequestMalformed."""
    return CoverageFilter(
        UUID(request.contract_id) if request.contract_id else None,
        UUID(request.group_id) if request.group_id else None,
        UUID(request.module_id) if request.module_id else None,
        bounded_span_from_proto(request.days, "days"),
    )


def answer_to_proto(answer: Answer) -> pb.CheckEligibilityResponse:
    message = found_to_proto(answer.found)
    message.feed_position = answer.position
    return message


def found_to_proto(found: Found) -> pb.CheckEligibilityResponse:
    """Converts the result of a check, without a position."""
    finding = found.finding
    message = pb.CheckEligibilityResponse(
        covered=finding.reason == CheckReason.COVERED,
        reason=REASONS.to_proto(finding.reason),
        first_day=date_to_proto(to_date(finding.first_day)) if finding.first_day is not None else None,
        last_day=date_to_proto(to_date(finding.last_day)) if finding.last_day is not None else None,
    )
    add_in_payment_order(message.records, finding)
    add_accumulators(message.accumulators, found.accumulators)
    return message


class CheckMessages:
    """Caches serialized responses to checks by what was found, which is the same object while it is cached itself.

    The position of the feed differs between equal findings, so it is appended: protobuf merges messages that follow
    each other. Lookups in a WeakKeyDictionary are several times slower, so the cache is instead cleared when it is
    full, and when a member was erased.
    """

    def __init__(self, lease: ErasureLease) -> None:
        self._lease = lease
        self._erasure_number = lease.number
        self._answers: dict[Found, bytes] = {}
        self._outcomes: dict[Found, bytes] = {}

    @property
    def size(self) -> int:
        """The number of messages in the cache."""
        return len(self._answers) + len(self._outcomes)

    def of_answer(self, answer: Answer) -> bytes:
        """Returns a serialized CheckEligibilityResponse."""
        self._make_room()
        message = self._answers.get(answer.found)
        if message is None:
            message = found_to_proto(answer.found).SerializeToString()
            self._answers[answer.found] = message
        return message + pb.CheckEligibilityResponse(feed_position=answer.position).SerializeToString()

    def of_batch(
        self,
        asked: Sequence[Question | RequestMalformed],
        answers: Sequence[Answer | DomainError],
        merged: Sequence[MergedId] = (),
    ) -> bytes:
        """Returns a serialized BatchCheckEligibilityResponse with an outcome for each check asked, in order.

        `answers` are those to the well-formed checks, in order. `merged` are the members in the checks who were merged.
        """
        self._make_room()
        answered = iter(answers)
        results = [each if isinstance(each, DomainError) else next(answered) for each in asked]
        pieces = [
            _outcome(pb.EligibilityOutcome(error=status_of(result)))
            if isinstance(result, DomainError)
            else self._answered(result)
            for result in results
        ]
        for each in merged:
            result = results[each.item or 0]
            if isinstance(result, Answer):
                answer = found_to_proto(result.found)
                answer.merged_into = each.merged_into
                pieces[each.item or 0] = _outcome(pb.EligibilityOutcome(answer=answer))
        position = min((answer.position for answer in answers if isinstance(answer, Answer)), default=0)
        pieces.append(pb.BatchCheckEligibilityResponse(feed_position=position).SerializeToString())
        return b"".join(pieces)

    def _make_room(self) -> None:
        is_full = max(len(self._answers), len(self._outcomes)) >= MAX_CACHED_MESSAGES
        if is_full or self._erasure_number != self._lease.number:
            self._answers.clear()
            self._outcomes.clear()
            self._erasure_number = self._lease.number

    def _answered(self, answer: Answer) -> bytes:
        message = self._outcomes.get(answer.found)
        if message is None:
            outcome = pb.EligibilityOutcome(answer=found_to_proto(answer.found))
            message = self._outcomes[answer.found] = _outcome(outcome)
        return message


def _outcome(outcome: pb.EligibilityOutcome) -> bytes:
    return pb.BatchCheckEligibilityResponse(outcomes=[outcome]).SerializeToString()


def balance_to_proto(balance: Balance) -> pb.AccumulatorBalance:
    start = to_day(balance.term_start)
    return pb.AccumulatorBalance(
        group_id=str(balance.group_id),
        term_id=str(term_id(balance.group_id, Span(start, start + 1))),
        term_start=date_to_proto(balance.term_start),
        code=balance.code,
        member_id="" if balance.member_id == FAMILY else str(balance.member_id),
        used=balance.used,
    )


# -------------------------------------------------------------------------------------------------- applications


def apply_from_proto(request: internal_pb.ApplyAccumulatorsRequest) -> ApplyRequest:
    """Converts an application. Raises RequestMalformed if it repeats a code."""
    codes = [amount.code for amount in request.amounts]
    twice = [i for i, code in enumerate(codes) if code in codes[:i]]
    if twice:
        raise RequestMalformed([FieldViolation(f"amounts[{i}].code", "repeats an earlier code") for i in twice])
    content = internal_pb.ApplyAccumulatorsRequest()
    content.CopyFrom(request)
    for field in ("application_id", "consistency_token"):
        content.ClearField(field)
    return ApplyRequest(
        UUID(request.application_id),
        fingerprint(content),
        UUID(request.member_id),
        UUID(request.group_id),
        date_from_proto(request.service_date),
        tuple(Asked(amount.code, amount.amount) for amount in request.amounts),
        request.excess == internal_pb.EXCESS_HANDLING_REJECT,
    )


def ledger_owner_from_proto(request: internal_pb.ListAccumulatorApplicationsRequest) -> LedgerOwner:
    if request.WhichOneof("owner") == "group_id":
        return LedgerOwner(group_id=UUID(request.group_id))
    return LedgerOwner(member_id=UUID(request.member_id))


def applied_to_proto(answer: ApplyAnswer) -> list[accumulator_pb2.AppliedAmount]:
    return [_applied(each, answer) for each in answer.applied]


def _applied(each: Applied, answer: ApplyAnswer) -> accumulator_pb2.AppliedAmount:
    message = accumulator_pb2.AppliedAmount(
        code=each.asked.code, asked=each.asked.amount, applied=each.applied, excess=each.excess
    )
    owner = owner_of(answer.group_id, answer.member_id, Span(*answer.term))
    set_accumulator(message.accumulator, each.accumulator, owner)
    return message


def reversals_to_proto(answer: ReverseAnswer) -> list[accumulator_pb2.AccumulatorApplication]:
    return [
        accumulator_pb2.AccumulatorApplication(
            application_id=str(answer.application_id),
            group_id=str(answer.group_id),
            member_id=str(answer.member_id),
            service_date=date_to_proto(answer.service_on),
            term_start=date_to_proto(to_date(answer.term)),
            code=code,
            applied=applied,
            individual_used=usage.individual,
            family_used=usage.family,
            reversal=True,
            reversed=True,
            actor=actor_to_proto(answer.actor),
        )
        for code, applied, usage in answer.lines
    ]


def later_to_proto(answer: ReverseAnswer) -> list[accumulator_pb2.LaterExcess]:
    return [
        accumulator_pb2.LaterExcess(
            application_id=str(each.application_id),
            member_id=str(each.member_id),
            code=each.code,
            excess=each.excess,
            could_apply=each.could_apply,
        )
        for each in answer.later
    ]


def line_to_proto(line: LedgerLine) -> accumulator_pb2.AccumulatorApplication:
    return accumulator_pb2.AccumulatorApplication(
        application_id=str(line.application_id),
        group_id=str(line.group_id),
        member_id=str(line.member_id),
        service_date=date_to_proto(line.service_on),
        term_start=date_to_proto(line.term_start),
        code=line.code,
        asked=line.asked,
        applied=line.applied,
        individual_used=line.individual_used,
        family_used=line.family_used,
        reversal=line.is_reversal,
        reversed=line.is_reversed,
        orphaned=line.is_orphaned,
        recorded_at=timestamp_to_proto(line.recorded_at),
        actor=actor_to_proto(line.actor),
    )
