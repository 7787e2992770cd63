"""Lists across groups, as operators use them: change requests, recomputes, premium runs, entries of an invoice."""

from collections.abc import Callable, Iterator
from typing import Any

import grpc
import pytest
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from affilia.enrollment.v1 import change_request_pb2
from affilia.enrollment.v1 import change_request_service_pb2 as changes_pb
from affilia.premium.v1 import premium_computation_service_pb2 as pb
from affilia.premium.v1 import premium_entry_pb2
from affilia.premium.v1.premium_computation_service_pb2_grpc import PremiumComputationServiceStub
from affilia.pricing.v1 import insurance_cost_pb2
from tests.conftest import ServerProcess
from tests.rpc.test_costs import priced_contract
from tests.scenarios.ledger_messages import months
from tests.support.calls import Family, admin, failure_of, new_id
from tests.support.channels import connected_to
from tests.support.guarded import guarded_server
from tests.support.identities import as_, channel_of
from tests.support.waiting import wait_until

INVALID = grpc.StatusCode.INVALID_ARGUMENT
APPROVED, REJECTED = change_request_pb2.VERDICT_APPROVED, change_request_pb2.VERDICT_REJECTED
DONE, WAITING = change_request_pb2.RECOMPUTE_STATE_DONE, change_request_pb2.RECOMPUTE_STATE_WAITING
RUN_DONE, RUN_RUNNING = pb.PREMIUM_RUN_STATE_DONE, pb.PREMIUM_RUN_STATE_RUNNING
PRIMARY, COMPANY = premium_entry_pb2.DEBTOR_PRIMARY, premium_entry_pb2.DEBTOR_COMPANY


def all_pages(call: Callable[[Any], Any], request: Any, items: str) -> list[Any]:
    """Returns the items of all pages, each of which must be full except for the last one."""
    found: list[Any] = []
    while True:
        answer = call(request)
        page = list(getattr(answer, items))
        found += page
        if not answer.next_page_token:
            return found
        assert len(page) == request.page_size
        request.page_token = answer.next_page_token


def microsecond_after(instant: Timestamp) -> Timestamp:
    after = Timestamp()
    after.FromNanoseconds(instant.ToNanoseconds() + 1_000)
    return after


def nanosecond_after(instant: Timestamp) -> Timestamp:
    after = Timestamp()
    after.FromNanoseconds(instant.ToNanoseconds() + 1)
    return after


# -------------------------------------------------------------------------------------------------- change requests


@pytest.fixture
def families(family: Family) -> list[Family]:
    """Three groups of one contract, each with an approved and a rejected request, submitted in turns."""
    found = [family]
    for _ in range(2):
        other = Family(family.channel, family.contract_id, family.base, family.plus, family.option)
        other.store(other.primary)
        other.born(other.primary, "1980-06-01")
        found.append(other)
    for each in found:
        each.submit(each.enroll(each.base, "2026-01-01"))
    for each in found:
        rejected = each.submit(each.enroll(new_id(), "2026-01-01")).change_request
        assert rejected.verdict == REJECTED
    return found


def requests_of(families: list[Family], **filters: Any) -> list[change_request_pb2.ChangeRequest]:
    """Returns the change requests of the families' contract, read in pages of two."""
    request = changes_pb.ListChangeRequestsRequest(page_size=2, contract_id=families[0].contract_id)
    for name, value in filters.items():
        getattr(request, name).CopyFrom(value) if isinstance(value, Message) else setattr(request, name, value)
    return all_pages(families[0].requests.ListChangeRequests, request, "change_requests")


def test_change_requests_of_all_groups_are_listed_newest_first(families: list[Family]) -> None:
    found = requests_of(families)
    assert len(found) == 6
    assert [request.verdict for request in found] == [REJECTED] * 3 + [APPROVED] * 3
    groups = [each.group().group_id for each in families]
    assert [request.group_id for request in found] == [*reversed(groups), *reversed(groups)]
    instants = [request.recorded_at.ToNanoseconds() for request in found]
    assert instants == sorted(instants, reverse=True)
    every = changes_pb.ListChangeRequestsRequest(recorded_from=found[-1].recorded_at, page_size=1000)
    across = families[0].requests.ListChangeRequests(every).change_requests
    assert {request.change_request_id for request in found} <= {request.change_request_id for request in across}
    got = changes_pb.GetChangeRequestRequest(change_request_id=found[0].change_request_id)
    assert families[0].requests.GetChangeRequest(got).change_request == found[0]


def test_filters_of_change_requests_combine(families: list[Family]) -> None:
    newest, *_, oldest = requests_of(families)
    approved = requests_of(families, verdict=APPROVED)
    assert [request.verdict for request in approved] == [APPROVED] * 3
    assert requests_of(families, recorded_from=newest.recorded_at) == [newest]
    assert requests_of(families, recorded_before=microsecond_after(oldest.recorded_at)) == [oldest]
    assert requests_of(families, recorded_before=nanosecond_after(oldest.recorded_at)) == [oldest]
    assert requests_of(families, recorded_before=oldest.recorded_at) == []
    assert requests_of(families, recorded_from=nanosecond_after(newest.recorded_at)) == []
    assert requests_of(families, recorded_from=newest.recorded_at, verdict=APPROVED) == []
    in_the_middle: dict[str, Any] = {
        "recorded_from": approved[2].recorded_at,
        "recorded_before": approved[0].recorded_at,
    }
    assert requests_of(families, **in_the_middle, verdict=APPROVED) == approved[1:]
    assert requests_of(families, **in_the_middle, verdict=REJECTED) == []


def test_the_change_requests_of_a_group_keep_their_order_and_can_be_filtered(families: list[Family]) -> None:
    family = families[1]
    group: dict[str, Any] = {"group_id": family.group().group_id}

    def listed(**filters: Any) -> list[int]:
        request = changes_pb.ListChangeRequestsRequest(page_size=1, **group, **filters)
        return [each.verdict for each in all_pages(family.requests.ListChangeRequests, request, "change_requests")]

    assert listed() == [APPROVED, REJECTED]
    assert listed(verdict=REJECTED) == [REJECTED]
    first, second = family.requests.ListChangeRequests(changes_pb.ListChangeRequestsRequest(**group)).change_requests
    assert listed(recorded_from=second.recorded_at) == [REJECTED]
    assert listed(recorded_before=second.recorded_at) == [APPROVED]
    assert listed(recorded_before=first.recorded_at, verdict=APPROVED) == []


def test_a_page_of_all_groups_is_consistent_while_requests_are_added(families: list[Family]) -> None:
    request = changes_pb.ListChangeRequestsRequest(page_size=2, contract_id=families[0].contract_id)
    before = requests_of(families)
    first = families[0].requests.ListChangeRequests(request)
    families[0].submit(families[0].leave("2026-06-01"))
    request.page_token = first.next_page_token
    rest = all_pages(families[0].requests.ListChangeRequests, request, "change_requests")
    assert [*first.change_requests, *rest] == before
    assert len(requests_of(families)) == len(before) + 1


def test_contradicting_filters_of_change_requests_name_their_field(families: list[Family]) -> None:
    call, instant = families[0].requests.ListChangeRequests, requests_of(families)[0].recorded_at
    both = changes_pb.ListChangeRequestsRequest(group_id=new_id(), contract_id=new_id())
    assert failure_of(call, both).violations == {"contract_id": "is only allowed without group_id"}
    reversed_ = changes_pb.ListChangeRequestsRequest(
        recorded_from=nanosecond_after(microsecond_after(instant)), recorded_before=instant
    )
    failure = failure_of(call, reversed_)
    assert (failure.code, failure.violations) == (INVALID, {"recorded_before": "must not be before recorded_from"})
    unknown = changes_pb.ListChangeRequestsRequest(group_id=new_id())
    assert failure_of(call, unknown).reason == "GROUP_UNKNOWN"


@pytest.mark.parametrize("seconds", [-62_135_596_800, 253_402_300_799])
def test_the_first_and_the_last_instant_are_accepted(families: list[Family], seconds: int) -> None:
    instant = Timestamp(seconds=seconds, nanos=999_999_999 if seconds > 0 else 0)
    before, since = requests_of(families, recorded_before=instant), requests_of(families, recorded_from=instant)
    assert sorted((len(before), len(since))) == [0, 6]


def test_a_page_token_of_another_filter_is_rejected(families: list[Family]) -> None:
    call = families[0].requests.ListChangeRequests
    token = call(changes_pb.ListChangeRequestsRequest(contract_id=families[0].contract_id, page_size=1)).next_page_token
    for other in (
        changes_pb.ListChangeRequestsRequest(page_token=token),
        changes_pb.ListChangeRequestsRequest(contract_id=families[0].contract_id, verdict=APPROVED, page_token=token),
        changes_pb.ListChangeRequestsRequest(group_id=families[0].group().group_id, page_token=token),
    ):
        assert failure_of(call, other).reason == "TOKEN_INVALID"


# -------------------------------------------------------------------------------------------------- recomputes


def recompute_all(families: list[Family]) -> list[change_request_pb2.Recompute]:
    """Recomputes each group in turn, and returns the recomputes when they are done."""
    found = []
    for each in families:
        request = changes_pb.RequestRecomputeRequest(request_id=new_id(), group_id=each.group().group_id)
        asked = each.requests.RequestRecompute(request).recompute
        found.append(wait_until(lambda: done(families[0], asked.recompute_id), "the recompute is done"))  # noqa: B023
    return found


def done(family: Family, recompute_id: str) -> change_request_pb2.Recompute | None:
    request = changes_pb.GetRecomputeRequest(recompute_id=recompute_id)
    recompute = family.requests.GetRecompute(request).recompute
    return recompute if recompute.state == DONE else None


def test_a_recompute_is_returned_by_its_id(families: list[Family]) -> None:
    (recompute,) = recompute_all(families[:1])
    listed = changes_pb.ListRecomputesRequest(group_id=families[0].group().group_id)
    assert list(families[0].requests.ListRecomputes(listed).recomputes) == [recompute]
    unknown = new_id()
    failure = failure_of(families[0].requests.GetRecompute, changes_pb.GetRecomputeRequest(recompute_id=unknown))
    assert (failure.code, failure.reason) == (grpc.StatusCode.NOT_FOUND, "RECOMPUTE_UNKNOWN")
    assert failure.facts == {"recompute_id": unknown}


def test_recomputes_of_all_groups_are_listed_in_the_order_of_their_requests(families: list[Family]) -> None:
    recomputes = recompute_all(families)
    call = families[0].requests.ListRecomputes
    first, second, third = recomputes

    def of_contract(**filters: Any) -> list[change_request_pb2.Recompute]:
        request = changes_pb.ListRecomputesRequest(contract_id=families[0].contract_id, page_size=2, **filters)
        return all_pages(call, request, "recomputes")

    assert of_contract() == of_contract(state=DONE) == recomputes
    assert of_contract(state=WAITING) == []
    assert of_contract(requested_from=second.requested_at) == [second, third]
    assert of_contract(requested_before=second.requested_at) == [first]
    assert of_contract(requested_from=second.requested_at, requested_before=third.requested_at, state=DONE) == [second]
    across = changes_pb.ListRecomputesRequest(requested_from=first.requested_at, state=DONE, page_size=1000)
    positions = [each.recompute_id for each in call(across).recomputes]
    assert [positions.index(each.recompute_id) for each in recomputes] == sorted(
        positions.index(each.recompute_id) for each in recomputes
    )
    of_group = changes_pb.ListRecomputesRequest(
        group_id=families[1].group().group_id, requested_from=second.requested_at, state=DONE
    )
    assert list(call(of_group).recomputes) == [second]
    of_group.requested_before.CopyFrom(second.requested_at)
    assert list(call(of_group).recomputes) == []


# -------------------------------------------------------------------------------------------------- premium runs


@pytest.fixture
def insured(server_channel: grpc.Channel) -> Family:
    """A family with the primary on the base module from January 2026 on."""
    return enrolled(Family(server_channel).set_up())


def enrolled(family: Family) -> Family:
    family.amend(priced_contract(family))
    family.submit(family.enroll(family.base, "2026-01-01"), requester=admin())
    return family


def premiums(family: Family) -> Any:
    return PremiumComputationServiceStub(family.channel)


def run(family: Family, contract_id: str) -> pb.PremiumRun:
    """Runs premiums of two months, and returns the run when it is done."""
    request = pb.RunPremiumsRequest(request_id=new_id(), contract_id=contract_id, months=months("2026-01", "2026-02"))
    last: pb.PremiumRun = list(premiums(family).RunPremiums(request, timeout=300))[-1].run
    return last


def test_premium_runs_are_listed_newest_first_with_their_totals(insured: Family) -> None:
    runs = [run(insured, insured.contract_id) for _ in range(3)]
    assert [(each.policies, each.done, each.entries) for each in runs] == [(1, 1, 2), (1, 1, 0), (1, 1, 0)]
    oldest, middle, newest = runs

    def of_contract(**filters: Any) -> list[pb.PremiumRun]:
        request = pb.ListPremiumRunsRequest(contract_id=insured.contract_id, page_size=1, **filters)
        return all_pages(premiums(insured).ListPremiumRuns, request, "runs")

    assert of_contract() == of_contract(state=RUN_DONE) == [newest, middle, oldest]
    assert of_contract(state=RUN_RUNNING) == []
    assert of_contract(recorded_from=middle.recorded_at) == [newest, middle]
    assert of_contract(recorded_from=middle.recorded_at, recorded_before=newest.recorded_at) == [middle]
    across = pb.ListPremiumRunsRequest(recorded_from=oldest.recorded_at, recorded_before=newest.recorded_at)
    found = [each.run_id for each in premiums(insured).ListPremiumRuns(across).runs]
    assert found.index(middle.run_id) < found.index(oldest.run_id)
    assert newest.run_id not in found
    nobody = pb.ListPremiumRunsRequest(contract_id=new_id())
    assert premiums(insured).ListPremiumRuns(nobody) == pb.ListPremiumRunsResponse()


# -------------------------------------------------------------------------------------------------- invoices


def test_the_entries_of_an_invoice_are_listed_across_policies(insured: Family) -> None:
    families = [insured, Family(insured.channel, insured.contract_id, insured.base)]
    families[1].store(families[1].primary)
    families[1].born(families[1].primary, "1980-06-01")
    families[1].submit(families[1].enroll(insured.base, "2026-01-01"), requester=admin())
    run(insured, insured.contract_id)
    invoice, stub = f"I-{new_id()}", premiums(insured)
    of_contract = pb.ListPremiumEntriesRequest(contract_id=insured.contract_id)
    every = stub.ListPremiumEntries(of_contract).entries
    assert len(every) == 4
    for debtor in (PRIMARY, COMPANY):  # both on one invoice: an entry is still listed once
        mark(stub, debtor, invoice, [each.entry_id for each in every[:3]])
    mark(stub, PRIMARY, f"another-{invoice}", [every[3].entry_id])

    def listed(of: str = invoice, **filters: Any) -> list[premium_entry_pb2.PremiumEntry]:
        request = pb.ListPremiumEntriesRequest(invoice_id=of, page_size=2, **filters)
        return all_pages(stub.ListPremiumEntries, request, "entries")

    assert listed() == list(stub.ListPremiumEntries(of_contract).entries[:3])
    assert {each.group_id for each in listed()} == {each.group().group_id for each in families}
    assert [each.month.month for each in listed(months=months("2026-02", "2026-02"))] == [2]
    assert listed(of=invoice.upper()) == listed(of="%") == []
    assert len(listed(of=f"another-{invoice}")) == 1
    insured.submit(insured.leave("2026-02-01"), requester=admin())
    compute = pb.ComputePremiumsRequest(
        request_id=new_id(), policy=insurance_cost_pb2.Policy(key=insured.key), months=months("2026-01", "2026-02")
    )
    assert stub.ComputePremiums(compute).offsets == 1
    cancelled = [each for each in listed() if each.cancelled_by_entry_id]
    assert [each.month.month for each in cancelled] == [2]
    assert listed(live_only=True) == [each for each in listed() if each not in cancelled]


def mark(stub: Any, debtor: Any, invoice_id: str, entry_ids: list[str]) -> None:
    request = pb.MarkPremiumsInvoicedRequest(
        request_id=new_id(), entry_ids=entry_ids, debtor=debtor, invoice_id=invoice_id
    )
    assert stub.MarkPremiumsInvoiced(request).components


def test_an_empty_invoice_id_is_rejected(insured: Family) -> None:
    failure = failure_of(premiums(insured).ListPremiumEntries, pb.ListPremiumEntriesRequest(invoice_id=""))
    assert (failure.code, failure.violations) == (INVALID, {"invoice_id": "must not be empty"})


# -------------------------------------------------------------------------------------------------- who may


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with guarded_server(tmp_path_factory.mktemp("guarded")) as (server, _):
        yield server


def test_members_cannot_list_across_groups_or_by_invoice(guarded: ServerProcess) -> None:
    """Not even their own contract or invoice. The answer is the same as for a group or policy of others."""
    with connected_to(guarded.address) as public:
        family = enrolled(Family(channel_of(public, as_("admin", "back-office"))).set_up())
        changes = Family(channel_of(public, as_("member", family.primary)), **family.ids())
        own = changes_pb.ListChangeRequestsRequest(group_id=family.group().group_id)
        assert changes.requests.ListChangeRequests(own).change_requests
        policy = insurance_cost_pb2.Policy(group_id=new_id())
        stub: Any = PremiumComputationServiceStub(changes.channel)
        failures = [
            failure_of(call, request)
            for call, request in (
                (changes.requests.ListChangeRequests, changes_pb.ListChangeRequestsRequest(group_id=new_id())),
                (changes.requests.ListChangeRequests, changes_pb.ListChangeRequestsRequest()),
                (
                    changes.requests.ListChangeRequests,
                    changes_pb.ListChangeRequestsRequest(contract_id=family.contract_id),
                ),
                (changes.requests.ListRecomputes, changes_pb.ListRecomputesRequest()),
                (changes.requests.GetRecompute, changes_pb.GetRecomputeRequest(recompute_id=new_id())),
                (stub.ListPremiumRuns, pb.ListPremiumRunsRequest(contract_id=family.contract_id)),
                (stub.ListPremiumEntries, pb.ListPremiumEntriesRequest(policy=policy)),
                (stub.ListPremiumEntries, pb.ListPremiumEntriesRequest(invoice_id="I1")),
                (stub.ListPremiumEntries, pb.ListPremiumEntriesRequest(contract_id=family.contract_id)),
            )
        ]
        assert {(failure.code, failure.reason) for failure in failures} == {
            (grpc.StatusCode.PERMISSION_DENIED, "NOT_ALLOWED")
        }
