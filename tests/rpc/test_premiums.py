"""PremiumComputationService over the wire: idempotent, atomic, paged, invoiced once, and safe to run concurrently."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import pytest

from affilia.catalog.v1 import member_service_pb2, pricing_pb2
from affilia.enrollment.v1 import change_request_pb2
from affilia.premium.v1 import premium_computation_service_pb2 as pb
from affilia.premium.v1 import premium_entry_pb2
from affilia.premium.v1.premium_computation_service_pb2_grpc import PremiumComputationServiceStub
from affilia.pricing.v1 import insurance_cost_pb2
from tests.rpc.test_costs import priced_contract
from tests.scenarios.enrollment_messages import date, span
from tests.scenarios.ledger_messages import months
from tests.support.calls import Family, admin, failure_of, new_id

COMPANY, PRIMARY = premium_entry_pb2.DEBTOR_COMPANY, premium_entry_pb2.DEBTOR_PRIMARY


@pytest.fixture
def insured(server_channel: grpc.Channel) -> Family:
    """The primary is on base from 10 January 2026 on, for 110.00 a month with tax, half of it paid by the company."""
    family = Family(server_channel).set_up()
    family.amend(priced_contract(family))
    family.submit(family.enroll(family.base, "2026-01-10"), requester=admin())
    return family


def premiums(family: Family) -> Any:
    return PremiumComputationServiceStub(family.channel)


def policy(family: Family) -> insurance_cost_pb2.Policy:
    return insurance_cost_pb2.Policy(key=family.key)


def request(family: Family, first: str = "2026-01", last: str = "2026-03", **more: Any) -> pb.ComputePremiumsRequest:
    content = {"request_id": new_id(), "policy": policy(family), "months": months(first, last), **more}
    return pb.ComputePremiumsRequest(**content)


def compute(family: Family, *which: str) -> tuple[int, int]:
    answer = premiums(family).ComputePremiums(request(family, *which))
    return answer.offsets, answer.entries


def entries(family: Family, **how: Any) -> list[premium_entry_pb2.PremiumEntry]:
    asked = pb.ListPremiumEntriesRequest(policy=policy(family), page_size=1000, **how)
    return list(premiums(family).ListPremiumEntries(asked).entries)


def uninvoiced(family: Family, debtor: Any, up_to: str = "2026-12-31") -> list[premium_entry_pb2.PremiumEntry]:
    asked = pb.ListUninvoicedPremiumsRequest(policy=policy(family), debtor=debtor, up_to=date(up_to), page_size=1000)
    return list(premiums(family).ListUninvoicedPremiums(asked).entries)


def mark(family: Family, debtor: Any, invoice_id: str, *which: premium_entry_pb2.PremiumEntry) -> Any:
    return premiums(family).MarkPremiumsInvoiced(
        pb.MarkPremiumsInvoicedRequest(
            request_id=new_id(), entry_ids=[e.entry_id for e in which], debtor=debtor, invoice_id=invoice_id
        )
    )


def owed(found: list[premium_entry_pb2.PremiumEntry]) -> int:
    return sum(component.owed_minor for entry in found for component in entry.components)


def test_months_are_charged_for_the_covered_days(insured: Family) -> None:
    assert compute(insured) == (0, 3)
    january, february, march = entries(insured)
    assert [(e.num_days, e.divisor, e.prorata_hundredths) for e in (january, february, march)] == [
        (22, 30, 73),
        (28, 28, 100),
        (31, 31, 100),
    ]
    assert [owed([e]) for e in (january, february, march)] == [8_067, 11_000, 11_000]
    assert [(d.debtor, d.total_minor) for d in february.debtors] == [(COMPANY, 5_500), (PRIMARY, 5_500)]


def test_computing_again_adds_nothing_and_a_repeated_request_returns_the_first_answer(insured: Family) -> None:
    first = request(insured)
    answer = premiums(insured).ComputePremiums(first)
    assert (answer.offsets, answer.entries) == (0, 3)
    again = premiums(insured).ComputePremiums(first)
    assert (again.offsets, again.entries) == (0, 3)
    assert compute(insured) == (0, 0)
    assert len(entries(insured)) == 3
    first.months.last.month = 4
    assert failure_of(premiums(insured).ComputePremiums, first).reason == "REQUEST_ID_REUSED"


def test_past_months_are_corrected_by_offsets_and_invoiced_entries_stay(insured: Family) -> None:
    compute(insured)
    invoiced = uninvoiced(insured, PRIMARY, "2026-02-28")
    assert mark(insured, PRIMARY, "I1", *invoiced).amount_minor == 4_033 + 5_500
    insured.submit(insured.leave("2026-02-11"), requester=admin())
    assert compute(insured) == (2, 1)
    february = [e for e in entries(insured) if e.month.month == 2]
    assert [(e.version, e.num_days, e.divisor) for e in february] == [(1, 28, 28), (2, -28, 28), (3, 10, 30)]
    original, offset, corrected = february
    assert (original.cancelled_by_entry_id, offset.cancels_entry_id) == (offset.entry_id, original.entry_id)
    assert {c.invoice_id for c in original.components if c.debtor == PRIMARY} == {"I1"}
    next_invoice = uninvoiced(insured, PRIMARY)
    assert [e.entry_id for e in next_invoice] == [offset.entry_id, corrected.entry_id]  # March settled with its offset
    assert sum(d.total_minor for e in next_invoice for d in e.debtors if d.debtor == PRIMARY) == -5_500 + 1_833


def test_a_preview_returns_what_computing_would_add_and_stores_nothing(insured: Family) -> None:
    compute(insured)
    insured.submit(insured.leave("2026-03-01"), requester=admin())
    asked = pb.PreviewPremiumsRequest(policy=policy(insured), months=months("2026-01", "2026-03"))
    preview = premiums(insured).PreviewPremiums(asked)
    assert [e.num_days for e in preview.entries] == [22, 28]
    assert [e.num_days for e in preview.additions] == [-31]
    assert [(d.debtor, d.total_minor) for d in preview.differences] == [(COMPANY, -5_500), (PRIMARY, -5_500)]
    assert len(entries(insured)) == 3


def test_a_policy_that_cannot_be_priced_stores_nothing(insured: Family) -> None:
    contract = priced_contract(insured)
    contract.versions[0].modules[0].ClearField("pricing")
    insured.amend(contract)
    failure = failure_of(premiums(insured).ComputePremiums, request(insured))
    assert (failure.code, failure.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "PRICE_MISSING")
    assert not entries(insured)


def test_parameters_of_the_request_take_precedence(insured: Family) -> None:
    whole = pricing_pb2.EngineParameters(prorata=pricing_pb2.PRORATA_STRATEGY_WHOLE_MONTH_IF_COVERED_ON_FIRST_DAY)
    premiums(insured).ComputePremiums(request(insured, parameters=whole))
    assert [owed([e]) for e in entries(insured)] == [0, 11_000, 11_000]


def test_an_invoice_is_assigned_to_all_entries_or_none(insured: Family) -> None:
    compute(insured)
    january, february, march = entries(insured)
    mark(insured, PRIMARY, "I1", january)
    assert mark(insured, PRIMARY, "I1", january).components == 0
    taken = pb.MarkPremiumsInvoicedRequest(
        request_id=new_id(), entry_ids=[february.entry_id, january.entry_id], debtor=PRIMARY, invoice_id="I2"
    )
    failure = failure_of(premiums(insured).MarkPremiumsInvoiced, taken)
    assert (failure.code, failure.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "ALREADY_INVOICED")
    assert failure.facts == {"entry_id": january.entry_id, "invoice_id": "I1"}
    unknown = pb.MarkPremiumsInvoicedRequest(
        request_id=new_id(), entry_ids=[march.entry_id, new_id()], debtor=PRIMARY, invoice_id="I2"
    )
    assert failure_of(premiums(insured).MarkPremiumsInvoiced, unknown).reason == "PREMIUM_ENTRY_UNKNOWN"
    assert [e.entry_id for e in uninvoiced(insured, PRIMARY)] == [february.entry_id, march.entry_id]
    assert len(uninvoiced(insured, COMPANY)) == 3


def test_lists_are_paged_and_filtered(insured: Family) -> None:
    compute(insured, "2026-01", "2026-12")
    asked = pb.ListPremiumEntriesRequest(policy=policy(insured), page_size=5)
    pages = []
    while True:
        page = premiums(insured).ListPremiumEntries(asked)
        pages.append([(e.month.year, e.month.month) for e in page.entries])
        if not page.next_page_token:
            break
        asked.page_token = page.next_page_token
    assert [len(page) for page in pages] == [5, 5, 2]
    assert [place for page in pages for place in page] == [(2026, month) for month in range(1, 13)]
    assert [e.month.month for e in entries(insured, months=months("2026-03", "2026-04"))] == [3, 4]
    of_contract = pb.ListPremiumEntriesRequest(contract_id=insured.contract_id, live_only=True)
    assert len(premiums(insured).ListPremiumEntries(of_contract).entries) == 12
    by_id = pb.EnrollmentIds(enrollment_ids=[entries(insured)[0].enrollment_id])
    assert len(premiums(insured).ListPremiumEntries(pb.ListPremiumEntriesRequest(enrollments=by_id)).entries) == 12


def test_sums_are_net_of_cancellations(insured: Family) -> None:
    compute(insured)
    mark(insured, PRIMARY, "I1", *uninvoiced(insured, PRIMARY, "2026-02-28"))
    insured.submit(insured.leave("2026-03-01"), requester=admin())
    compute(insured)

    def sums(*by: str) -> list[tuple[list[str], int]]:
        asked = pb.AggregatePremiumsRequest(
            by=[pb.PremiumDimension.Value(f"PREMIUM_DIMENSION_{name}") for name in by],
            months=months("2026-01", "2026-12"),
            contract_ids=[insured.contract_id],
        )
        return [(list(s.values), s.amount_minor) for s in premiums(insured).AggregatePremiums(asked).sums]

    assert sums("MONTH") == [(["2026-01"], 8_067), (["2026-02"], 11_000)]
    assert sums("DEBTOR", "INVOICED") == [
        (["COMPANY", "false"], 9_534),
        (["PRIMARY", "true"], 9_533),
    ]
    assert sums("CONTRIBUTION_TYPE", "SERVICE_TYPE", "BENEFICIARY_TYPE") == [
        (["COST", "BASE", "PRIMARY"], 17_334),
        (["TAXES", "BASE", "PRIMARY"], 1_733),
    ]


def test_pages_of_sums_are_the_same_sums(insured: Family) -> None:
    compute(insured)
    asked = pb.AggregatePremiumsRequest(
        by=[pb.PREMIUM_DIMENSION_CONTRIBUTION_TYPE, pb.PREMIUM_DIMENSION_MONTH, pb.PREMIUM_DIMENSION_DEBTOR],
        months=months("2026-01", "2026-12"),
        group_ids=[insured.group().group_id],
    )
    whole = premiums(insured).AggregatePremiums(asked)
    assert (len(whole.sums), whole.next_page_token) == (12, "")
    for size in (1, 5, 11, 12):
        asked.page_size, asked.page_token, found = size, "", []
        while True:
            page = premiums(insured).AggregatePremiums(asked)
            assert len(page.sums) <= size
            found += page.sums
            if not page.next_page_token:
                break
            asked.page_token = page.next_page_token
        assert found == list(whole.sums)
    asked.by.pop()
    assert failure_of(premiums(insured).AggregatePremiums, asked).reason == "TOKEN_INVALID"


def test_concurrent_computations_are_serialized_and_add_entries_once(insured: Family) -> None:
    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda _: compute(insured), range(8)))
    assert sorted(answers) == [(0, 0)] * 7 + [(0, 3)]
    assert len(entries(insured)) == 3


def test_malformed_requests_name_their_fields(insured: Family) -> None:
    call = premiums(insured).ComputePremiums
    assert failure_of(call, request(insured, "2026-03", "2026-01")).violations == {"months.last": "precedes first"}
    assert "months" in failure_of(call, request(insured, "2020-01", "2030-01")).violations
    thirteenth = request(insured)
    thirteenth.months.first.month = 13
    assert "months.first.month" in failure_of(call, thirteenth).violations
    twice = pb.AggregatePremiumsRequest(by=[pb.PREMIUM_DIMENSION_MONTH] * 2, months=months("2026-01", "2026-02"))
    assert "by" in failure_of(premiums(insured).AggregatePremiums, twice).violations


def erase(family: Family, member_id: str) -> None:
    family.members.EraseMember(member_service_pb2.EraseMemberRequest(request_id=new_id(), member_id=member_id))


def leaves(family: Family, member_id: str, first: str) -> None:
    leave = change_request_pb2.Leave(member_id=member_id, days=span(first, None))
    family.submit(change_request_pb2.ScopedChange(leave=leave), requester=admin(), accept_consequences=True)


def test_an_erasure_first_corrects_computed_premiums_including_future_months(insured: Family) -> None:
    insured.submit(insured.enroll(insured.base, "2026-01-10", child=True), requester=admin())
    compute(insured, "2026-01", "2027-03")
    leaves(insured, insured.child, "2026-02-01")
    erase(insured, insured.child)
    live = entries(insured, live_only=True)
    assert {entry.month.month for entry in live if entry.member_id == insured.child} == {1}
    assert {(entry.month.year, entry.month.month) for entry in live} == {
        *((2026, month) for month in range(1, 13)),
        *((2027, month) for month in range(1, 4)),
    }
    before = owed(entries(insured))
    assert compute(insured, "2026-01", "2027-03") == (0, 0)
    assert owed(entries(insured)) == before
    assert compute(insured, "2027-04", "2027-05")[1] > 0


def test_an_erasure_refunds_premiums_that_are_no_longer_owed(insured: Family) -> None:
    compute(insured, "2026-01", "2026-10")
    leaves(insured, insured.primary, "2026-01-10")
    erase(insured, insured.primary)
    assert owed(entries(insured)) == 0
    assert uninvoiced(insured, COMPANY) == []


def test_only_uncomputed_months_of_erased_members_are_rejected(insured: Family) -> None:
    insured.submit(insured.enroll(insured.base, "2026-02-01", "2026-03-31", child=True), requester=admin())
    erase(insured, insured.child)
    assert entries(insured) == []  # nothing is billed that nobody has asked to bill
    refused = failure_of(premiums(insured).ComputePremiums, request(insured, "2026-01", "2026-12"))
    assert refused.reason == "MEMBER_ERASED"
    assert compute(insured, "2026-01", "2026-01")[1] > 0
    assert compute(insured, "2026-04", "2026-12")[1] > 0
