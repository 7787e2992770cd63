"""The feed's page: it stays bounded with many events, continues when asked, and reads on after a failed request."""

from pathlib import Path

import grpc
import psycopg
from playwright.sync_api import Browser, Page, Route, expect

from affilia_client.testing import Affilia
from tests.conftest import ServerProcess
from tests.console.conftest import TIMEOUT_MS, ConsoleProcess
from tests.support.calls import Family, admin
from tests.support.channels import connected_to

EVENTS = 10_000
MAX_ROWS = 2100
"""A page stops once it has 1000 events. It can have more, because the last message of a read can have many."""
ADD = (
    "WITH added AS (INSERT INTO event (event_id, group_key, kind, revision_key, recorded_at, member_ids)"
    " SELECT gen_random_uuid(), r.group_key, 'POLICY_CHANGED', r.revision_key, clock_timestamp(), ARRAY[g.primary_id]"
    " FROM enrollment_revision r JOIN enrollment_group g USING (group_key), generate_series(1, %s)"
    " RETURNING event_key, recorded_at)"
    " INSERT INTO feed_pending (event_key, recorded_at) SELECT event_key, recorded_at FROM added"
)
POSITION = "td:first-child"


def positions(page: Page) -> list[int]:
    cells = page.locator("tbody tr:not(.next)").locator(POSITION)
    return [int(text) for text in cells.all_inner_texts()]


def test_ten_thousand_events_are_read_page_by_page_without_gaps(
    browser: Browser, tmp_path: Path, own_database_url: str
) -> None:
    server = ServerProcess(tmp_path, "--database-url", own_database_url)
    console = ConsoleProcess(server, "--dev")
    with connected_to(server.address) as channel:
        family = Family(channel).set_up()
        family.submit(family.enroll(family.base, "2026-01-01"), requester=admin())
    with psycopg.connect(own_database_url) as connection:
        connection.execute(ADD, [EVENTS])
    context = browser.new_context(base_url=console.url)
    context.set_default_timeout(TIMEOUT_MS)
    page = context.new_page()
    page.goto("/feed")
    page.get_by_label("From").select_option("beginning")
    page.get_by_role("button", name="Show").click()
    last = 0
    for _ in range(2):
        expect(page.get_by_text("no longer loads more by itself")).to_be_visible()
        found = positions(page)
        assert 1000 <= len(found) <= MAX_ROWS
        assert found == list(range(last + 1, last + 1 + len(found)))
        last = found[-1]
        page.get_by_role("button", name="Read more").click()
        expect(page.locator("tbody tr").first.locator(POSITION)).to_have_text(str(last + 1))
    context.close()
    console.stop()
    server.stop()


def test_the_page_reads_on_after_a_failed_request(page: Page, channel: grpc.Channel) -> None:
    failed: list[str] = []

    def fail_the_first(route: Route) -> None:
        if "x-affilia-poll" in route.request.headers and not failed:
            failed.append(route.request.url)
            route.fulfill(status=503, body="overloaded")
        else:
            route.continue_()

    page.route("**/feed", fail_the_first)
    with page.expect_response(lambda response: response.status == 503):
        page.goto("/feed")
    family = Family(channel).set_up()
    family.submit(family.enroll(family.base, "2026-01-01"), requester=admin())
    expect(page.get_by_role("rowheader", name="Policy activated").first).to_be_visible()


def test_events_that_take_the_server_longer_than_a_poll_are_shown(
    browser: Browser, sample_server: ServerProcess, channel: grpc.Channel
) -> None:
    family = Family(channel).set_up()
    family.submit(family.enroll(family.base, "2026-01-01"), requester=admin())
    with Affilia(sample_server.address, sample_server.internal_address) as slow:
        slow.delay("watch_enrollments", 1.5, times=1000)
        console = ConsoleProcess(slow, "--dev")
        context = browser.new_context(base_url=console.url)
        page = context.new_page()
        page.goto("/feed")
        page.get_by_label("From").select_option("beginning")
        page.get_by_role("button", name="Show").click()
        expect(page.get_by_role("rowheader", name="Policy activated").first).to_be_visible()
        context.close()
        console.stop()
