"""Coverage, checks and accumulators on the wire."""

from collections.abc import Iterable, Sequence
from functools import lru_cache
from uuid import UUID

from affilia.eligibility.v1 import accumulator_pb2, coverage_pb2
from affilia.eligibility.v1 import eligibility_check_service_pb2 as pb
from affilia.eligibility.v1 import eligibility_internal_service_pb2 as internal_pb
from affilia.enrollment.v1 import enrollment_group_pb2
from affilia.type.v1 import date_span_pb2
from domain.days import Span, to_date, to_day
from domain.eligibility.accumulators import Accumulator, Applied, Asked
from domain.eligibility.checks import CheckReason, Question
from domain.eligibility.coverage import CoverageRecord
from domain.eligibility.terms import term_id
from domain.errors import DomainError, FieldViolation, RequestMalformed
from server.checking import violations
from server.errors import status_of
from server.mapping.contract import LIMIT_UNITS
from server.mapping.dates import date_from_proto, date_to_proto, span_from_proto, span_to_proto, timestamp_to_proto
from server.mapping.enums import MEMBERSHIP_TYPES, EnumMapping
from server.mapping.paging import fingerprint
from server.operations.accumulators import ApplyAnswer, ApplyRequest, ReverseAnswer
from server.operations.eligibility import Answer, MemberAccumulators, is_covered
from storage.accumulators import FAMILY, Balance, LedgerLine

REASONS = EnumMapping(pb.EligibilityReason.DESCRIPTOR, CheckReason)
MOST_YEARS = 100


def question_from_proto(check: pb.EligibilityCheck) -> Question:
    return Question(
        UUID(check.member_id),
        to_day(date_from_proto(check.date)),
        UUID(check.module_id) if check.module_id else None,
        check.capability,
    )


def batch_from_proto(checks: Iterable[pb.EligibilityCheck]) -> list[Question | RequestMalformed]:
    """Each read for itself, so that a malformed one fails alone."""
    found: list[Question | RequestMalformed] = []
    for i, check in enumerate(checks):
        wrong = violations(check, f"checks[{i}]")
        found.append(RequestMalformed(wrong) if wrong else question_from_proto(check))
    return found


def bounded_span_from_proto(days: date_span_pb2.DateSpan, field: str) -> Span:
    """Raises RequestMalformed."""
    if not (days.HasField("first_on") and days.HasField("last_on")):
        raise RequestMalformed([FieldViolation(field, "needs a first and a last day")])
    span = span_from_proto(days)
    if to_date(span.end - 1).year - to_date(span.start).year > MOST_YEARS:
        raise RequestMalformed([FieldViolation(field, f"spans more than {MOST_YEARS} years")])
    return span


def record_to_proto(record: CoverageRecord) -> coverage_pb2.CoverageRecord:
    return _record(record, str(record.term_id))


def _record(record: CoverageRecord, its_term: str) -> coverage_pb2.CoverageRecord:
    run, offer = record.run, record.offer
    contract_id, primary_id = run.key
    return coverage_pb2.CoverageRecord(
        locator=str(record.locator),
        group_id=str(run.group_id),
        key=enrollment_group_pb2.GroupKey(contract_id=str(contract_id), primary_id=str(primary_id)),
        member_id=str(run.member_id),
        module_id=str(run.module_id),
        membership_type=MEMBERSHIP_TYPES.to_proto(run.membership_type),
        term_id=its_term,
        term=_span(offer.term),
        days=_span(record.days),
        network_tier=offer.network_tier,
        capabilities=offer.capabilities,
        revision=run.revision,
    )


@lru_cache(maxsize=10_000)
def _span(span: Span) -> date_span_pb2.DateSpan:
    """Few spans are told again and again; where one is put into a message, it is copied."""
    return span_to_proto(span)


def records_to_proto(records: Iterable[CoverageRecord]) -> list[coverage_pb2.CoverageRecord]:
    return [record_to_proto(record) for record in records]


def answer_to_proto(answer: Answer) -> pb.CheckEligibilityResponse:
    finding = answer.finding
    return pb.CheckEligibilityResponse(
        covered=is_covered(answer),
        reason=REASONS.to_proto(finding.reason),
        records=records_to_proto(finding.records),
        accumulators=accumulators_to_proto(answer.accumulators),
        first_day=date_to_proto(to_date(finding.first_day)) if finding.first_day is not None else None,
        last_day=date_to_proto(to_date(finding.last_day)) if finding.last_day is not None else None,
        feed_position=answer.position,
    )


def answer_to_bytes(answer: Answer) -> bytes:
    """The same, serialised; what is the same as the last time is not made again. A message may come in pieces."""
    if answer.found.wire is None:
        answer.found.wire = answer_to_proto(answer._replace(position=0)).SerializeToString()
    return answer.found.wire + pb.CheckEligibilityResponse(feed_position=answer.position).SerializeToString()


def outcomes_to_bytes(asked: Sequence[Question | RequestMalformed], answers: Sequence[Answer]) -> bytes:
    """A batch's response in the order asked, serialised; `answers` are those of the well-formed ones, in order."""
    answered = iter(answers)
    pieces = [
        _outcome(pb.EligibilityOutcome(error=status_of(each)))
        if isinstance(each, DomainError)
        else _answered(next(answered))
        for each in asked
    ]
    position = min((answer.position for answer in answers), default=0)
    pieces.append(pb.BatchCheckEligibilityResponse(feed_position=position).SerializeToString())
    return b"".join(pieces)


def _answered(answer: Answer) -> bytes:
    if answer.found.batch_wire is None:
        told = answer_to_proto(answer._replace(position=0))
        answer.found.batch_wire = _outcome(pb.EligibilityOutcome(answer=told))
    return answer.found.batch_wire


def _outcome(outcome: pb.EligibilityOutcome) -> bytes:
    return pb.BatchCheckEligibilityResponse(outcomes=[outcome]).SerializeToString()


def accumulators_to_proto(found: Iterable[MemberAccumulators]) -> list[accumulator_pb2.Accumulator]:
    told: list[accumulator_pb2.Accumulator] = []
    for its in found:
        run, term = its.record.run, its.record.offer.term
        told += _accumulators(its.accumulators, run.group_id, run.member_id, term)
    return told


def _accumulators(
    found: Iterable[Accumulator], group_id: UUID, member_id: UUID, term: Span
) -> list[accumulator_pb2.Accumulator]:
    ids = {"group_id": str(group_id), "member_id": str(member_id), "term_id": str(term_id(group_id, term))}
    return [
        accumulator_pb2.Accumulator(
            **ids,
            term=_span(term),
            code=each.code,
            unit=LIMIT_UNITS.to_proto(each.unit),
            individual=accumulator_pb2.Counter(
                limit=each.individual_limit, used=each.usage.individual, remaining=each.individual_remaining
            ),
            family=accumulator_pb2.Counter(
                limit=each.family_limit, used=each.usage.family, remaining=each.family_remaining
            ),
            met=each.is_met,
        )
        for each in found
    ]


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
    """Raises RequestMalformed."""
    codes = [amount.code for amount in request.amounts]
    twice = [i for i, code in enumerate(codes) if code in codes[:i]]
    if twice:
        raise RequestMalformed([FieldViolation(f"amounts[{i}].code", "stands there before") for i in twice])
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


def applied_to_proto(answer: ApplyAnswer) -> list[accumulator_pb2.AppliedAmount]:
    return [_applied(each, answer) for each in answer.applied]


def _applied(each: Applied, answer: ApplyAnswer) -> accumulator_pb2.AppliedAmount:
    (accumulator,) = _accumulators([each.accumulator], answer.group_id, answer.member_id, Span(*answer.term))
    return accumulator_pb2.AppliedAmount(
        code=each.asked.code,
        asked=each.asked.amount,
        applied=each.applied,
        excess=each.excess,
        accumulator=accumulator,
    )


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
    )
