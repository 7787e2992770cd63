"""Enrollment files in the console: upload, plan, guard, application, report, and what other people can't see."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect
from starlette.testclient import TestClient

from affilia_cli.enrollment_file.findings import error as file_error
from affilia_client import Client
from affilia_console import visits
from affilia_console.app import application
from affilia_console.imports import FileImport, State
from affilia_console.settings import ConsoleSettings
from tests.conftest import ServerProcess
from tests.console.conftest import TIMEOUT_MS, ConsoleProcess
from tests.support.calls import new_id
from tests.support.enrollment_file import a_file
from tests.support.file_imports import Sponsor, ended_subscribers, subscribers
from tests.support.waiting import wait_until

MEMBERS = 12
HOSTILE = "<script>document.title='broken'</script>.834"


@pytest.fixture
def sponsor(sample_server: ServerProcess, tmp_path: Path) -> Iterator[Sponsor]:
    """A sponsor with twelve members who are covered without an end."""
    with Client(sample_server.address) as client:
        sponsor = Sponsor(client, tmp_path)
        sponsor.play(a_file(*subscribers(MEMBERS)))
        yield sponsor


def test_a_page_shows_an_import_as_of_one_moment() -> None:
    unused: Any = None
    running = FileImport(unused, unused, unused)
    shown = running.copied()
    running.findings, running.state = [file_error("NOT_TEXT", "The file is not text.")], State.REJECTED
    assert (shown.state, shown.is_busy, shown.findings) == (State.CHECKING, True, ())
    assert (running.copied().state, len(running.copied().findings)) == (State.REJECTED, 1)


def additions(sponsor: Sponsor, count: int = 2) -> bytes:
    """Returns a file that adds dental coverage for some members."""
    return a_file(*subscribers(count, ["DEN"]), control=2)


def terminations(sponsor: Sponsor, count: int) -> bytes:
    """Returns a file that ends the coverage of some members."""
    return a_file(*ended_subscribers(count), control=3)


def upload(page: Page, sponsor: Sponsor, content: bytes) -> None:
    page.goto("/work/files")
    page.get_by_label("Enrollment file", exact=True).set_input_files(sponsor.path(content))
    page.get_by_label("Sponsor's mapping").set_input_files(sponsor.mapping_path())
    page.get_by_role("button", name="Upload and plan").click()


def state(page: Page) -> str:
    return page.locator("#import .badge").first.inner_text()


def test_a_file_is_planned_in_words_applied_and_reported(page: Page, sponsor: Sponsor) -> None:
    upload(page, sponsor, additions(sponsor))
    plan = page.get_by_role("region", name="Plan: ")
    expect(plan).to_contain_text("2 to change")
    row = plan.get_by_role("row").filter(has=page.get_by_role("rowheader", name="P0 DOE"))
    expect(row).to_contain_text("DEN")
    assert not any(line == "DEN" for periods in sponsor.days().values() for line, _, _ in periods)
    page.get_by_role("button", name="Apply this plan").click()
    report = page.get_by_role("region", name="Report: ")
    expect(report).to_contain_text("2 accepted")
    assert sum(line == "DEN" for periods in sponsor.days().values() for line, _, _ in periods) == 2
    with page.expect_download() as as_csv:
        report.get_by_role("link", name="CSV").click()
    assert "P0" in as_csv.value.path().read_text()
    with page.expect_download() as as_json:
        report.get_by_role("link", name="JSON").click()
    assert json.loads(as_json.value.path().read_text())["counts"]["ACCEPTED"] == 2


def test_the_guard_refuses_a_file_that_ends_much_coverage_until_its_limit_is_raised(
    page: Page, sponsor: Sponsor
) -> None:
    upload(page, sponsor, terminations(sponsor, 6))
    guard = page.get_by_role("region", name="The plan takes away too much coverage")
    expect(guard).to_contain_text(f"6 of {MEMBERS} members would lose coverage, which is more than 10%")
    expect(page.get_by_role("button", name="Apply this plan")).to_have_count(0)
    page.get_by_label("Members whose coverage may end").fill("50")
    page.get_by_label("Covered days that may be lost").fill("100")
    page.get_by_role("button", name="Plan again with these limits").click()
    expect(page.get_by_role("region", name="Plan: ")).to_contain_text("6 to terminate")
    page.get_by_role("button", name="Apply this plan").click()
    expect(page.get_by_role("region", name="Report: ")).to_contain_text("6 accepted")


def test_a_discarded_file_changes_nothing_and_another_can_be_uploaded(page: Page, sponsor: Sponsor) -> None:
    before = sponsor.num_requests()
    upload(page, sponsor, additions(sponsor))
    expect(page.get_by_role("button", name="Apply this plan")).to_be_visible()
    upload(page, sponsor, additions(sponsor))
    expect(page.get_by_role("alert").filter(has_text="Another of your imports")).to_be_visible()
    page.goto("/work/files")
    page.get_by_role("region", name="Your imports").get_by_role("link").first.click()
    page.get_by_role("button", name="Discard the file").click()
    expect(page.locator("#import .badge").first).to_have_text("discarded")
    upload(page, sponsor, additions(sponsor, 1))
    expect(page.get_by_role("button", name="Apply this plan")).to_be_visible()
    assert sponsor.num_requests() == before


def test_a_damaged_file_is_rejected_with_its_findings(page: Page, sponsor: Sponsor) -> None:
    upload(page, sponsor, additions(sponsor)[:-40])
    findings = page.get_by_role("region", name="The whole file was rejected")
    expect(findings).to_contain_text("ENVELOPE_CUT_OFF")


def test_an_invalid_mapping_is_rejected_with_every_fault(page: Page, sponsor: Sponsor, tmp_path: Path) -> None:
    mapping = tmp_path / "wrong.json"
    mapping.write_text('{"namespace": "x", "colour": "red"}')
    page.goto("/work/files")
    page.get_by_label("Enrollment file", exact=True).set_input_files(sponsor.path(additions(sponsor)))
    page.get_by_label("Sponsor's mapping").set_input_files(mapping)
    page.get_by_role("button", name="Upload and plan").click()
    expect(page.get_by_role("alert").first).to_contain_text("colour: unknown field")


def test_a_file_name_with_markup_is_shown_as_text(page: Page, sponsor: Sponsor) -> None:
    page.goto("/work/files")
    file = {"name": HOSTILE, "mimeType": "text/plain", "buffer": additions(sponsor)}
    page.get_by_label("Enrollment file", exact=True).set_input_files(file)  # type: ignore[arg-type]
    page.get_by_label("Sponsor's mapping").set_input_files(sponsor.mapping_path())
    page.get_by_role("button", name="Upload and plan").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("<script>")
    assert page.title() != "broken"


def test_another_session_cannot_see_an_import(
    page: Page, browser: Browser, console: ConsoleProcess, sponsor: Sponsor
) -> None:
    upload(page, sponsor, additions(sponsor))
    expect(page.get_by_role("button", name="Apply this plan")).to_be_visible()
    context = browser.new_context(base_url=console.url)
    context.set_default_timeout(TIMEOUT_MS)
    other = context.new_page()
    for address in (page.url, f"{page.url}/report.csv"):
        answer = other.goto(address)
        assert answer is not None
        assert answer.status == 400
        assert "P0" not in other.content()
    context.close()


@pytest.fixture
def small(sample_server: ServerProcess, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[TestClient, str]]:
    """A console in this process, and the CSRF token of its only session."""
    settings = ConsoleSettings(address=sample_server.address, internal_address=sample_server.internal_address, dev=True)
    with TestClient(application(settings)) as client:
        token = re.search('name="csrf" value="([^"]+)"', client.get("/work/files").text)
        assert token
        yield client, token[1]


def test_a_file_that_is_too_large_is_rejected_and_not_stored(small: tuple[TestClient, str], sponsor: Sponsor) -> None:
    client, token = small
    content = b"x" * (65 * visits.MEBIBYTE)
    sent = client.post("/work/files", data={"csrf": token}, files={"file": ("file.834", content)})
    assert sent.status_code == 400
    assert "The form is larger than 64 MiB." in sent.text


def test_a_file_is_removed_when_its_session_ends(
    small: tuple[TestClient, str], sponsor: Sponsor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    client, token = small
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    files = {
        "file": ("file.834", additions(sponsor)),
        "mapping": ("mapping.json", sponsor.mapping_path().read_bytes()),
    }
    address = client.post("/work/files", data={"csrf": token}, files=files, follow_redirects=False).headers["location"]
    wait_until(lambda: "Apply this plan" in client.get(address).text, "the plan is shown")
    (stored,) = folder.iterdir()
    assert stored.stat().st_mode & 0o777 == 0o700
    client.post("/sign-out", data={"csrf": token})
    wait_until(lambda: not list(folder.iterdir()), "the file is removed")


def test_an_unknown_import_is_reported(page: Page) -> None:
    answer = page.goto(f"/work/files/{new_id()}")
    assert answer is not None
    assert answer.status == 400
    expect(page.get_by_role("alert").first).to_contain_text("There is no import with this id in your session.")
