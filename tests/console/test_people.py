"""A person's page: facts with their history, forms for facts, name and identifiers, erasure and merge."""

import re

import grpc
import pytest
from playwright.sync_api import Locator, Page, expect

from tests.console.stories import NamedFamily
from tests.console.test_searching import search
from tests.support.calls import new_id

SCRIPT = "<script>document.title='broken'</script><img src=x onerror=document.title='broken'>"


@pytest.fixture
def story(channel: grpc.Channel) -> NamedFamily:
    return NamedFamily(channel).set_up()


def open_person(page: Page, member_id: str, tab: str = "") -> None:
    page.goto(f"/people/{member_id}")
    if tab:
        page.get_by_role("navigation", name="This person").get_by_role("link", name=tab).click()


def notice(page: Page) -> Locator:
    """Returns what the page reports about the form that was sent last."""
    return page.locator("main > p.notice")


def test_part_of_a_name_leads_to_a_person_with_facts_coverage_and_families(page: Page, story: NamedFamily) -> None:
    page.goto("/")
    search(page, f"léo {story.suffix[:5]}")
    expect(page.get_by_role("heading", level=1)).to_have_text(story.leo)
    facts = page.get_by_role("row").filter(has=page.get_by_role("rowheader", name="date of birth"))
    expect(facts).to_contain_text("2015-06-01")
    expect(facts).to_contain_text("by dev (system)")
    coverage = page.get_by_role("region", name="Coverage today")
    expect(coverage).to_contain_text("covered by Hospital basic")
    expect(coverage.get_by_role("link", name="HOSPITAL_BASIC")).to_be_visible()
    families = page.get_by_role("region", name="Families")
    expect(families.get_by_role("link").first).to_contain_text(f"Family of {story.marie}")


def test_a_recorded_fact_is_shown_with_who_recorded_it_and_what_was_before(page: Page, story: NamedFamily) -> None:
    open_person(page, story.family.child, "Record facts")
    page.get_by_label("Country").fill("fr")
    page.get_by_label("Postal code").fill("44200")
    page.get_by_label("From").fill("2026-02-01")
    page.get_by_role("button", name="Record").click()
    expect(page.locator("main p.notice[role=status]").first).to_contain_text(
        "Address recorded. One family is recomputed."
    )
    open_person(page, story.family.child, "Record facts")
    page.get_by_label("Country").fill("BE")
    page.get_by_label("From").fill("2026-10-01")
    page.get_by_role("button", name="Record").click()
    rows = page.get_by_role("row").filter(has=page.get_by_role("rowheader", name="address"))
    expect(rows).to_have_text(
        [
            re.compile(r"2026-02-01 to 2026-09-30\s+FR 44200\s+by developer \(system\)"),
            re.compile(r"2026-10-01 to open end\s+BE\s+by developer \(system\)"),
        ]
    )
    expect(page.get_by_role("region", name="Recorded changes")).to_contain_text("BE (before: FR 44200)")


def test_an_invalid_fact_is_rejected_and_the_form_keeps_its_input(page: Page, story: NamedFamily) -> None:
    open_person(page, story.family.child, "Record facts")
    page.get_by_role("navigation", name="Kind of fact").get_by_role("link", name="Employment").click()
    page.get_by_label("Employer").fill("ACME")
    page.get_by_label("Yearly salary").fill("a lot")
    page.get_by_role("button", name="Record").click()
    expect(page.get_by_role("alert").filter(has_text="45000 EUR")).to_contain_text("got a lot")
    expect(page.get_by_label("Employer")).to_have_value("ACME")


def test_a_stale_form_shows_what_changed_and_the_new_state(page: Page, story: NamedFamily) -> None:
    open_person(page, story.family.child, "Record facts")
    page.get_by_role("navigation", name="Kind of fact").get_by_role("link", name="Date of birth").click()
    story.family.born(story.family.child, "2014-03-09")
    page.get_by_label("Date of birth").fill("2013-03-09")
    page.get_by_role("button", name="Record").click()
    expect(page.get_by_role("region", name="has changed since")).to_contain_text("2014-03-09 (before: 2015-06-01)")
    expect(page.get_by_label("Date of birth")).to_have_value("2013-03-09")
    page.get_by_role("button", name="Record").click()
    expect(page.get_by_role("row").filter(has_text="date of birth")).to_contain_text("2013-03-09")


def test_sending_a_form_twice_records_its_fact_once(page: Page, story: NamedFamily) -> None:
    open_person(page, story.family.child, "Record facts")
    page.get_by_role("navigation", name="Kind of fact").get_by_role("link", name="Custom fact").click()
    page.get_by_label("Name").fill("student")
    page.get_by_label("Value").fill("yes")
    fields = page.locator("main form").first.evaluate("form => Object.fromEntries(new FormData(form))")
    for _ in range(2):
        sent = page.request.post(f"/people/{story.family.child}/facts", form=fields)
        assert sent.ok, sent.text()
    page.goto(f"/people/{story.family.child}/history?kind=fact")
    expect(page.get_by_text("attribute student of")).to_have_count(1)


def test_a_person_as_of_an_instant_has_the_facts_recorded_then(page: Page, story: NamedFamily) -> None:
    page.goto(f"/people/{story.family.child}")
    recorded = page.get_by_role("region", name="Recorded changes").locator("time").first.get_attribute("datetime")
    story.family.born(story.family.child, "2014-03-09")
    page.goto(f"/people/{story.family.child}?at={recorded}")
    expect(page.get_by_role("row").filter(has_text="date of birth")).to_contain_text("2015-06-01")


def test_name_and_identifiers_are_changed_and_taken_ones_rejected(page: Page, story: NamedFamily) -> None:
    number = new_id()[:8]
    story.add_person(f"Zoe Taken-{story.suffix}", None, ("payroll", number))
    open_person(page, story.family.child, "Name and identifiers")
    page.get_by_label("Name", exact=True).fill(f"Léon Dupont-{story.suffix}")
    page.get_by_label("System").first.fill("payroll")
    page.get_by_label("Identifier", exact=True).first.fill(number)
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("alert").first).to_contain_text("Another member has this identifier")
    page.get_by_label("Identifier", exact=True).first.fill(f"{number}-2")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(f"Léon Dupont-{story.suffix}")
    expect(page.get_by_role("region", name="Record", exact=True)).to_contain_text(f"{number}-2")
    expect(page.get_by_role("region", name="Recorded changes")).to_contain_text(f"(before: {story.leo})")


def test_a_name_with_a_script_is_shown_as_text_on_every_page(page: Page, channel: grpc.Channel) -> None:
    hostile = NamedFamily(channel, SCRIPT).set_up()
    person, family = f"/people/{hostile.family.child}", f"/families/{hostile.group_id}"
    for address in (
        person, f"{person}/why", f"{person}/history", f"{person}/facts", f"{person}/edit", f"{person}/merge",
        f"{person}/erase", f"/merges/{hostile.family.primary}/into/{hostile.family.child}",
        family, f"{family}?revision=1&why=1", f"{family}/compare", f"{family}/history",
    ):  # fmt: skip
        page.goto(address)
        expect(page.get_by_role("heading", level=1)).to_be_visible()
        assert "document.title" in page.content()
        assert page.title() != "broken", address
        assert page.locator("main script, main img").count() == 0, address


def test_two_records_are_merged_after_a_page_that_says_what_is_kept(page: Page, story: NamedFamily) -> None:
    number = new_id()[:8]
    twin = story.add_person(f"Leo Dupond-{story.suffix}", "2015-06-02", ("payroll", number))
    open_person(page, story.family.child, "Merge")
    page.get_by_label("The other record").fill(f"leo dupond {story.suffix}")
    page.get_by_role("button", name="Find").click()
    page.get_by_role("link", name="Merge it into the current record").click()
    born = page.get_by_role("row").filter(has=page.get_by_role("rowheader", name="date of birth"))
    expect(born).to_contain_text("2015-06-02")
    expect(born).to_contain_text("your choice")
    page.get_by_label("Use those of the record to merge").check()
    page.get_by_label("Reason").fill("entered twice")
    page.get_by_role("button", name="Merge the records").click()
    expect(notice(page)).to_contain_text("The records were merged.")
    expect(page.get_by_role("heading", level=1)).to_have_text(story.leo)
    expect(page.get_by_role("row").filter(has_text="date of birth")).to_contain_text("2015-06-02")
    expect(page.get_by_role("region", name="Record", exact=True)).to_contain_text(number)
    page.goto(f"/people/{twin}")
    expect(page).to_have_url(re.compile(story.family.child))
    page.goto(f"/people/{story.family.child}/history?kind=record")
    expect(page.get_by_text("reason: entered twice")).to_be_visible()


def test_an_impossible_merge_is_explained_and_the_form_keeps_its_reason(page: Page, story: NamedFamily) -> None:
    pet = story.add_person(f"Rex-{story.suffix}")
    page.goto(f"/merges/{story.family.primary}/into/{pet}")
    page.get_by_label("Reason").fill("entered twice")
    page.get_by_role("button", name="Merge the records").click()
    expect(page.get_by_role("alert").first).to_contain_text("MERGE_NOT_POSSIBLE")
    expect(page.get_by_label("Reason")).to_have_value("entered twice")


def test_a_person_is_erased_after_a_confirmation(page: Page, story: NamedFamily) -> None:
    name = f"Nobody Erasable-{story.suffix}"
    member_id = story.add_person(name, "1990-01-01", ("payroll", new_id()))
    open_person(page, member_id, "Erase")
    page.get_by_role("button", name="Continue").click()
    expect(page.get_by_role("heading", level=2)).to_contain_text(f"Erase the personal data of {name}?")
    page.get_by_role("button", name=f"Erase {name}").click()
    expect(page.get_by_text("The personal data of this member was erased on")).to_be_visible()
    expect(page.locator("main")).not_to_contain_text("1990-01-01")


def test_a_covered_person_is_not_erased(page: Page, story: NamedFamily) -> None:
    open_person(page, story.family.child, "Erase")
    expect(page.get_by_text("covered today or later")).to_be_visible()
    page.get_by_role("button", name="Continue").click()
    page.get_by_role("button", name=f"Erase {story.leo}").click()
    expect(page.get_by_role("alert").first).to_contain_text("MEMBER_STILL_COVERED")


def test_an_unknown_id_is_reported_with_reason_and_call_id(page: Page) -> None:
    answer = page.goto(f"/people/{new_id()}")
    assert answer is not None
    assert answer.status == 404
    expect(page.get_by_role("alert").first).to_contain_text("MEMBER_UNKNOWN")


@pytest.mark.parametrize("query", ["at=yesterday", "at=2026-13-01T00:00"])
def test_an_invalid_instant_is_rejected(page: Page, story: NamedFamily, query: str) -> None:
    answer = page.goto(f"/people/{story.family.child}?{query}")
    assert answer is not None
    assert answer.status == 400
