"""Every page of the console, filled with data, for checks of all pages and for screenshots."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import grpc
from google.protobuf import json_format
from playwright.sync_api import Page, expect

from affilia.enrollment.v1 import change_request_pb2, change_request_service_pb2
from affilia_client import Client
from tests.conftest import ServerProcess
from tests.console.stories import NamedFamily
from tests.console.test_ledgers import compute
from tests.scenarios.enrollment_messages import span
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
    changing: NamedFamily
    """A family that changes while pages are open."""
    twin: str
    insured: Family
    sponsor: Sponsor
    contract: Path
    """A contract with an error, as a file."""
    first_request: str
    rejected_request: str

    def pages(self) -> dict[str, Open]:
        """Returns a function that opens each page, by the name of the page."""
        child, group, contract = self.story.family.child, self.story.group_id, self.story.family.contract_id
        addresses = {
            "home": "/",
            "person": f"/people/{child}",
            "person-why": f"/people/{child}/why?on=2026-09-01",
            "person-why-malformed": f"/people/{child}/why?about=nothing",
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
            "family-change": f"/families/{group}/change",
            "family-change-bad-request": f"/families/{group}/change?revert={new_id()}",
            "family-reverting": f"/families/{group}/change?revert={self.first_request}",
            "family-correcting": f"/families/{group}/change?correct={self.first_request}",
            "family-repeating": f"/families/{group}/change?repeat={self.rejected_request}",
            "request": f"/families/{group}/requests/{self.first_request}",
            "request-rejected": f"/families/{group}/requests/{self.rejected_request}",
            "family-without-premiums": f"/families/{self.changing.group_id}/premiums",
            "family-history": f"/families/{group}/history",
            "contracts": "/contracts",
            "contract": f"/contracts/{contract}",
            "contract-history": f"/contracts/{contract}/history",
            "work": "/work",
            "publish-empty": "/contracts/publish",
            "invoicing-empty": "/work/invoicing",
            "files": "/work/files",
            "audit": "/audit",
            "not-found": f"/people/{new_id()}",
            "no-such-page": "/nothing",
            "signed-out": "/signed-out",
        }
        opened: dict[str, Open] = {name: _at(address) for name, address in addresses.items()}
        return opened | {
            "found": self._found,
            "found-nothing": self._found_nothing,
            "family-change-refused": self._change_refused,
            "family-change-stale": self._change_stale,
            "facts-refused": self._facts_refused,
            "invoicing-refused": self._invoicing_refused,
            "premium-run-refused": self._premium_run_refused,
            "file-unreadable": self._file_unreadable,
            "audit-none": self._audit_none,
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

    def _found_nothing(self, page: Page) -> None:
        page.goto("/")
        page.get_by_role("searchbox").fill("nobody has this name")
        page.get_by_role("button", name="Search").click()
        expect(page.get_by_role("heading", level=1)).to_contain_text("nobody")

    def _change_refused(self, page: Page) -> None:
        """Submits a form without a reason, which the browser would prevent."""
        page.goto(f"/families/{self.story.group_id}/change?revert={self.first_request}")
        page.locator("main form").evaluate("form => { form.noValidate = true }")
        page.get_by_role("button", name="Submit the request").or_(
            page.get_by_role("button", name="Record as rejected")
        ).click()
        expect(page.get_by_role("alert")).to_be_visible()

    def _change_stale(self, page: Page) -> None:
        """Changes a family while a form is open."""
        family = self.changing.family
        page.goto(f"/families/{self.changing.group_id}/change?member={family.child}")
        page.get_by_role("button", name="Leave Hospital basic").or_(
            page.get_by_role("button", name="Enroll: Hospital basic")
        ).click()
        expect(page.get_by_role("region", name="Simulation")).to_be_visible()
        is_enrolled = any(period.member_id == family.child for period in family.group().periods)
        leave = change_request_pb2.Leave(member_id=family.child, days=span("2026-01-01", None))
        family.submit(
            change_request_pb2.ScopedChange(leave=leave)
            if is_enrolled
            else family.enroll(family.base, "2026-01-01", child=True),
            requester=admin("changes meanwhile"),
        )
        page.reload()
        expect(page.get_by_role("region", name="The family has changed")).to_be_visible()

    def _facts_refused(self, page: Page) -> None:
        page.goto(f"/people/{self.story.family.child}/facts")
        page.locator("main form").first.evaluate("form => { form.noValidate = true }")
        page.locator("main form").first.get_by_role("button").first.click()
        expect(page.get_by_role("alert")).to_be_visible()

    def _invoicing_refused(self, page: Page) -> None:
        page.goto("/work/invoicing")
        page.get_by_label("or family").fill(new_id())
        page.get_by_label("Debtor").select_option("primary")
        page.get_by_role("button", name="Show").click()
        expect(page.get_by_role("alert")).to_be_visible()

    def _premium_run_refused(self, page: Page) -> None:
        page.goto("/work")
        page.get_by_label("First month").fill("2026-02")
        page.get_by_role("textbox", name="Contract").fill(new_id())
        page.get_by_role("button", name="Start a run").click()
        expect(page.get_by_role("alert")).to_be_visible()

    def _file_unreadable(self, page: Page) -> None:
        self._upload(page, b"not an enrollment file")
        rejected = page.get_by_role("region", name="The whole file was rejected")
        expect(rejected.get_by_role("listitem")).to_be_visible()

    def _audit_none(self, page: Page) -> None:
        page.goto("/audit")
        page.get_by_label("Method").fill("MergeMembers")
        page.get_by_label("Caller").fill("nobody")
        page.get_by_role("button", name="Filter").click()
        expect(page.get_by_role("heading", level=1)).to_be_visible()

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
        assert insured.used("2026-06-15")[0] == 4000  # waits until limits, which pages read without a token, show it
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
    requests = story.family.requests.ListChangeRequests(
        change_request_service_pb2.ListChangeRequestsRequest(group_id=story.group_id)
    ).change_requests
    first, last = requests[0].change_request_id, requests[-1].change_request_id
    return Filled(story, NamedFamily(channel).set_up(), twin, insured.family, sponsor, contract, first, last)


def _contract_with_an_error(story: NamedFamily) -> str:
    contract = story.contract()
    contract.currency_code = "euros"
    return json_format.MessageToJson(contract)


def _at(address: str) -> Open:
    return lambda page: page.goto(address)
