"""Messages of coverage records and accumulators, of which parts are prepared, equal those set field by field."""

from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from affilia.eligibility.v1 import accumulator_pb2, coverage_pb2
from affilia.enrollment.v1 import enrollment_group_pb2
from domain.catalog.contract import LimitUnit
from domain.days import UNBOUNDED_END, UNBOUNDED_START, Span
from domain.eligibility.accumulators import Accumulator, Usage
from domain.eligibility.checks import CheckReason, Finding
from domain.eligibility.coverage import CoverageRecord, CoveredRun, Offer
from domain.eligibility.payment_order import PaymentRule
from domain.enrollment.decisions import GroupKey
from domain.identity import derived_id, derived_text
from domain.membership import MembershipType
from operations.eligibility import Answer
from operations.erasure_lease import ErasureLease
from operations.findings import Found, MemberAccumulators
from server.mapping.accumulator import accumulators_to_proto
from server.mapping.contract import LIMIT_UNITS
from server.mapping.coverage_record import PAYMENT_RULES, in_payment_order_to_proto, record_to_proto
from server.mapping.dates import span_to_proto
from server.mapping.eligibility import CheckMessages, answer_to_proto
from server.mapping.enums import MEMBERSHIP_TYPES

IDS = [UUID(int=n << 100 | n) for n in range(1, 5)]
AMOUNTS = st.none() | st.integers(0, 2**63 - 1)

ids = st.sampled_from(IDS) | st.uuids()
days = st.tuples(st.integers(730_000, 740_000), st.integers(1, 400)).map(lambda d: Span(d[0], d[0] + d[1]))
runs = st.builds(
    CoveredRun,
    ids,
    st.builds(GroupKey, ids, ids),
    st.integers(1, 2**31 - 1),
    ids,
    ids,
    st.sampled_from(MembershipType),
    st.just(Span(UNBOUNDED_START, UNBOUNDED_END)),
)
offers = st.builds(
    Offer, days, days, st.sampled_from(("", "GOLD")), st.lists(st.sampled_from("AB")).map(tuple), st.just(())
)
records = st.builds(CoverageRecord, runs, offers, days)
accumulators = st.builds(
    Accumulator,
    st.sampled_from(("DEDUCTIBLE", "BENEFIT:PHYSIO")),
    st.sampled_from(LimitUnit),
    AMOUNTS,
    AMOUNTS,
    st.builds(Usage, st.integers(0, 2**62), st.integers(0, 2**62)),
)


def record_by_field(record: CoverageRecord) -> coverage_pb2.CoverageRecord:
    run, offer = record.run, record.offer
    return coverage_pb2.CoverageRecord(
        locator=str(record.locator),
        group_id=str(run.group_id),
        key=enrollment_group_pb2.GroupKey(contract_id=str(run.key.contract_id), primary_id=str(run.key.primary_id)),
        member_id=str(run.member_id),
        module_id=str(run.module_id),
        membership_type=MEMBERSHIP_TYPES.to_proto(run.membership_type),
        term_id=str(record.term_id),
        term=span_to_proto(offer.term),
        days=span_to_proto(record.days),
        network_tier=offer.network_tier,
        capabilities=offer.capabilities,
        revision=run.revision,
    )


def accumulator_by_field(record: CoverageRecord, found: Accumulator) -> accumulator_pb2.Accumulator:
    return accumulator_pb2.Accumulator(
        group_id=str(record.run.group_id),
        member_id=str(record.run.member_id),
        term_id=str(record.term_id),
        term=span_to_proto(record.offer.term),
        code=found.code,
        unit=LIMIT_UNITS.to_proto(found.unit),
        individual=accumulator_pb2.Counter(
            limit=found.individual_limit, used=found.usage.individual, remaining=found.individual_remaining
        ),
        family=accumulator_pb2.Counter(
            limit=found.family_limit, used=found.usage.family, remaining=found.family_remaining
        ),
        met=found.remaining == 0,
    )


@given(record=records)
def test_a_record_has_the_fields_of_its_run_and_offer(record: CoverageRecord) -> None:
    assert record_to_proto(record) == record_by_field(record)


@given(record=records, found=st.lists(accumulators))
def test_accumulators_have_the_fields_of_their_limits_and_usage(
    record: CoverageRecord, found: list[Accumulator]
) -> None:
    expected = [accumulator_by_field(record, each) for each in found]
    assert accumulators_to_proto([MemberAccumulators(record, found)]) == expected


@given(found=st.lists(records, max_size=3), of_first=st.lists(accumulators), is_ordered=st.booleans())
def test_a_serialized_answer_has_the_same_records_and_accumulators(
    found: list[CoverageRecord], of_first: list[Accumulator], is_ordered: bool
) -> None:
    rules = (None, *(PaymentRule.POLICY_ID,) * 2)[: len(found)] if is_ordered else ()
    finding = Finding(CheckReason.COVERED, found, decided_by=rules)
    answer = Answer(Found(finding, [MemberAccumulators(each, of_first) for each in found[:1]]), 7)
    message = answer_to_proto(answer)
    expected = [record_by_field(record) for record in found]
    for record in expected[1:] if is_ordered else []:
        record.decided_by = PAYMENT_RULES.to_proto(PaymentRule.POLICY_ID)
    assert list(message.records) == in_payment_order_to_proto(finding) == expected
    assert list(message.accumulators) == [accumulator_by_field(each, one) for each in found[:1] for one in of_first]
    assert type(message).FromString(CheckMessages(ErasureLease()).of_answer(answer)) == message


@given(parts=st.lists(st.text(max_size=40)))
def test_the_text_of_a_derived_id_is_that_id(parts: list[str]) -> None:
    assert derived_text(*parts) == str(derived_id(*parts))
