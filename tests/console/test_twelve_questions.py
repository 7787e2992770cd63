"""The operator's twelve questions, answered with the mouse alone. The only typing is a name in the search box.

docs/console.md lists the clicks that each question needs.
"""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Locator, Page, expect

from affilia.premium.v1.premium_computation_service_pb2 import RunPremiumsRequest
from affilia.premium.v1.premium_computation_service_pb2_grpc import PremiumComputationServiceStub
from tests.conftest import ROOT, ServerProcess
from tests.console.every_page import Filled, filled
from tests.scenarios.ledger_messages import months
from tests.support.calls import new_id

DOCUMENT = ROOT / "docs" / "console.md"
ROW = re.compile(r"^\| (?P<question>[^|]+\?) \| [^|]+ \| (?P<clicks>\d+) \|$", re.MULTILINE)


class Mouse:
    """Clicks, and counts the clicks."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.clicks = 0

    def click(self, what: Locator) -> None:
        what.click()
        self.clicks += 1

    def goes(self, what: Locator) -> None:
        """Clicks and waits for the next page. The text that a question looks for can be on this page, too."""
        with self.page.expect_navigation():
            self.click(what)

    def link(self, name: str, within: Locator | None = None) -> None:
        self.goes((within or self.page).get_by_role("link", name=name, exact=True))

    def tab(self, area: str, name: str) -> None:
        self.link(name, self.page.get_by_role("navigation", name=area))

    def menu(self, name: str) -> None:
        self.tab("Main", name)

    def find(self, text: str) -> None:
        """Types into the search box and presses its button."""
        self.page.get_by_role("searchbox").fill(text)
        self.goes(self.page.get_by_role("button", name="Search"))

    def family(self) -> None:
        """Opens the family of the person whose page is open."""
        self.goes(self.page.get_by_role("region", name="Families").get_by_role("link").first)

    def sees(self, text: str) -> None:
        expect(self.page.locator("main")).to_contain_text(text)


@pytest.fixture(scope="module")
def book(sample_server: ServerProcess, tmp_path_factory: pytest.TempPathFactory) -> Filled:
    """Data with an answer to every question, and a premium run."""
    book = filled(sample_server, tmp_path_factory.mktemp("questions"))
    contract_id = book.story.family.contract_id
    run = RunPremiumsRequest(request_id=new_id(), contract_id=contract_id, months=months("2026-01", "2026-02"))
    for _ in PremiumComputationServiceStub(book.story.family.channel).RunPremiums(run):
        pass
    return book


def test_the_operators_twelve_questions_are_answered_by_mouse(page: Page, book: Filled) -> None:
    story, insured = book.story, book.insured.primary

    def who(mouse: Mouse) -> None:
        mouse.find(story.leo)
        mouse.sees("2000-08-15 (before: 2015-06-01)")

    def why(mouse: Mouse) -> None:
        mouse.find(story.leo)
        mouse.family()
        mouse.click(page.get_by_role("link", name="Why?", exact=True))
        expect(page.get_by_role("heading", name="Why", exact=True)).to_be_visible()
        mouse.sees("has his own insurance")

    def history(mouse: Mouse) -> None:
        mouse.find(story.leo)
        mouse.tab("This person", "History")
        mouse.sees("Recomputed after facts were recorded.")

    def choices(mouse: Mouse) -> None:
        mouse.find(story.leo)
        mouse.tab("This person", "Why")
        mouse.sees("Travel: not available")

    def requests(mouse: Mouse) -> None:
        mouse.find(story.leo)
        mouse.family()
        mouse.tab("This family", "Requests")
        mouse.sees("wants to travel")

    def premiums(mouse: Mouse) -> None:
        mouse.find(story.leo)
        mouse.family()
        mouse.tab("This family", "Premiums")
        mouse.sees("Corrections")

    def limits(mouse: Mouse) -> None:
        mouse.find(insured)
        mouse.tab("This person", "Limits")
        mouse.sees("40.00")

    def contract(mouse: Mouse) -> None:
        mouse.menu("Contracts")
        mouse.link(f"Company plan {story.suffix}")
        mouse.sees("Children are covered until they turn 26")

    def audit(mouse: Mouse) -> None:
        mouse.menu("Audit")
        mouse.click(page.locator("summary").first)
        expect(page.locator("details[open]").first).to_contain_text("call")

    def feed(mouse: Mouse) -> None:
        mouse.menu("Feed")
        page.get_by_label("From").select_option("beginning")
        mouse.clicks += 2  # opens the list and chooses from it
        mouse.goes(page.get_by_role("button", name="Show"))
        expect(page.get_by_role("rowheader", name="Policy activated").first).to_be_visible()

    def runs(mouse: Mouse) -> None:
        mouse.menu("Work")
        mouse.goes(page.get_by_role("region", name="Premium runs").get_by_role("link").first)
        mouse.sees("entries")

    def files(mouse: Mouse) -> None:
        mouse.menu("Work")
        mouse.tab("Work", "Enrollment files")
        mouse.goes(page.get_by_role("region", name="Your imports").get_by_role("link").first)
        mouse.sees("Plan: 3 to change")

    questions: dict[str, Callable[[Mouse], None]] = {
        "Who is this person, and what is recorded about them?": who,
        "Why did the coverage end?": why,
        "What was recorded, when, and by whom?": history,
        "What can the person choose, and why not the rest?": choices,
        "What did the family request, and why was it rejected?": requests,
        "What does the family owe, and what was corrected?": premiums,
        "How much of the limits is used?": limits,
        "What does the contract offer, by which rules?": contract,
        "Who made which call?": audit,
        "What changed in all families?": feed,
        "How did the premium run go?": runs,
        "What does the uploaded file change?": files,
    }
    book.pages()["file-plan"](page)
    needed = {}
    for question, answer in questions.items():
        page.goto("/")
        mouse = Mouse(page)
        answer(mouse)
        needed[question] = mouse.clicks
        print(f"{mouse.clicks} {'click' if mouse.clicks == 1 else 'clicks'}: {question}")
    listed = {found["question"]: int(found["clicks"]) for found in ROW.finditer(DOCUMENT.read_text())}
    assert needed == listed
