"""Every page of the console, filled with data, for checks of all pages and for screenshots."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import grpc
from google.protobuf import json_format
from playwright.sync_api import Page, expect

from affilia_client import Client
from tests.conftest import ServerProcess
from tests.console.stories import NamedFamily
from tests.console.test_ledgers import compute
from tests.support.calls import Family, admin, new_id
from tests.support.channels import connected_to
from tests.support.enrollment_file import a_file
from tests.support.file_imports import Sponsor, ended_subscribers, subscribers
from tests.support.insured import Insured

SUBSCRIBERS = 12
Open = Callable[[Page], object]


@dataclass(frozen=True)
class Filled:
    """Data for every page."""

    story: NamedFamily
    twin: str
    insured: Family
    sponsor: Sponsor
    contract: Path
    """A contract with an error, as a file."""

    def pages(self) -> dict[str, Open]:
        """Returns a function that opens each page, by the name of the page."""
        child, group, contract = self.story.family.child, self.story.group_id, self.story.family.contract_id
        addresses = {
            "home": "/",
            "person": f"/people/{child}",
            "person-why": f"/people/{child}/why?on=2026-09-01",
            "person-history": f"/people/{child}/history",
            "person-facts": f"/people/{child}/facts",
            "person-edit": f"/people/{child}/edit",
            "person-merge": f"/people/{child}/merge",
            "person-erase": f"/people/{child}/erase",
            "person-limits": f"/people/{self.insured.primary}/limits?on=2026-06-15",
            "merge-confirm": f"/merges/{self.twin}/into/{child}",
            "family": f"/families/{group}",
            "family-revision": f"/families/{group}?revision=2&why=1",
            "family-compare": f"/families/{group}/compare?from=1&to=4",
            "family-requests": f"/families/{group}/requests",
            "family-premiums": f"/families/{group}/premiums?first=2026-05&second=2026-07",
            "family-history": f"/families/{group}/history",
            "contracts": "/contracts",
            "contract": f"/contracts/{contract}",
            "contract-history": f"/contracts/{contract}/history",
            "work": "/work",
            "files": "/work/files",
            "audit": "/audit",
            "not-found": f"/people/{new_id()}",
            "no-such-page": "/nothing",
            "signed-out": "/signed-out",
        }
        opened: dict[str, Open] = {name: _at(address) for name, address in addresses.items()}
        return opened | {
            "found": self._found,
            "feed": self._feed,
            "invoicing": self._invoicing,
            "premium-run": self._premium_run,
            "publish": self._publish,
            "file-plan": self._file_plan,
            "file-refused": self._file_refused,
        }

    def _found(self, page: Page) -> None:
        page.goto("/")
        page.get_by_role("searchbox").fill(self.story.suffix)
        page.get_by_role("button", name="Search").click()
        expect(page.get_by_role("heading", level=1)).to_contain_text("Results")

    def _feed(self, page: Page) -> None:
        page.goto("/feed")
        page.get_by_role("textbox", name="Contract").fill(self.story.family.contract_id)
        page.get_by_label("From").select_option("beginning")
        page.get_by_role("button", name="Show").click()
        expect(page.get_by_role("row").nth(1)).to_be_visible()

    def _invoicing(self, page: Page) -> None:
        page.goto("/work/invoicing")
        page.get_by_label("or family").fill(self.story.group_id)
        page.get_by_label("Debtor").select_option("primary")
        page.get_by_role("button", name="Show").click()
        expect(page.get_by_role("region", name="Not invoiced")).to_be_visible()

    def _premium_run(self, page: Page) -> None:
        page.goto("/work")
        page.get_by_label("First month").fill("2026-01")
        page.get_by_role("textbox", name="Contract").fill(self.story.family.contract_id)
        page.get_by_role("button", name="Start a run").click()
        expect(page.locator("#run")).to_contain_text("done")

    def _publish(self, page: Page) -> None:
        page.goto("/contracts/publish")
        page.get_by_label("File").set_input_files(self.contract)
        page.get_by_role("button", name="Check").click()
        expect(page.get_by_role("region", name="1 error")).to_be_visible()

    def _file_plan(self, page: Page) -> None:
        self._upload(page, a_file(*subscribers(3, ["DEN"]), control=2))
        expect(page.get_by_role("button", name="Apply this plan")).to_be_visible()

    def _file_refused(self, page: Page) -> None:
        self._upload(page, a_file(*ended_subscribers(6), control=3))
        expect(page.get_by_role("button", name="Plan again")).to_be_visible()

    def _upload(self, page: Page, content: bytes) -> None:
        """Uploads a file, after discarding the previous one."""
        page.goto("/work/files")
        if page.get_by_role("region", name="Your imports").get_by_role("link").count():
            page.get_by_role("region", name="Your imports").get_by_role("link").first.click()
            if page.get_by_role("button", name="Discard the file").count():
                page.get_by_role("button", name="Discard the file").click()
                expect(page.locator("#import .badge").first).to_have_text("discarded")
            page.goto("/work/files")
        page.get_by_label("Enrollment file", exact=True).set_input_files(self.sponsor.path(content))
        page.get_by_label("Sponsor's mapping").set_input_files(self.sponsor.mapping_path())
        page.get_by_role("button", name="Upload and plan").click()


def filled(server: ServerProcess, folder: Path, suffix: str = "") -> Filled:
    """Fills a server with data for every page. Files are written to the folder.

    The suffix makes names unique; by default, it is a random one.
    """
    channel = connected_to(server.address)
    with grpc.insecure_channel(server.internal_address) as internal:
        insured = Insured(channel, internal)
        contract_of_limits = insured.contract()
        contract_of_limits.display_name = "Care plan"
        insured.family.set_up(contract_of_limits)
        insured.enroll("2026-01-01")
        insured.apply("2026-06-15", deductible=4000)
    story = NamedFamily(channel, suffix).set_up()
    story.name(insured.family.primary, "Nora Petit")
    compute(story.family, "2026-01", "2026-08")
    story.with_history()
    compute(story.family, "2026-01", "2026-08")
    rejected = story.family.enroll(story.family.option, "2026-09-01", child=True)
    story.family.submit(rejected, requester=admin("wants to travel"))
    twin = story.add_person(f"Leo Dupond-{story.suffix}", "2015-06-02", ("payroll", new_id()[:8]))
    sponsor = Sponsor(Client(server.address), folder)
    sponsor.play(a_file(*subscribers(SUBSCRIBERS)))
    contract = folder / "contract.json"
    contract.write_text(_contract_with_an_error(NamedFamily(channel)))
    return Filled(story, twin, insured.family, sponsor, contract)


def _contract_with_an_error(story: NamedFamily) -> str:
    contract = story.contract()
    contract.currency_code = "euros"
    return json_format.MessageToJson(contract)


def _at(address: str) -> Open:
    return lambda page: page.goto(address)
