"""Publishing contracts in the console: a dry run with every finding first."""

import json
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf import json_format
from playwright.sync_api import Page, expect

from tests.console.stories import NamedFamily


@pytest.fixture
def story(channel: grpc.Channel) -> NamedFamily:
    return NamedFamily(channel)


def document(story: NamedFamily) -> dict[str, Any]:
    content: dict[str, Any] = json_format.MessageToDict(story.contract())
    return content


def check(page: Page, content: dict[str, Any] | str) -> None:
    page.get_by_label("or text").fill(content if isinstance(content, str) else json.dumps(content, indent=2))
    page.get_by_role("button", name="Check").click()


def test_a_contract_is_checked_then_published(page: Page, story: NamedFamily) -> None:
    page.goto("/contracts")
    page.get_by_role("link", name="Check or publish a contract").click()
    check(page, document(story))
    expect(page.get_by_role("region", name="0 errors")).to_contain_text("Nothing was published.")
    page.get_by_role("button", name=f"Publish Company plan {story.suffix}").click()
    expect(page.locator("main > p.notice")).to_have_text("The contract was published.")
    expect(page.get_by_role("heading", level=1)).to_have_text(f"Company plan {story.suffix}")


def test_every_error_is_shown_with_its_line_and_nothing_can_be_published(page: Page, story: NamedFamily) -> None:
    content = document(story)
    content["currencyCode"] = "euros"
    content["versions"][0]["modules"][0]["moduleId"] = "base"
    page.goto("/contracts/publish")
    check(page, content)
    found = page.get_by_role("region", name="2 errors")
    expect(found).to_contain_text("contract.currency_code")
    expect(found).to_contain_text("versions[0].modules[0].module_id")
    expect(page.get_by_label("or text")).to_contain_text("euros")
    expect(page.get_by_role("button", name="Publish")).to_have_count(0)


def test_an_exported_contract_is_corrected_from_a_file(page: Page, story: NamedFamily, tmp_path: Path) -> None:
    story.set_up()
    page.goto(f"/contracts/{story.family.contract_id}")
    with page.expect_download() as download:
        page.get_by_role("link", name="Export as JSON").click()
    content = json.loads(download.value.path().read_text())
    content["versions"][0]["maxBackdatingDays"] = 77
    corrected = tmp_path / "corrected.json"
    corrected.write_text(json.dumps(content))
    page.get_by_role("link", name="Check or publish a corrected version").click()
    page.get_by_label("a corrected version of a published one").check()
    page.get_by_label("File").set_input_files(corrected)
    page.get_by_role("button", name="Check").click()
    page.get_by_role("button", name="Correct Company plan").click()
    expect(page.get_by_text("Members can request changes up to 77 days back.")).to_be_visible()


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("no json", "This is not a contract"),
        ("{}", "contractId and versions are required"),
        ('{"contractId": "1", "nonsense": 2}', "nonsense"),
        ("[" * 5000, "This is not a contract"),
    ],
)
def test_a_text_that_is_no_contract_is_rejected_and_kept(page: Page, text: str, sentence: str) -> None:
    page.goto("/contracts/publish")
    check(page, text)
    expect(page.get_by_role("alert").first).to_contain_text(sentence)
    expect(page.get_by_label("or text")).to_have_value(text)


def test_a_contract_that_exists_is_not_published_again(page: Page, story: NamedFamily) -> None:
    story.set_up()
    page.goto("/contracts/publish")
    check(page, document(story))
    expect(page.get_by_role("region", name="1 error")).to_be_visible()
