"""Every page passes axe-core in light and dark, at both widths, and can be read: texts of drawings
are large enough, and nothing has to be scrolled sideways."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, ViewportSize

from tests.conftest import ServerProcess
from tests.console.conftest import TIMEOUT_MS, ConsoleProcess
from tests.console.every_page import Filled, filled

AXE = Path(__file__).parent / "axe" / "axe.min.js"
ACCEPTED_IMPACTS = {"minor"}
VIOLATIONS = """() => axe.run().then(found => found.violations.map(each => ({
    id: each.id, impact: each.impact, help: each.help,
    nodes: each.nodes.slice(0, 3).map(node => node.html.slice(0, 160)),
})))"""
FITS = "document.documentElement.scrollWidth <= document.documentElement.clientWidth"
MIN_TEXT_PIXELS = 11
SMALLEST_TEXT = """() => Math.min(100, ...[...document.querySelectorAll("svg text")].map(
    each => parseFloat(getComputedStyle(each).fontSize) * each.getScreenCTM().a))"""
"""The height of the smallest text in drawings, in pixels of the screen."""
WIDE, NARROW = ViewportSize(width=1280, height=900), ViewportSize(width=768, height=900)


@pytest.fixture(scope="module")
def book(sample_server: ServerProcess, tmp_path_factory: pytest.TempPathFactory) -> Filled:
    return filled(sample_server, tmp_path_factory.mktemp("book"))


@pytest.fixture
def bypassing_csp(browser: Browser, console: ConsoleProcess) -> Iterator[Page]:
    """A page into which scripts of the test can be injected."""
    context = browser.new_context(base_url=console.url, bypass_csp=True)
    context.set_default_timeout(TIMEOUT_MS)
    yield context.new_page()
    context.close()


def test_every_page_passes_axe_in_light_and_dark(bypassing_csp: Page, book: Filled) -> None:
    page, violations = bypassing_csp, []
    for name, open_page in book.pages().items():
        page.set_viewport_size(WIDE)
        open_page(page)
        page.add_script_tag(path=AXE)
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            found = page.evaluate(VIOLATIONS)
            violations += [(name, scheme, each) for each in found if each["impact"] not in ACCEPTED_IMPACTS]
        for size in (WIDE, NARROW):
            page.set_viewport_size(size)
            if not page.evaluate(FITS):
                violations.append((name, f"{size['width']} pixels", {"help": "scrolls sideways"}))
            if (smallest := page.evaluate(SMALLEST_TEXT)) < MIN_TEXT_PIXELS:
                violations.append((name, f"{size['width']} pixels", {"help": f"text of {smallest} pixels"}))
    assert not violations, "\n".join(map(str, violations))
