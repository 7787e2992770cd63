"""Limits of people, and premiums and requests of families, in the console."""

from collections.abc import Iterator

import grpc
import pytest
from playwright.sync_api import Page, expect

from affilia.premium.v1.premium_computation_service_pb2 import ComputePremiumsRequest
from affilia.premium.v1.premium_computation_service_pb2_grpc import PremiumComputationServiceStub
from affilia.pricing.v1.insurance_cost_pb2 import Policy
from tests.conftest import ServerProcess
from tests.rpc.test_costs import priced_contract
from tests.scenarios.ledger_messages import months
from tests.support.calls import Family, admin, new_id
from tests.support.insured import DEDUCTIBLE, Insured


@pytest.fixture
def internal(sample_server: ServerProcess) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(sample_server.internal_address) as channel:
        yield channel


def test_a_persons_limits_show_what_is_used_and_the_ledger(
    page: Page, channel: grpc.Channel, internal: grpc.Channel
) -> None:
    insured = Insured(channel, internal).set_up()
    insured.enroll("2026-01-01")
    insured.apply("2026-06-15", deductible=4000)
    page.goto(f"/people/{insured.family.primary}/limits?on=2026-06-15")
    row = page.get_by_role("row").filter(has=page.get_by_role("rowheader", name=DEDUCTIBLE))
    expect(row.first).to_contain_text("40.00")
    expect(page.get_by_role("region", name="Ledger")).to_contain_text("40.00")


def compute(family: Family, first: str, last: str) -> None:
    request = ComputePremiumsRequest(request_id=new_id(), policy=Policy(key=family.key), months=months(first, last))
    PremiumComputationServiceStub(family.channel).ComputePremiums(request)


def test_premiums_show_what_is_owed_corrections_with_causes_and_compare_two_months(
    page: Page, channel: grpc.Channel
) -> None:
    family = Family(channel).set_up()
    family.amend(priced_contract(family))
    family.submit(family.enroll(family.base, "2026-01-01"), requester=admin())
    address = f"/families/{family.group().group_id}/premiums"
    page.goto(address)
    expect(page.get_by_text("No premiums have been computed for this family.")).to_be_visible()
    compute(family, "2026-01", "2026-03")
    family.submit(family.leave("2026-03-16"), requester=admin())
    compute(family, "2026-01", "2026-03")
    page.goto(address)
    january = page.get_by_role("row").filter(has=page.get_by_role("rowheader", name="2026-01"))
    expect(january.first).to_contain_text("55.00 EUR")
    expect(page.get_by_role("region", name="Corrections")).to_contain_text("-110.00 EUR")
    computed = page.get_by_role("region", name="How the amounts of 2026-03 were computed")
    computed.get_by_text("2026-03-01 to 2026-03-15: ").click()
    expect(computed.get_by_role("listitem").filter(has_text="List price")).to_contain_text("100.00 EUR")
    expect(computed.get_by_role("row", name="primary 50.00 EUR 25.00 EUR")).to_be_visible()
    page.get_by_role("link", name="2026-02").first.click()
    expect(page.get_by_role("region", name="How the amounts of 2026-02 were computed")).to_be_visible()
    first, second = page.get_by_role("combobox").all()
    first.select_option("2026-02")
    second.select_option("2026-03")
    page.get_by_role("button", name="Compare").click()
    expect(page.get_by_role("region", name="Compare two months")).to_contain_text("110.00 EUR")


def test_requests_of_a_family_have_their_verdicts_and_reasons(page: Page, channel: grpc.Channel) -> None:
    family = Family(channel).set_up()
    family.submit(family.enroll(family.base, "2026-01-01"), requester=admin("joins"))
    family.submit(family.enroll(family.option, "2026-01-01", child=True), requester=admin("a mistake"))
    page.goto(f"/families/{family.group().group_id}/requests")
    expect(page.get_by_role("row").filter(has_text="joins")).to_contain_text("approved")
    rejected = page.get_by_role("row").filter(has_text="a mistake")
    expect(rejected).to_contain_text("rejected")
    expect(rejected.get_by_role("listitem").first).to_contain_text("✗")


def test_rejected_requests_of_the_day_are_listed_under_work(page: Page, channel: grpc.Channel) -> None:
    family = Family(channel).set_up()
    rejected = family.submit(family.enroll(family.option, "2026-01-01", child=True), requester=admin())
    page.goto(f"/work?on={rejected.change_request.recorded_at.ToDatetime().date()}")
    row = page.get_by_role("region", name="Rejected requests on").get_by_role("row")
    expect(row.filter(has=page.locator(f'a[href="/families/{rejected.group.group_id}"]'))).to_have_count(1)


def test_a_premium_run_is_started_and_its_progress_followed(page: Page, channel: grpc.Channel) -> None:
    family = Family(channel).set_up()
    family.amend(priced_contract(family))
    family.submit(family.enroll(family.base, "2026-01-01"), requester=admin())
    page.goto("/work")
    page.get_by_label("First month").fill("2026-01")
    page.get_by_role("textbox", name="Contract").fill(family.contract_id)
    page.get_by_role("button", name="Start a run").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("2026-01")
    expect(page.locator("#run")).to_contain_text("done")
    expect(page.locator("#run")).to_contain_text("1 of 1")


def test_the_feed_shows_events_as_they_arrive(page: Page, channel: grpc.Channel) -> None:
    family = Family(channel).set_up()
    page.goto("/feed")
    page.get_by_role("textbox", name="Contract").fill(family.contract_id)
    page.get_by_label("From").select_option("beginning")
    page.get_by_role("button", name="Show").click()
    expect(page.get_by_text("Waiting for events.")).to_be_visible()
    expect(page.get_by_role("button", name="Read from the beginning")).to_have_count(0)
    family.submit(family.enroll(family.base, "2026-01-01"), requester=admin())
    expect(page.get_by_role("rowheader", name="Policy activated")).to_be_visible()


def test_the_audit_log_is_filtered_by_person(page: Page, channel: grpc.Channel) -> None:
    family = Family(channel).set_up()
    family.submit(family.enroll(family.base, "2026-01-01"), requester=admin())
    page.goto("/audit")
    page.get_by_label("Person").fill(family.primary)
    page.get_by_role("button", name="Filter").click()
    expect(page.get_by_role("rowheader", name="SubmitChangeRequest")).to_have_count(1)
    assert family.primary not in page.url


def test_an_empty_feed_offers_earlier_events(page: Page, channel: grpc.Channel) -> None:
    family = Family(channel).set_up()
    family.submit(family.enroll(family.base, "2026-01-01"), requester=admin())
    page.goto("/feed")
    page.get_by_role("textbox", name="Contract").fill(family.contract_id)
    page.get_by_role("button", name="Show").click()
    page.get_by_role("button", name="Read from the beginning").click()
    expect(page.get_by_role("rowheader", name="Policy activated")).to_be_visible()
