"""Changing a family: choices, several changes in one request, simulation, consequences, reverting and correcting."""

import re
from collections.abc import Iterator, Sequence

import grpc
import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from affilia.catalog.v1 import condition_pb2, contract_pb2
from affilia.enrollment.v1.change_request_pb2 import VERDICT_APPROVED, VERDICT_REJECTED, ChangeRequest
from affilia.enrollment.v1.change_request_service_pb2 import ListChangeRequestsRequest
from affilia.premium.v1 import premium_computation_service_pb2 as premium_pb
from affilia.premium.v1.premium_computation_service_pb2_grpc import PremiumComputationServiceStub
from affilia.premium.v1.premium_entry_pb2 import DEBTOR_PRIMARY
from affilia.pricing.v1.insurance_cost_pb2 import Policy
from tests.conftest import ServerProcess
from tests.console.conftest import TIMEOUT_MS, ConsoleProcess
from tests.console.stories import CHILD, MODULES, NamedFamily
from tests.console.test_ledgers import compute
from tests.console.test_people import SCRIPT
from tests.scenarios.enrollment_messages import date
from tests.support.calls import admin, new_id

BASIC, PLUS, TRAVEL = MODULES


class Dependents(NamedFamily):
    """A family in which the child is covered only while the primary is, and Travel only for adults."""

    def contract(self) -> contract_pb2.Contract:
        contract = super().contract()
        rule = contract.versions[0].rules.add(
            code="NEEDS_PRIMARY", description="Children are covered while the primary is."
        )
        rule.applies_to.append(CHILD)
        rule.condition.enrolled_on.subject = condition_pb2.SUBJECT_PRIMARY
        return contract

    def requests(self) -> Sequence[ChangeRequest]:
        """Returns all requests of the family."""
        request = ListChangeRequestsRequest(group_id=self.group_id, page_size=100)
        return self.family.requests.ListChangeRequests(request).change_requests

    @property
    def address(self) -> str:
        return f"/families/{self.group_id}"


@pytest.fixture
def story(channel: grpc.Channel) -> Dependents:
    made = Dependents(channel)
    made.set_up()
    return made


@pytest.fixture
def plain_page(browser: Browser, console: ConsoleProcess) -> Iterator[Page]:
    """A page without JavaScript."""
    context = browser.new_context(base_url=console.url, java_script_enabled=False)
    context.set_default_timeout(TIMEOUT_MS)
    yield context.new_page()
    context.close()


def region(page: Page, name: str) -> Locator:
    return page.get_by_role("region", name=name)


def choose(page: Page, story: Dependents, member_id: str, first: str, last: str = "") -> None:
    """Opens a form for a person of the family, and shows what they can choose from a day on."""
    page.goto(f"{story.address}/change?member={member_id}")
    choose_days(page, first, last)


def choose_days(page: Page, first: str, last: str = "") -> None:
    page.get_by_label("First day").fill(first)
    page.get_by_label("Last day, if any").fill(last)
    page.get_by_role("button", name="Show choices").click()
    expect(region(page, "Choices")).to_be_visible()


def add(page: Page, button: str) -> None:
    """Adds a change to the request, and waits until it is simulated."""
    page.get_by_role("button", name=button, exact=True).click()
    expect(region(page, "Simulation")).to_be_visible()


def switch(page: Page, story: Dependents, first: str = "2026-07-01") -> None:
    """Prepares a request that moves Marie to the better module."""
    choose(page, story, story.family.primary, first)
    add(page, f"Switch to this: {PLUS}")


def submit(page: Page, reason: str) -> None:
    page.get_by_label("Reason").fill(reason)
    page.get_by_role("button", name="Submit the request").click()


def verdict(page: Page) -> Locator:
    """Returns the part of a request's page that says whether it was approved."""
    return page.locator("section.verdict")


def mark_invoiced(story: Dependents, invoice_id: str) -> None:
    """Invoices everything that the primary owes."""
    premiums = PremiumComputationServiceStub(story.family.channel)
    uninvoiced = premiums.ListUninvoicedPremiums(
        premium_pb.ListUninvoicedPremiumsRequest(
            policy=Policy(key=story.family.key), debtor=DEBTOR_PRIMARY, up_to=date("2026-09-30"), page_size=1000
        )
    )
    premiums.MarkPremiumsInvoiced(
        premium_pb.MarkPremiumsInvoicedRequest(
            request_id=new_id(),
            entry_ids=[entry.entry_id for entry in uninvoiced.entries],
            debtor=DEBTOR_PRIMARY,
            invoice_id=invoice_id,
        )
    )


# ------------------------------------------------------------------------------------------------ choices


def test_choices_have_reasons_and_the_cost_of_each_payer(page: Page, story: Dependents) -> None:
    choose(page, story, story.family.child, "2026-07-01")
    rows = region(page, "Choices").get_by_role("row")
    travel = rows.filter(has_text=TRAVEL)
    expect(travel).to_contain_text("not available")
    expect(travel).to_contain_text("ADULT is not satisfied")
    expect(travel).to_contain_text("not possible within the next two years")
    plus = rows.filter(has_text=PLUS)
    expect(plus).to_contain_text("220.00 EUR → 275.00 EUR")
    expect(plus).to_contain_text("company 110.00 EUR → 55.00 EUR")
    expect(plus).to_contain_text("primary 110.00 EUR → 220.00 EUR")


def test_choosing_another_person_shows_their_choices_and_keeps_what_was_typed(page: Page, story: Dependents) -> None:
    switch(page, story)
    page.get_by_label("Reason").fill("wants a single room")
    page.get_by_text("Add another change").click()
    page.get_by_label("Person").focus()
    page.get_by_label("Person").select_option(story.family.child)
    expect(region(page, "Choices").get_by_role("row").filter(has_text=TRAVEL)).to_contain_text("not available")
    expect(page.get_by_label("Reason")).to_have_value("wants a single room")
    expect(page.get_by_label("Person")).to_be_focused()


def test_someone_who_is_not_in_the_family_is_found_by_name_and_joins(page: Page, story: Dependents) -> None:
    partner = story.add_person(f"Paul Martin-{story.suffix}", "1981-04-04")
    page.goto(f"{story.address}/change")
    page.get_by_label("or someone else").fill(f"paul martin {story.suffix}")
    page.get_by_label("First day").fill("2026-09-01")
    page.get_by_role("button", name="Show choices").click()
    expect(page.get_by_label("Person")).to_have_value(partner)
    page.get_by_label("joins as").select_option("partner")
    add(page, f"Enroll: {BASIC}")
    submit(page, "marriage")
    expect(verdict(page)).to_contain_text(f"Enroll Paul Martin-{story.suffix} (partner) on {BASIC}")


def test_an_unknown_name_is_reported_and_the_form_stays(page: Page, story: Dependents) -> None:
    switch(page, story)
    page.get_by_text("Add another change").click()
    page.get_by_label("or someone else").fill("nobody by this name")
    page.get_by_role("button", name="Show choices").click()
    expect(page.get_by_role("alert").first).to_contain_text("Nothing matches “nobody by this name”")
    expect(region(page, "1 change in this request")).to_be_visible()


# ------------------------------------------------------------------------------------------------ simulate, submit


def test_a_switch_is_simulated_submitted_and_reverted_and_premiums_follow(page: Page, story: Dependents) -> None:
    compute(story.family, "2026-01", "2026-09")
    mark_invoiced(story, "INV-1")
    switch(page, story)
    simulation = region(page, "Simulation")
    expect(simulation).to_contain_text("would be approved")
    expect(simulation).to_contain_text(f"{story.marie} moves from {BASIC} to {PLUS}, from 2026-07-01 on")
    expect(simulation.locator("path.lost").first).to_be_attached()
    expect(simulation.get_by_role("row").filter(has_text="Total")).to_contain_text("+55.00 EUR")
    assert story.family.group().revision == 1
    submit(page, "wants a single room")
    expect(verdict(page)).to_contain_text("Approved request")
    expect(verdict(page)).to_contain_text("wants a single room")
    compute(story.family, "2026-01", "2026-09")
    page.get_by_role("link", name="Premiums of this family").click()
    corrections = region(page, "Corrections")
    expect(corrections).to_contain_text(f"{story.marie} on {BASIC}, 2026-07-01 to 2026-07-31")
    july = region(page, "By month and debtor").get_by_role("row").filter(has_text="2026-07").filter(has_text="primary")
    expect(july).to_contain_text("220.00 EUR")
    expect(july).to_contain_text("INV-1")
    mark_invoiced(story, "INV-2")
    page.reload()
    expect(july).to_contain_text("INV-1, INV-2")

    page.get_by_role("link", name="Requests").click()
    page.get_by_role("row").filter(has_text="wants a single room").get_by_role("link", name="Revert").click()
    expect(simulation).to_contain_text(f"{story.marie} moves from {PLUS} to {BASIC}, from 2026-07-01 on")
    submit(page, "signed by mistake")
    expect(verdict(page)).to_contain_text("Approved request")
    expect(verdict(page)).to_contain_text("Revert request")
    compute(story.family, "2026-01", "2026-09")
    page.get_by_role("link", name="Premiums of this family").click()
    expect(corrections).to_contain_text(f"{story.marie} on {PLUS}, 2026-07-01 to 2026-07-31")
    expect(july).to_contain_text("110.00 EUR")
    page.get_by_role("link", name="Requests").click()
    reverted = page.get_by_role("row").filter(has_text="wants a single room")
    expect(reverted.first).to_contain_text("The request has already been reverted.")
    page.get_by_role("link", name="History").click()
    entries = page.get_by_role("region", name="Entries").get_by_role("listitem")
    undone = entries.filter(has_text="Reason: wants a single room").first
    expect(undone).to_contain_text("This request has already been reverted.")
    expect(undone.get_by_role("link", name="Revert")).to_have_count(0)
    expect(entries.filter(has_text="signed by mistake").first.get_by_role("link", name="Revert")).to_be_visible()


def test_several_changes_are_edited_and_submitted_in_one_request(page: Page, story: Dependents) -> None:
    switch(page, story)
    page.get_by_text("Add another change").click()
    page.get_by_label("Person").select_option(story.family.child)
    expect(region(page, "Choices")).to_contain_text(story.leo)
    add(page, f"Switch to this: {PLUS}")
    changes = region(page, "changes in this request").get_by_role("listitem")
    expect(changes).to_have_count(2)
    page.get_by_text("Add another change").click()
    add(page, f"Leave {BASIC}")
    expect(changes).to_have_count(3)
    page.get_by_role("button", name="Remove change 3").click()
    expect(changes).to_have_count(2)
    page.get_by_role("button", name="Edit change 2").click()
    expect(page.get_by_label("Person")).to_have_value(story.family.child)
    choose_days(page, "2026-10-01", "2026-12-31")
    add(page, f"Switch to this: {PLUS}")
    expect(changes.nth(1)).to_contain_text("2026-10-01 to 2026-12-31")
    submit(page, "both want a single room")
    expect(verdict(page).get_by_role("listitem")).to_have_count(2)
    stored = story.requests()[-1]
    assert (len(story.requests()), len(stored.changes), stored.made_revision) == (2, 2, True)


def test_a_consequence_must_be_accepted_before_the_request_is_submitted(page: Page, story: Dependents) -> None:
    choose(page, story, story.family.primary, "2026-08-01")
    add(page, "Leave all modules")
    expect(region(page, "Simulation")).to_contain_text("would be approved if you accept the consequences")
    submit(page, "leaves the company")
    consequence = page.get_by_role("checkbox", name=f"also ends: {story.leo} on {BASIC}")
    expect(consequence).to_be_focused()  # the browser asks for it
    fields = page.locator("main form").evaluate("form => Object.fromEntries(new FormData(form))")
    sent = page.request.post(page.locator("main form").get_attribute("action") or "", form={**fields, "do": "submit"})
    assert (sent.status, "Accept each consequence" in sent.text()) == (400, True)
    assert len(story.requests()) == 1
    consequence.check()
    submit(page, "leaves the company")
    expect(verdict(page)).to_contain_text("Approved request")
    expect(verdict(page)).to_contain_text(f"also ends: {story.leo} on {BASIC}, 2026-08-01")
    assert [each.verdict for each in story.requests()] == [VERDICT_APPROVED] * 2


def test_a_rejected_request_shows_every_violation_and_can_be_edited(page: Page, story: Dependents) -> None:
    choose(page, story, story.family.child, "2026-08-01")
    add(page, f"Request anyway: {TRAVEL}")
    page.get_by_text("Add another change").click()
    choose_days(page, "2042-01-01")
    add(page, f"Request anyway: {PLUS}")
    simulation = region(page, "Simulation")
    expect(simulation).to_contain_text("would be rejected")
    expect(simulation).to_contain_text("ADULT is not satisfied")
    page.get_by_label("Reason").fill("asked by the member")
    page.get_by_role("button", name="Record as rejected").click()
    expect(verdict(page)).to_contain_text("Rejected request")
    expect(verdict(page)).to_contain_text(f"ADULT is not satisfied for member {story.leo} on module {TRAVEL}")
    stored = story.requests()[-1]
    assert stored.verdict == VERDICT_REJECTED
    assert {each.rule_code for each in stored.violations} == {"ADULT", "CHILD_AGE"}
    for each in stored.violations:
        expect(verdict(page)).to_contain_text(f"{each.rule_code} is not satisfied for member {story.leo}")
    page.get_by_role("link", name="Edit and try again").click()
    page.get_by_role("button", name="Remove change 1").click()
    expect(region(page, "1 change in this request")).to_be_visible()
    assert story.family.group().revision == 1


def test_an_admin_overrides_a_rule_after_simulating_it(page: Page, story: Dependents) -> None:
    choose(page, story, story.family.child, "2026-08-01")
    add(page, f"Request anyway: {TRAVEL}")
    page.get_by_label("Reason").fill("a promise of the sales team")
    page.get_by_role("checkbox", name="ADULT").check()
    page.get_by_role("button", name="Simulate with these overrides").click()
    expect(region(page, "Simulation")).to_contain_text("would be approved")
    page.get_by_role("button", name="Submit the request").click()
    expect(verdict(page)).to_contain_text("Approved request")
    assert list(story.requests()[-1].overridden_rules) == ["ADULT"]


def test_overrides_that_were_not_simulated_are_not_submitted(page: Page, story: Dependents) -> None:
    choose(page, story, story.family.child, "2026-08-01")
    add(page, f"Request anyway: {TRAVEL}")
    page.get_by_label("Reason").fill("a promise of the sales team")
    page.get_by_role("checkbox", name="ADULT").check()
    page.get_by_role("button", name="Record as rejected").click()
    expect(page.get_by_role("alert").first).to_contain_text("The overridden rules have changed.")
    expect(region(page, "Simulation")).to_contain_text("would be approved")
    assert len(story.requests()) == 1


def test_a_membership_type_is_corrected(page: Page, story: Dependents) -> None:
    choose(page, story, story.family.child, "2026-08-01")
    add(page, "Correct the membership type to partner")
    expect(region(page, "Simulation")).to_contain_text(f"{story.leo} is partner instead of child")
    submit(page, "entered wrongly")
    expect(verdict(page)).to_contain_text("Approved request")


def test_an_earlier_request_is_corrected_in_one_step(page: Page, story: Dependents) -> None:
    switch(page, story, "2026-07-01")
    submit(page, "wants a single room")
    page.goto(f"{story.address}/history")
    page.locator("ol.entries > li").first.get_by_role("link", name="Correct").click()
    page.get_by_role("button", name="Edit change 2").click()
    expect(page.get_by_label("First day")).to_have_value("2026-07-01")
    choose_days(page, "2026-08-01")
    add(page, f"Enroll for these days: {PLUS}")
    expect(region(page, "Simulation")).to_contain_text(f"from {PLUS} to {BASIC}, from 2026-07-01 to 2026-07-31")
    submit(page, "from August on")
    expect(verdict(page)).to_contain_text("Approved request")
    (first,) = [each for each in story.family.group().periods if each.module_id == story.family.plus]
    assert (first.days.first_on.month, first.days.first_on.day) == (8, 1)


# ------------------------------------------------------------------------------------------------ once, and not stale


def test_a_double_click_makes_one_request(page: Page, story: Dependents) -> None:
    switch(page, story)
    page.get_by_label("Reason").fill("wants a single room")
    page.get_by_role("button", name="Submit the request").dblclick()
    expect(verdict(page)).to_contain_text("Approved request")
    assert len(story.requests()) == 2


def test_a_form_that_is_sent_twice_makes_one_request(page: Page, story: Dependents) -> None:
    switch(page, story)
    page.get_by_label("Reason").fill("wants a single room")
    form = page.locator("main form")
    fields = form.evaluate("form => Object.fromEntries(new FormData(form))")
    for _ in range(2):
        sent = page.request.post(form.get_attribute("action") or "", form={**fields, "do": "submit"})
        assert (sent.status, "Approved request" in sent.text()) == (200, True), sent.text()
    assert len(story.requests()) == 2


def test_going_back_after_a_request_does_not_make_it_again(page: Page, story: Dependents) -> None:
    switch(page, story)
    submit(page, "wants a single room")
    expect(verdict(page)).to_contain_text("Approved request")
    request = page.url
    page.go_back()
    expect(page).to_have_url(re.compile(re.escape(request)))
    expect(page.get_by_text("This form was already submitted.")).to_be_visible()
    assert len(story.requests()) == 2


def test_going_back_while_preparing_shows_the_earlier_draft(page: Page, story: Dependents) -> None:
    switch(page, story)
    page.get_by_text("Add another change").click()
    add(page, "Leave all modules")
    expect(region(page, "2 changes in this request")).to_be_visible()
    page.go_back()
    expect(region(page, "1 change in this request")).to_be_visible()


def test_a_second_tab_says_what_the_first_one_changed_and_offers_the_new_state(page: Page, story: Dependents) -> None:
    other = page.context.new_page()
    switch(page, story, "2026-07-01")
    choose(other, story, story.family.child, "2026-08-01")
    add(other, f"Switch to this: {PLUS}")
    submit(page, "wants a single room")
    expect(verdict(page)).to_contain_text("Approved request")
    submit(other, "also wants one")
    stale = region(other, "Nothing was recorded: the family has changed since you opened this form")
    expect(stale).to_contain_text("revision 2")
    expect(stale).to_contain_text(f"{story.marie} on {PLUS}: gained 2026-07-01 to open end")
    expect(region(other, "Simulation").locator("svg")).to_contain_text("until 2026-06-30")  # Marie's new state
    assert len(story.requests()) == 2
    expect(other.get_by_label("Reason")).to_have_value("also wants one")
    other.get_by_role("button", name="Submit the request").click()
    expect(verdict(other)).to_contain_text("Approved request")
    assert story.family.group().revision == 3


def test_a_form_that_is_opened_again_later_shows_what_changed(page: Page, story: Dependents) -> None:
    switch(page, story)
    story.family.submit(
        story.family.enroll(story.family.option, "2026-09-01"), requester=admin("travels", "back-office")
    )
    page.reload()
    expect(region(page, "The family has changed since you opened this form")).to_contain_text("travels")
    submit(page, "wants a single room")
    expect(verdict(page)).to_contain_text("Approved request")


# ------------------------------------------------------------------------------------------------ other conditions


def test_a_family_is_changed_without_javascript(plain_page: Page, story: Dependents) -> None:
    page = plain_page
    page.goto(f"/people/{story.family.child}")
    page.get_by_role("link", name="Change", exact=True).click()
    expect(page.get_by_label("Person")).to_have_value(story.family.child)
    choose_days(page, "2026-09-01")
    add(page, f"Switch to this: {PLUS}")
    submit(page, "wants a single room")
    expect(verdict(page)).to_contain_text("Approved request")
    page.get_by_role("link", name="Revert").click()
    expect(region(page, "Simulation")).to_contain_text(f"{story.leo} moves from {PLUS} to {BASIC}")


def test_a_script_in_a_reason_is_shown_as_text(page: Page, story: Dependents) -> None:
    switch(page, story)
    submit(page, SCRIPT)
    expect(verdict(page)).to_contain_text(SCRIPT)
    for address in (page.url, f"{story.address}/requests", f"{story.address}/history", f"{story.address}/change"):
        page.goto(address)
        expect(page.get_by_role("heading", level=1)).to_be_visible()
        assert page.title() != "broken", address
        assert page.locator("main script, main img").count() == 0, address


def test_a_read_only_console_simulates_and_refuses_to_submit(
    browser: Browser, sample_server: ServerProcess, channel: grpc.Channel, story: Dependents
) -> None:
    console = ConsoleProcess(sample_server, "--dev", "--read-only")
    context = browser.new_context(base_url=console.url)
    context.set_default_timeout(TIMEOUT_MS)
    page = context.new_page()
    switch(page, story)
    button = page.get_by_role("button", name="Submit the request")
    expect(button).to_be_disabled()
    expect(button).to_have_attribute("title", "This console is read-only.")
    form = page.locator("main form")
    fields = form.evaluate("form => Object.fromEntries(new FormData(form))")
    sent = page.request.post(form.get_attribute("action") or "", form={**fields, "do": "submit", "reason": "test"})
    assert (sent.status, "This console is read-only." in sent.text()) == (400, True)
    assert len(story.requests()) == 1
    context.close()
    console.stop()


def test_the_enter_key_never_submits_a_request(page: Page, story: Dependents) -> None:
    switch(page, story)
    page.get_by_label("Reason").fill("wants a single room")
    page.get_by_label("Reason").press("Enter")
    expect(page.get_by_label("Reason")).to_have_value("wants a single room")
    expect(region(page, "Simulation")).to_be_visible()
    assert len(story.requests()) == 1


def test_a_form_of_another_session_begins_again(page: Page, story: Dependents) -> None:
    page.goto(f"{story.address}/change/{new_id()}")
    expect(page.get_by_text("That form is no longer available.")).to_be_visible()
    expect(page).to_have_url(re.compile(rf"{story.group_id}/change/"))


def test_a_request_of_another_family_is_not_reverted(page: Page, story: Dependents, channel: grpc.Channel) -> None:
    other = Dependents(channel)
    other.set_up()
    answer = page.goto(f"{story.address}/change?revert={other.requests()[0].change_request_id}")
    assert answer is not None
    assert answer.status == 400
    expect(page.get_by_role("alert")).to_contain_text("belongs to another family")


def test_a_reason_is_required_and_the_error_has_a_call_id(page: Page, story: Dependents) -> None:
    switch(page, story)
    form = page.locator("main form")
    fields = form.evaluate("form => Object.fromEntries(new FormData(form))")
    sent = page.request.post(form.get_attribute("action") or "", form={**fields, "do": "submit"})
    assert sent.status == 400
    assert "requester.reason" in sent.text()
    assert "REQUEST_MALFORMED" in sent.text()
    assert len(story.requests()) == 1
