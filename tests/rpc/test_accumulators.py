"""Accumulators over the wire: applied once, capped by both limits, reversed exactly, carried over, and correct
under concurrent applications and reversals."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from random import Random

import grpc
import pytest

from affilia.eligibility.v1 import accumulator_pb2
from affilia.eligibility.v1 import eligibility_check_service_pb2 as pb
from affilia.eligibility.v1 import eligibility_internal_service_pb2 as internal_pb
from tests.conftest import ServerProcess
from tests.scenarios.enrollment_messages import date
from tests.support.calls import failure_of, new_id
from tests.support.channels import connected_to
from tests.support.insured import DEDUCTIBLE, PHYSIO, Insured

SERVICE = "2026-03-10"


@pytest.fixture
def insured(server: ServerProcess, internal: grpc.Channel) -> Iterator[Insured]:
    """The primary and the child on base, with a deductible of 100.00 each and 150.00 together, and nine visits each."""
    with connected_to(server.address) as channel:
        family = Insured(channel, internal).set_up()
        family.enroll("2026-01-01")
        family.enroll("2026-01-01", child=True)
        assert family.reason(SERVICE) == "COVERED"  # the tokens of what follows say nothing of these writes
        yield family


def test_amounts_are_applied_up_to_the_limits_of_the_member_and_the_family(insured: Insured) -> None:
    child = insured.family.child
    assert insured.apply(SERVICE, deductible=60_00, physio=2)[1] == [(60_00, 0), (2, 0)]
    assert insured.apply(SERVICE, deductible=60_00)[1] == [(40_00, 20_00)]
    assert insured.apply(SERVICE, child, deductible=60_00)[1] == [(50_00, 10_00)]
    assert insured.used(SERVICE) == (100_00, 150_00)
    assert insured.used(SERVICE, child) == (50_00, 150_00)
    assert insured.used(SERVICE, code=PHYSIO) == (2, 2)
    (deductible, visits) = sorted(insured.check(SERVICE, child).accumulators, key=lambda a: -len(a.code))[::-1]
    assert (deductible.code, deductible.met, deductible.individual.remaining, deductible.family.remaining) == (
        DEDUCTIBLE,
        True,
        50_00,
        0,
    )
    assert (visits.individual.limit, visits.individual.remaining, visits.family.HasField("limit")) == (9, 9, False)


def test_repeating_an_application_returns_the_first_answer(insured: Insured) -> None:
    request = insured.application(SERVICE, deductible=30_00)
    first = insured.claims.ApplyAccumulators(request)
    insured.apply(SERVICE, deductible=10_00)
    request.consistency_token = ""
    again = insured.claims.ApplyAccumulators(request)
    assert list(again.amounts) == list(first.amounts)
    insured.token = again.consistency_token
    assert insured.used(SERVICE) == (40_00, 40_00)
    request.amounts[0].amount = 1
    failure = failure_of(insured.claims.ApplyAccumulators, request)
    assert (failure.code, failure.reason) == (grpc.StatusCode.ALREADY_EXISTS, "APPLICATION_ID_REUSED")


def test_a_rejected_application_applies_nothing(insured: Insured) -> None:
    apply = insured.claims.ApplyAccumulators
    too_much = insured.application(SERVICE, physio=1, deductible=100_01)
    too_much.excess = internal_pb.EXCESS_HANDLING_REJECT
    failure = failure_of(apply, too_much)
    assert (failure.code, failure.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "LIMIT_REACHED")
    assert failure.facts == {"code": DEDUCTIBLE, "asked": "10001", "available": "10000"}
    assert failure_of(apply, insured.application("2025-12-31", deductible=1)).reason == "NOT_COVERED"
    unknown = insured.application(SERVICE, physio=1)
    unknown.amounts.add(code="OUT_OF_POCKET_MAX", amount=1)
    assert failure_of(apply, unknown).reason == "ACCUMULATOR_NOT_IN_FORCE"
    stranger = insured.application(SERVICE, new_id(), physio=1)
    assert failure_of(apply, stranger).reason == "NOT_COVERED"
    twice = insured.application(SERVICE, physio=1)
    twice.amounts.add(code=PHYSIO, amount=1)
    assert "amounts[1].code" in failure_of(apply, twice).violations
    negative = insured.application(SERVICE, physio=1)
    negative.amounts[0].amount = -1
    assert "amounts[0].amount" in failure_of(apply, negative).violations
    assert insured.used(SERVICE) == insured.used(SERVICE, code=PHYSIO) == (0, 0)
    assert not insured.ledger()


def test_a_reversal_undoes_exactly_what_was_applied(insured: Insured) -> None:
    first, _ = insured.apply(SERVICE, deductible=70_00, physio=1)
    second, applied = insured.apply(SERVICE, deductible=50_00)
    assert applied == [(30_00, 20_00)]
    answer = insured.reverse(second)
    assert [(r.code, r.applied, r.individual_used) for r in answer.reversals] == [(DEDUCTIBLE, -30_00, 70_00)]
    assert list(insured.reverse(second).reversals) == list(answer.reversals)
    assert insured.used(SERVICE) == (70_00, 70_00)
    insured.reverse(first)
    assert insured.used(SERVICE) == insured.used(SERVICE, code=PHYSIO) == (0, 0)
    ledger = insured.ledger()
    assert [(e.code, e.asked, e.applied, e.reversal, e.reversed, e.individual_used) for e in ledger] == [
        (DEDUCTIBLE, 70_00, 70_00, False, True, 70_00),
        (PHYSIO, 1, 1, False, True, 1),
        (DEDUCTIBLE, 50_00, 30_00, False, True, 100_00),
        (DEDUCTIBLE, 0, -30_00, True, True, 70_00),
        (DEDUCTIBLE, 0, -70_00, True, True, 0),
        (PHYSIO, 0, -1, True, True, 0),
    ]
    request = insured.application(SERVICE, deductible=70_00)
    request.application_id = first
    assert failure_of(insured.claims.ApplyAccumulators, request).reason == "APPLICATION_ID_REUSED"
    unknown = internal_pb.ReverseAccumulatorsRequest(application_id=new_id())
    failure = failure_of(insured.claims.ReverseAccumulators, unknown)
    assert (failure.code, failure.reason) == (grpc.StatusCode.NOT_FOUND, "APPLICATION_UNKNOWN")


def test_a_reversal_reports_which_later_excesses_could_be_applied(insured: Insured) -> None:
    child = insured.family.child
    first, _ = insured.apply(SERVICE, deductible=90_00)
    second, _ = insured.apply(SERVICE, deductible=30_00)  # 10 applied, 20 excess
    third, _ = insured.apply(SERVICE, child, deductible=80_00)  # 50 applied, 30 excess: the family's limit
    fourth, _ = insured.apply("2026-05-05", child, deductible=40_00)  # nothing applied
    answer = insured.reverse(first)
    assert [(e.application_id, e.excess, e.could_apply) for e in answer.later_excesses] == [
        (second, 20_00, 20_00),
        (third, 30_00, 30_00),
        (fourth, 40_00, 20_00),  # the child's own 100
    ]
    insured.reverse(second)
    insured.reverse(third)
    assert not insured.reverse(fourth).later_excesses


def test_usage_of_one_module_counts_against_the_limit_of_the_next(insured: Insured) -> None:
    insured.apply(SERVICE, deductible=90_00)
    insured.enroll("2026-06-01", module=insured.family.plus)
    assert insured.apply("2026-06-01", deductible=150_00)[1] == [(110_00, 40_00)]  # plus allows 200 in all
    assert insured.used("2026-06-01") == (200_00, 200_00)
    assert insured.apply("2026-05-31", deductible=1)[1] == [(0, 1)]  # a late claim of base: its 100 are used
    assert insured.apply("2027-01-02", deductible=150_00)[1] == [(150_00, 0)]  # another term
    assert insured.used("2026-06-01") == (200_00, 200_00)


def test_applications_stay_when_coverage_is_withdrawn_and_are_orphaned(insured: Insured) -> None:
    insured.apply(SERVICE, deductible=10_00)
    late, _ = insured.apply("2026-09-09", deductible=20_00)
    insured.submit(insured.family.leave("2026-06-01"))
    assert insured.reason("2026-09-09") == "COVERAGE_ENDED"
    assert [e.application_id for e in insured.ledger(orphaned_only=True)] == [late]
    assert [e.orphaned for e in insured.ledger()] == [False, True]
    assert insured.used(SERVICE) == (30_00, 30_00)
    insured.reverse(late)
    assert not insured.ledger(orphaned_only=True)  # it no longer counts
    assert insured.used(SERVICE) == (10_00, 10_00)
    assert insured.rebuild().differing == 0
    assert insured.used(SERVICE) == (10_00, 10_00)


def test_lists_are_paged(insured: Insured) -> None:
    ids = [insured.apply(SERVICE, deductible=1, physio=1)[0] for _ in range(4)]
    request = internal_pb.ListAccumulatorApplicationsRequest(member_id=insured.family.primary, page_size=3)
    found: list[str] = []
    while True:
        page = insured.claims.ListAccumulatorApplications(request)
        found += [each.application_id for each in page.applications]
        if not page.next_page_token:
            break
        request.page_token = page.next_page_token
    assert found == [i for i in ids for _ in range(2)]
    listed = pb.ListAccumulatorsRequest(group_id=insured.group_id, page_size=3)
    first = insured.checks.ListAccumulators(listed)
    listed.page_token = first.next_page_token
    balances = [*first.balances, *insured.checks.ListAccumulators(listed).balances]
    primary = insured.family.primary
    assert [(b.code, b.member_id, b.used) for b in balances] == [
        (PHYSIO, "", 4),
        (PHYSIO, primary, 4),
        (DEDUCTIBLE, "", 4),
        (DEDUCTIBLE, primary, 4),
    ]


def test_coverage_for_claims_comes_with_accumulators(insured: Insured) -> None:
    insured.apply(SERVICE, deductible=10_00)
    request = internal_pb.GetMemberCoverageRequest(
        member_id=insured.family.primary, date=date(SERVICE), consistency_token=insured.token
    )
    answer = insured.claims.GetMemberCoverage(request)
    assert [record.module_id for record in answer.records] == [insured.family.base]
    assert {a.code: a.individual.used for a in answer.accumulators} == {DEDUCTIBLE: 10_00, PHYSIO: 0}


def test_concurrent_applications_never_exceed_a_limit_and_add_up(insured: Insured) -> None:
    """Forty callers apply, repeat and reverse concurrently. At every step, usage is the sum of what isn't reversed."""
    members = [insured.family.primary, insured.family.child]
    insured.check(SERVICE)

    def work(seed: int) -> None:
        random = Random(seed)
        for _ in range(5):
            request = insured.application(SERVICE, random.choice(members), deductible=random.randrange(1, 40_00))
            answers = [insured.claims.ApplyAccumulators(request) for _ in range(random.randrange(1, 3))]
            assert all(list(a.amounts) == list(answers[0].amounts) for a in answers)
            if random.random() < 0.6:
                undo = internal_pb.ReverseAccumulatorsRequest(application_id=request.application_id)
                for _ in range(random.randrange(1, 3)):
                    insured.token = insured.claims.ReverseAccumulators(undo).consistency_token

    with ThreadPoolExecutor(16) as threads:
        list(threads.map(work, range(40)))
    ledger = insured.ledger()
    sums = dict.fromkeys(members, 0)
    for entry in ledger:
        sums[entry.member_id] += entry.applied
        assert 0 <= sums[entry.member_id] == entry.individual_used <= 100_00
        assert 0 <= sum(sums.values()) == entry.family_used <= 150_00
    token = insured.apply(SERVICE, deductible=0)
    assert token
    for member in members:
        assert insured.used(SERVICE, member) == (sums[member], sum(sums.values()))
    live = {e.application_id for e in ledger if not e.reversed}
    assert sum(e.applied for e in ledger if e.application_id in live) == sum(sums.values())


def test_zero_and_very_large_amounts(insured: Insured) -> None:
    assert insured.apply(SERVICE, deductible=0)[1] == [(0, 0)]
    assert insured.apply(SERVICE, deductible=10**12)[1] == [(100_00, 10**12 - 100_00)]
    request = insured.application(SERVICE)
    assert "amounts" in failure_of(insured.claims.ApplyAccumulators, request).violations
    request.amounts.extend([accumulator_pb2.AccumulatorAmount(code=DEDUCTIBLE, amount=10**12 + 1)])
    assert "amounts[0].amount" in failure_of(insured.claims.ApplyAccumulators, request).violations
