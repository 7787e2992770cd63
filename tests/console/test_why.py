"""Why a person is or isn't covered on a day: rules, values, and the first possible day."""

import re

import grpc
import pytest
from playwright.sync_api import Page, expect

from tests.console.stories import NamedFamily


@pytest.fixture
def story(channel: grpc.Channel) -> NamedFamily:
    return NamedFamily(channel).set_up()


def test_coverage_that_ended_by_age_is_explained_and_a_corrected_birth_date_restores_it(
    page: Page, story: NamedFamily
) -> None:
    child = story.family.child
    story.born(child, "2000-08-15")
    page.goto(f"/people/{child}")
    page.get_by_role("navigation", name="This person").get_by_role("link", name="Why").click()
    page.get_by_label("On", exact=True).fill("2026-09-01")
    page.get_by_role("button", name="Ask").click()
    verdict = page.get_by_role("region", name="Not covered")
    expect(verdict).to_contain_text("last covered on 2026-08-14")
    decided = page.get_by_role("region", name="What decided this day")
    expect(decided).to_contain_text("✗ CHILD_AGE, 2026-08-15 to 2041-05-31: Children are covered until they turn 26.")
    expect(decided).to_contain_text(re.compile(r"date of birth of .*: 2000-08-15 \(before: 2015-06-01\)"))
    story.born(child, "2001-08-15")
    page.get_by_role("button", name="Ask").click()
    expect(page.get_by_role("region", name="Covered")).to_contain_text("covered by Hospital basic")
    expect(decided).to_contain_text("gained 2026-08-15 to 2027-08-14")


def test_the_question_can_be_about_a_module_or_a_capability(page: Page, story: NamedFamily) -> None:
    page.goto(f"/people/{story.family.child}/why")
    page.get_by_label("About").select_option("Travel")
    page.get_by_role("button", name="Ask").click()
    expect(page.get_by_role("region", name="Not covered")).to_contain_text("module not covered")
    expect(page.locator("main")).to_contain_text("not possible within the next two years")
    page.get_by_label("About").select_option("HOSPITAL_BASIC")
    page.get_by_role("button", name="Ask").click()
    expect(page.get_by_role("region", name="Covered")).to_contain_text("covered by Hospital basic")


def test_the_first_possible_day_of_a_module_is_shown(page: Page, story: NamedFamily) -> None:
    story.born(story.family.child, "2010-01-10")
    page.goto(f"/people/{story.family.child}/why?on=2026-12-01")
    travel = page.locator("ul.outline > li").filter(has_text="Travel: not available")
    expect(travel).to_contain_text("ADULT is not satisfied")
    expect(travel).to_contain_text("first possible on 2028-01-10")


@pytest.mark.parametrize("query", ["on=2026-02-30", "about=nonsense", "about=capability:", "about=module:1"])
def test_an_invalid_question_is_rejected(page: Page, story: NamedFamily, query: str) -> None:
    answer = page.goto(f"/people/{story.family.child}/why?{query}")
    assert answer is not None
    assert answer.status == 400
