"""Signing in at a provider: every call carries the person's own token, and sessions end when they should."""

from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from playwright.sync_api import Browser, expect

from affilia_client import Client
from tests.console.conftest import ConsoleProcess
from tests.console.office import Office, open_browser, running_office, sign_in
from tests.support.identities import token


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    with running_office(tmp_path_factory.mktemp("office")) as office:
        yield office


def test_after_signing_in_the_requested_page_opens(browser: Browser, office: Office) -> None:
    page = open_browser(browser, office.console)
    sign_in(page, "ada", "/audit")
    expect(page.get_by_role("heading", level=1)).to_have_text("Audit log")
    expect(page.get_by_text("Ada", exact=True)).to_be_visible()


def test_two_people_are_in_the_audit_log_under_their_own_names(browser: Browser, office: Office) -> None:
    for name in ("grace", "alan"):
        page = open_browser(browser, office.console)
        sign_in(page, name)
        page.goto("/work")
    with Client(office.server.address, token=token("admin", "auditor")) as client:
        subjects = {entry.actor.subject for entry in client.audit.all_audit_entries()}
    assert {"grace", "alan"} <= subjects


def test_signing_out_ends_the_session(browser: Browser, office: Office) -> None:
    page = open_browser(browser, office.console)
    sign_in(page, "ada")
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("You are signed out")
    page.goto("/")
    expect(page.get_by_label("Name", exact=True)).to_be_visible()


def test_an_expired_token_is_renewed(browser: Browser, office: Office) -> None:
    office.provider.lifetime_seconds = 1
    try:
        page = open_browser(browser, office.console)
        sign_in(page, "ada")
        before = office.provider.refreshed
        page.goto("/work")
        expect(page.get_by_role("heading", level=1)).to_have_text("Work")
        assert office.provider.refreshed > before
    finally:
        office.provider.lifetime_seconds = 3600


def test_a_token_that_cannot_be_renewed_asks_to_sign_in_again(browser: Browser, office: Office) -> None:
    office.provider.lifetime_seconds = 1
    try:
        page = open_browser(browser, office.console)
        sign_in(page, "ada")
        office.provider.refresh_tokens.clear()
        page.goto("/work")
        expect(page.get_by_role("heading", level=1)).to_have_text("You are signed out")
    finally:
        office.provider.lifetime_seconds = 3600


def test_an_open_page_does_not_keep_an_idle_person_signed_in(browser: Browser, office: Office) -> None:
    console = office.console_with("--idle-minutes", "0.25")
    page = open_browser(browser, console)
    sign_in(page, "ada", "/work")
    expect(page.get_by_label("Name", exact=True)).to_be_visible()
    console.stop()


def test_a_form_of_an_expired_session_is_not_processed_and_leads_to_the_provider(
    browser: Browser, office: Office
) -> None:
    page = open_browser(browser, office.console)
    sign_in(page, "ada", "/feed")
    page.context.clear_cookies()
    page.get_by_role("button", name="Show").click()
    expect(page.get_by_text("What you submitted was not processed.")).to_be_visible()
    page.get_by_role("link", name="Sign in again").click()
    expect(page.get_by_label("Name", exact=True)).to_be_visible()


def test_a_forged_form_is_rejected(browser: Browser, office: Office) -> None:
    page = open_browser(browser, office.console)
    sign_in(page, "ada")
    answer = page.request.post("/search", form={"query": "anybody", "csrf": "forged"})
    assert answer.status == 400
    assert "not submitted from this session" in answer.text()


@pytest.mark.parametrize("cookie", ["", "forged", "ImFiYyI.forged"])
def test_without_a_session_every_page_leads_to_the_provider(office: Office, cookie: str) -> None:
    for address in ("/", "/work", "/audit", "/feed"):
        answer = httpx2.get(office.console.url + address, cookies={"affilia_console": cookie} if cookie else {})
        assert answer.status_code == 302
        assert answer.headers["location"].startswith(office.provider.issuer)


def test_a_callback_without_a_sign_in_is_rejected(office: Office) -> None:
    answer = httpx2.get(office.console.url + "/sign-in/done?code=stolen&state=forged")
    assert answer.status_code == 503
    assert "could not be completed" in answer.text


def test_every_response_has_the_security_headers(office: Office) -> None:
    for address in ("/", "/healthz", "/signed-out", "/missing", "/static/console.css"):
        headers = httpx2.get(office.console.url + address).headers
        assert headers["content-security-policy"].startswith("default-src 'self'")
        assert headers["x-frame-options"] == "DENY"
        assert headers.get("cache-control") == (None if address.startswith("/static") else "no-store")


def test_scripts_cannot_read_the_session_cookie(browser: Browser, office: Office) -> None:
    page = open_browser(browser, office.console)
    sign_in(page, "ada")
    (cookie,) = [each for each in page.context.cookies() if each["name"] == "affilia_console"]
    assert cookie["httpOnly"]
    assert cookie["sameSite"] == "Lax"
    assert "ada" not in cookie["value"]


@pytest.mark.parametrize("flags", [(), ("--dev", "--issuer", "http://127.0.0.1:1")])
def test_a_console_without_exactly_one_way_to_sign_in_does_not_start(office: Office, flags: tuple[str, ...]) -> None:
    with pytest.raises(RuntimeError, match="exit status 2"):
        ConsoleProcess(office.server, *flags)


def test_a_development_console_listens_on_the_loopback_interface_only(office: Office, tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="exit status 2"):
        ConsoleProcess(office.server, "--dev", "--listen", "0.0.0.0:0")
