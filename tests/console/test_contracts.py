"""Contracts in the console: versions, rules, prices, and the families on them."""

from playwright.sync_api import Page, expect

FRANCE = "France: branch agreement"


def test_a_contract_shows_its_rules_prices_and_families(page: Page) -> None:
    page.goto("/contracts")
    page.get_by_role("link", name=FRANCE).first.click()
    expect(page.get_by_role("heading", level=1)).to_contain_text(FRANCE)
    expect(page.get_by_role("region", name="What it offers on")).to_contain_text("changes up to")
    base = page.get_by_role("region", name="Base", exact=True)
    expect(base.get_by_role("heading", name="Prices")).to_be_visible()
    page.get_by_role("region", name="Families").get_by_role("link").first.click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("amily of")


def test_a_day_before_all_versions_has_no_offer(page: Page) -> None:
    page.goto("/contracts")
    page.get_by_role("link", name=FRANCE).first.click()
    page.goto(page.url + "?on=1900-01-01")
    expect(page.get_by_text("No version is in force on this day.")).to_be_visible()


def test_a_malformed_day_is_explained(page: Page) -> None:
    page.goto("/contracts")
    page.get_by_role("link", name=FRANCE).first.click()
    page.goto(page.url + "?on=soon")
    expect(page.get_by_role("alert").filter(has_text="On must be a day")).to_be_visible()
