"""What a member sees in the console: their own pages, and errors instead of the pages of others."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect
from starlette.responses import Response
from starlette.testclient import TestClient

from affilia_console import rights
from affilia_console.app import application
from affilia_console.rights import Rights, rights_in
from affilia_console.sessions import COOKIE, Person
from affilia_console.settings import ConsoleSettings
from domain.actors import ActorKind
from operations.call import Caller
from operations.scopes import SCOPES
from server.identity import access_policy
from tests.conftest import ServerProcess
from tests.console.office import Office, open_browser, running_office, sign_in
from tests.console.stories import NamedFamily
from tests.support.calls import new_id
from tests.support.channels import connected_to
from tests.support.guarded import guarded_server
from tests.support.identities import as_, channel_of, token


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with guarded_server(Path(tmp_path_factory.mktemp("guarded"))) as (server, _):
        yield server


@pytest.fixture(scope="module")
def families(guarded: ServerProcess) -> Iterator[tuple[NamedFamily, NamedFamily]]:
    with connected_to(guarded.address) as plain:
        office = channel_of(plain, as_("admin", "ada"))
        yield NamedFamily(office, admin_id="ada").set_up(), NamedFamily(office, admin_id="ada").set_up()


@pytest.fixture
def browser_of_marie(guarded: ServerProcess, families: tuple[NamedFamily, NamedFamily]) -> Iterator[TestClient]:
    """A browser in which the primary of the first family is signed in, as a member."""
    app = application(ConsoleSettings(address=guarded.address, internal_address=guarded.internal_address, dev=True))
    sessions, marie = app.state.console.sessions, families[0].family.primary
    session = sessions.begin(Person("Marie", marie, "member"), lambda: token("member", marie))
    response = Response()
    sessions.remember(session, response)
    cookie = response.headers["set-cookie"].partition(";")[0].partition("=")[2]
    with TestClient(app, cookies={COOKIE: cookie}) as client:
        client.headers["x-csrf-token"] = session.csrf_token
        yield client


def test_a_member_sees_their_own_person_family_and_why(
    browser_of_marie: TestClient, families: tuple[NamedFamily, NamedFamily]
) -> None:
    own = families[0]
    for address in (
        f"/people/{own.family.primary}",
        f"/people/{own.family.primary}/why",
        f"/people/{own.family.primary}/history",
        f"/families/{own.group_id}",
        f"/families/{own.group_id}/history",
    ):
        answer = browser_of_marie.get(address)
        assert (address, answer.status_code) == (address, 200)
        assert own.marie in answer.text


def test_pages_of_another_family_are_rejected_with_the_reason(
    browser_of_marie: TestClient, families: tuple[NamedFamily, NamedFamily]
) -> None:
    other = families[1]
    for address in (
        f"/people/{other.family.primary}",
        f"/people/{other.family.primary}/why",
        f"/people/{other.family.primary}/history",
        f"/people/{other.family.primary}/facts",
        f"/people/{other.family.primary}/edit",
        f"/people/{other.family.primary}/merge",
        f"/people/{other.family.primary}/erase",
        f"/merges/{other.family.primary}/into/{other.family.child}",
        f"/families/{other.group_id}",
        f"/families/{other.group_id}/compare",
        f"/families/{other.group_id}/history",
        f"/families/{other.group_id}/newer?known=0",
    ):
        answer = browser_of_marie.get(address)
        assert (address, answer.status_code) == (address, 403)
        assert other.marie not in answer.text


def test_admin_actions_are_disabled_and_rejected(
    browser_of_marie: TestClient, families: tuple[NamedFamily, NamedFamily]
) -> None:
    own = families[0].family
    for tab, reason in (
        ("facts", "Only admins can record facts."),
        ("edit", "Only admins can change names and identifiers."),
        ("erase", "Only admins can erase members."),
    ):
        assert f'disabled title="{reason}"' in browser_of_marie.get(f"/people/{own.primary}/{tab}").text
    sent = browser_of_marie.post(f"/people/{own.primary}/erase", data={"step": "erase", "request_id": new_id()})
    assert sent.status_code == 403


# ---------------------------------------------------------------------------------------- the rights in a token

CALLERS = {
    Rights("admin"): (ActorKind.ADMIN, frozenset()),
    Rights("member"): (ActorKind.MEMBER, frozenset()),
    Rights("service"): (ActorKind.SERVICE, frozenset()),
    **{Rights("service", frozenset({scope})): (ActorKind.SERVICE, frozenset({scope})) for scope in SCOPES},
}


@pytest.mark.parametrize("method", sorted(rights.SCOPES))
def test_the_console_denies_what_the_servers_access_policy_denies(method: str) -> None:
    (permission,) = {
        table[method]
        for table in (access_policy.CATALOG, access_policy.MEMBER, access_policy.CHANGE_REQUEST,
                      access_policy.PREMIUM_COMPUTATION)
        if method in table
    }  # fmt: skip
    for held, (kind, scopes) in CALLERS.items():
        caller = Caller(kind, new_id(), scopes)
        assert bool(held.denied("do it", method)) is not permission.admits(caller), held


def test_the_rights_are_those_of_the_token() -> None:
    assert rights_in(token("member", new_id())).role == "member"
    of_service = rights_in(token("service", "claims", "members.write", "premiums.write"))
    assert (of_service.role, of_service.subject) == ("service", "claims")
    assert of_service.scopes == {"members.write", "premiums.write"}
    assert not of_service.denied("start premium runs", "RunPremiums")
    reason = of_service.denied("run recomputes again", "RequestRecompute")
    assert reason == "To run recomputes again, your token needs the scope enrollment.administer."


@pytest.mark.parametrize("text", ["", "opaque", "a.b.c", "a.W10.c", "a.bnVsbA.c", "é.é.é"])
def test_a_token_that_cannot_be_read_gives_no_rights(text: str) -> None:
    assert rights_in(text) == Rights()
    assert Rights().denied("erase members", "EraseMember") == "Only admins can erase members."


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    with running_office(tmp_path_factory.mktemp("rights-office")) as office:
        office.provider.rights["clerk"] = ("service", *(scope for scope in SCOPES if scope.endswith(".read")))
        yield office


def test_what_the_signed_in_person_may_not_do_is_disabled_with_the_reason(browser: Browser, office: Office) -> None:
    page = open_browser(browser, office.console)
    sign_in(page, "clerk", "/work")
    start = page.get_by_role("button", name="Start a run")
    expect(start).to_be_disabled()
    reason = "To start premium runs, your token needs the scope premiums.write."
    expect(page.get_by_role("region", name="Premium runs")).to_contain_text(reason)
    page.goto("/contracts/publish")
    expect(page.get_by_role("button", name="Check")).to_be_disabled()
    expect(page.locator("main")).to_contain_text("Only admins can check contracts.")
    page.goto("/work/files")
    expect(page.get_by_role("button", name="Upload and plan")).to_be_disabled()
    expect(page.locator("main")).to_contain_text("scope enrollment.administer and members.write")


def test_the_server_rejects_what_a_form_without_its_disabled_button_sends(browser: Browser, office: Office) -> None:
    page = open_browser(browser, office.console)
    sign_in(page, "clerk", "/work")
    csrf = page.locator('input[name="csrf"]').first.get_attribute("value")
    answer = page.request.post("/work/runs", form={"csrf": csrf or "", "request_id": new_id(), "first": "2026-01"})
    assert answer.status == 403
    assert "Permission denied" in answer.text()


def test_an_admin_has_every_button(browser: Browser, office: Office) -> None:
    page = open_browser(browser, office.console)
    sign_in(page, "ada", "/work")
    expect(page.get_by_role("button", name="Start a run")).to_be_enabled()
    page.goto("/contracts/publish")
    expect(page.get_by_role("button", name="Check")).to_be_enabled()


def test_a_renewed_token_changes_the_rights(browser: Browser, office: Office) -> None:
    office.provider.lifetime_seconds = 1
    try:
        page = open_browser(browser, office.console)
        sign_in(page, "promoted", "/work")
        expect(page.get_by_role("button", name="Start a run")).to_be_enabled()
        office.provider.rights["promoted"] = office.provider.rights["clerk"]
        page.goto("/work")
        expect(page.get_by_role("button", name="Start a run")).to_be_disabled()
    finally:
        office.provider.lifetime_seconds = 3600


def test_a_member_changes_their_own_family_without_what_only_admins_can_do(
    browser_of_marie: TestClient, families: tuple[NamedFamily, NamedFamily]
) -> None:
    own = families[0]
    begun = browser_of_marie.get(f"/families/{own.group_id}/change")
    assert (begun.status_code, "Choices" in begun.text) == (200, True)
    fields = {"member": own.family.child, "first": "2026-12-01"}
    added = browser_of_marie.post(begun.url.path, data={**fields, "do": f"enroll:{own.family.option}"})
    assert "would be rejected" in added.text
    assert 'disabled title="Only admins can override rules."' in added.text
    assert 'disabled title="Only admins can correct a membership type."' in added.text
    added = browser_of_marie.post(begun.url.path, data={**fields, "do": f"enroll:{own.family.plus}"})
    assert "would be approved" in added.text
    submitted = browser_of_marie.post(added.url.path, data={**fields, "do": "submit"})
    assert "Approved request" in submitted.text
    assert "Only admins can revert requests." in submitted.text
    change_request_id = submitted.url.path.rpartition("/")[2]
    reverted = browser_of_marie.get(f"/families/{own.group_id}/change?revert={change_request_id}")
    assert "requires the role ADMIN" in reverted.text


def test_a_member_can_not_change_another_family(
    browser_of_marie: TestClient, families: tuple[NamedFamily, NamedFamily]
) -> None:
    own, other = families
    begun = browser_of_marie.get(f"/families/{own.group_id}/change")
    draft_id = begun.url.path.rpartition("/")[2]
    for address in (f"/families/{other.group_id}/change", f"/families/{other.group_id}/change/{draft_id}"):
        assert browser_of_marie.get(address).status_code == 403
        assert browser_of_marie.post(address, data={"do": "submit"}).status_code in (403, 405)
