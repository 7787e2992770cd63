"""Invoicing premiums in the console: what isn't invoiced yet, marking it as invoiced, and sending the form twice."""

import grpc
import pytest
from playwright.sync_api import Page, expect

from tests.console.stories import NamedFamily
from tests.console.test_ledgers import compute
from tests.support.calls import new_id


@pytest.fixture
def story(channel: grpc.Channel) -> NamedFamily:
    """A family whose premiums of the first two months are computed."""
    story = NamedFamily(channel).set_up()
    compute(story.family, "2026-01", "2026-02")
    return story


def show(page: Page, story: NamedFamily) -> None:
    page.goto("/work")
    page.get_by_role("navigation", name="Work").get_by_role("link", name="Invoicing").click()
    page.get_by_label("or family").fill(story.marie)
    page.get_by_label("Debtor").select_option("primary")
    page.get_by_label("Months ending by").fill("2026-03-01")
    page.get_by_role("button", name="Show").click()


def test_premiums_are_invoiced_and_appear_with_their_invoice(page: Page, story: NamedFamily) -> None:
    number = f"INV-{new_id()[:8]}"
    show(page, story)
    shown = page.get_by_role("region", name="Not invoiced to the primary")
    expect(shown.get_by_role("row").filter(has_text=story.marie)).to_have_count(2)
    total = shown.locator(".total").inner_text()
    page.get_by_label("Invoice id").fill(number)
    page.get_by_role("button", name="Mark as invoiced").click()
    expect(page.locator("main > p.notice")).to_contain_text(f"Invoice {number} of the primary: {total}")
    show(page, story)
    expect(page.get_by_text("Nothing is left to invoice.")).to_be_visible()
    page.goto(f"/families/{story.group_id}/premiums")
    expect(page.get_by_role("row").filter(has_text=number)).to_have_count(2)


def test_sending_the_form_twice_invoices_once(page: Page, story: NamedFamily) -> None:
    show(page, story)
    page.get_by_label("Invoice id").fill(f"INV-{new_id()[:8]}")
    form = page.locator("form").filter(has=page.get_by_label("Invoice id"))
    fields = form.evaluate("form => Object.fromEntries(new FormData(form))")
    answers = [page.request.post("/work/invoicing", form=fields, max_redirects=0) for _ in range(2)]
    assert [each.status for each in answers] == [303, 303]
    page.goto(f"/families/{story.group_id}/premiums")
    expect(page.get_by_role("row").filter(has_text=fields["invoice_id"])).to_have_count(2)


def test_a_stale_form_is_rejected_and_shows_what_is_left(page: Page, story: NamedFamily) -> None:
    show(page, story)
    other = page.context.new_page()
    show(other, story)
    for tab, number in ((other, "first"), (page, "second")):
        tab.get_by_label("Invoice id").fill(f"{number}-{story.suffix}")
        tab.get_by_role("button", name="Mark as invoiced").click()
    expect(page.get_by_role("alert").first).to_contain_text("ALREADY_INVOICED")
    expect(page.get_by_text("Nothing is left to invoice.")).to_be_visible()


def test_a_form_that_names_nothing_or_two_things_is_rejected(page: Page, story: NamedFamily) -> None:
    page.goto("/work/invoicing")
    page.get_by_role("button", name="Show").click()
    expect(page.get_by_role("alert").first).to_contain_text("Enter either a contract or a family.")
