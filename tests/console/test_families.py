"""A family's page: its timeline over revisions, what each changed and why, and any two compared."""

import re
from pathlib import Path

import grpc
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.conftest import ServerProcess
from tests.console.conftest import TIMEOUT_MS, ConsoleProcess
from tests.console.stories import LargeGroup, NamedFamily
from tests.support.calls import admin
from tests.support.channels import connected_to

MEMBERS, MODULES = 200, 20


@pytest.fixture
def story(channel: grpc.Channel) -> NamedFamily:
    return NamedFamily(channel).set_up().with_history()


def test_the_slider_shows_each_revision_with_lost_days_and_who_made_it(page: Page, story: NamedFamily) -> None:
    page.goto(f"/families/{story.group_id}")
    state = page.locator("#state")
    expect(state).to_contain_text("Revision 4 of 4")
    expect(state).to_contain_text("has his own insurance")
    slider = page.get_by_role("slider")
    slider.press("ArrowLeft")
    expect(state).to_contain_text("Revision 3 of 4")
    expect(state).to_contain_text(f"{story.marie} moves from Hospital basic to Hospital plus, from 2026-07-01 on")
    expect(state).to_contain_text("220.00 EUR before")
    expect(state.locator("path.lost").first).to_be_attached()
    slider.press("Home")
    expect(state).to_contain_text("Revision 1 of 4")
    expect(state).to_contain_text("joins the company")
    expect(slider).to_be_focused()


def test_revisions_can_be_browsed_without_javascript(
    browser: Browser, console: ConsoleProcess, story: NamedFamily
) -> None:
    context = browser.new_context(base_url=console.url, java_script_enabled=False)
    context.set_default_timeout(TIMEOUT_MS)
    page = context.new_page()
    page.goto(f"/families/{story.group_id}")
    page.get_by_role("link", name="← Revision 3").click()
    page.get_by_role("link", name="← Revision 2").click()
    expect(page.locator("#state")).to_contain_text("Recomputed after facts were recorded.")
    page.get_by_role("link", name="Why?").click()
    expect(page.locator("#why")).to_contain_text("Children are covered until they turn 26.")
    page.get_by_role("slider").press("ArrowRight")
    page.get_by_role("button", name="Show").first.click()
    expect(page.locator("#state")).to_contain_text("Revision 3 of 4")
    context.close()


def test_why_explains_a_revision_in_the_words_of_the_command_line(page: Page, story: NamedFamily) -> None:
    page.goto(f"/families/{story.group_id}?revision=2")
    page.get_by_role("link", name="Why?").click()
    why = page.locator("#why")
    expect(why).to_contain_text(f"{story.leo} on Hospital basic: lost 2026-08-15 to 2041-05-31")
    expect(why).to_contain_text(re.compile(r"because date of birth of .*: 2000-08-15 \(before: 2015-06-01\)"))


def test_any_two_revisions_are_compared(page: Page, story: NamedFamily) -> None:
    page.goto(f"/families/{story.group_id}")
    page.get_by_label("Compare revision").fill("1")
    page.get_by_label("with revision").fill("4")
    page.get_by_role("button", name="Compare").click()
    expect(page.get_by_role("heading", level=2).first).to_have_text("Revision 4 compared with revision 1")
    expect(page.locator("main")).to_contain_text(f"{story.leo} loses Hospital basic from 2026-05-01 to 2041-05-31")
    expect(page.locator("main")).to_contain_text("revision 4: by a change request (has his own insurance)")


def test_a_family_as_of_an_instant_is_the_revision_recorded_then(page: Page, story: NamedFamily) -> None:
    page.goto(f"/families/{story.group_id}/history")
    recorded = page.locator("ol.entries > li").filter(has_text="revision 2").locator("time").get_attribute("datetime")
    page.goto(f"/families/{story.group_id}?at={recorded}")
    expect(page.locator("#state")).to_contain_text("Revision 2 of 4")
    page.goto(f"/families/{story.group_id}?at=2020-01-01T00:00")
    expect(page.get_by_role("alert").first).to_contain_text("Nothing was recorded about this family until 2020-01-01")


@pytest.mark.parametrize(
    "query", ["revision=5", "revision=-1", "revision=abc", "revision=1e9", "at=never", "on=2026-02-30"]
)
def test_an_address_of_an_unknown_state_is_rejected(page: Page, story: NamedFamily, query: str) -> None:
    answer = page.goto(f"/families/{story.group_id}?{query}")
    assert answer is not None
    assert answer.status == 400


def test_the_history_of_a_family_is_shown_in_words_and_by_kind(page: Page, story: NamedFamily) -> None:
    page.goto(f"/families/{story.group_id}/history")
    entries = page.locator("ol.entries > li")
    expect(entries.first).to_contain_text("requested by admin back-office")
    page.get_by_label("recompute").check()
    page.get_by_role("button", name="Show").click()
    expect(entries).to_have_count(1)
    expect(entries).to_contain_text("Recomputed after facts were recorded.")
    entries.get_by_role("link", name="Why?").click()
    expect(page.locator("#why")).to_contain_text("CHILD_AGE")


def test_a_page_of_an_older_state_shows_what_another_tab_changed(page: Page, story: NamedFamily) -> None:
    other = page.context.new_page()
    for tab in (page, other):
        tab.goto(f"/families/{story.group_id}")
    story.family.submit(story.family.enroll(story.family.option, "2026-09-01"), requester=admin("travels"))
    page.get_by_role("slider").press("ArrowLeft")
    notice = page.locator("#state").get_by_role("status")
    expect(notice).to_contain_text("Revision 5 has been recorded since this page was opened")
    notice.get_by_role("link", name="Show it").click()
    expect(page.locator("#state")).to_contain_text("Revision 5 of 5")
    expect(other.get_by_text("Revision 5 has been recorded since")).to_be_visible(timeout=TIMEOUT_MS)


def test_a_page_stays_open_while_the_server_is_unavailable_and_recovers(browser: Browser, tmp_path: Path) -> None:
    server = ServerProcess(tmp_path)
    with connected_to(server.address) as channel:
        story = NamedFamily(channel).set_up().with_history()
        group_id = story.group_id
    console = ConsoleProcess(server, "--dev")
    context = browser.new_context(base_url=console.url)
    context.set_default_timeout(TIMEOUT_MS)
    page = context.new_page()
    page.goto(f"/families/{group_id}")
    server.stop()
    page.get_by_role("slider").press("ArrowLeft")
    expect(page.locator("#status")).to_contain_text("The server is unavailable", timeout=TIMEOUT_MS)
    expect(page.locator("#state")).to_contain_text("Revision 4 of 4")
    again = ServerProcess(tmp_path, "--listen", server.address, "--internal-listen", server.internal_address)
    expect(page.locator("#status")).to_be_empty(timeout=TIMEOUT_MS)
    page.get_by_role("slider").press("Home")
    expect(page.locator("#state")).to_contain_text("Revision 1 of 4", timeout=TIMEOUT_MS)
    context.close()
    console.stop()
    again.stop()


def test_a_large_group_has_one_line_per_person_and_can_be_expanded(page: Page, channel: grpc.Channel) -> None:
    group = LargeGroup(channel, MEMBERS, MODULES).set_up()
    address = f"/families/{group.group_id}"
    page.goto(address)
    drawing = page.locator("#state svg")
    expect(drawing.get_by_role("link")).to_have_count(MEMBERS)
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    drawing.get_by_role("link", name="Person 007 of the large group").click()
    expect(page.locator("#state svg text", has_text="Module 19")).to_have_count(1)
    expect(page.locator("#state svg").get_by_role("link")).to_have_count(MEMBERS)
    page.get_by_role("link", name="Show only what changed").click()
    expect(page.locator("#state")).to_contain_text("Show everyone")
