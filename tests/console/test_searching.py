"""Finding people, families and contracts."""

from playwright.sync_api import Page, expect


def search(page: Page, text: str) -> None:
    page.get_by_role("searchbox").fill(text)
    page.get_by_role("button", name="Search").click()


def test_part_of_a_name_finds_people_with_their_families(page: Page) -> None:
    page.goto("/")
    search(page, "fr-001")
    row = page.get_by_role("row").filter(has=page.get_by_role("rowheader", name="Primary FR-001"))
    expect(row).to_contain_text("France")
    row.get_by_role("link", name="France").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Primary FR-001")


def test_search_terms_are_not_in_the_address(page: Page) -> None:
    page.goto("/")
    search(page, "fr-001")
    assert page.url.endswith("/search")


def test_a_name_with_markup_is_shown_as_text(page: Page) -> None:
    page.goto("/")
    search(page, "<script>document.title='broken'</script>")
    expect(page.get_by_role("heading", level=1)).to_contain_text("<script>")
    assert "broken" not in page.title()
