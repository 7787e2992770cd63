"""The change feed: events in words, as they arrive."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from starlette.responses import Response

from affilia.enrollment.v1.enrollment_event_pb2 import EnrollmentEvent, EnrollmentFilter
from affilia.enrollment.v1.enrollment_query_service_pb2 import FEED_START_BEGINNING, FEED_START_NOW
from affilia_client import TooLate
from affilia_console import finding
from affilia_console.visits import Visit
from affilia_views.event_words import event_lines, event_name

MAX_EVENTS = 100
WAIT_SECONDS = 1.0
"""How long a request waits for events. The page asks again."""


@dataclass(frozen=True, slots=True)
class _Read:
    """Some events of the feed, oldest first, and the token after them."""

    events: Sequence[EnrollmentEvent]
    token: str

    @property
    def is_full(self) -> bool:
        """Whether there are probably more events already."""
        return len(self.events) >= MAX_EVENTS


def feed(visit: Visit) -> Response:
    """Shows the feed from now on, or from the beginning, or after a token; newest event last.

    Without JavaScript, the page has a button that reads on. With it, htmx asks every few seconds, and receives only the
    new rows.
    """
    asked = {name: visit.text(name) for name in ("contract", "primary", "member", "start")}
    token = visit.text("token")
    read = _read(visit, token or (FEED_START_BEGINNING if asked["start"] == "beginning" else FEED_START_NOW), asked)
    _load_names(visit, read.events)
    rows = [(event, event_name(event), event_lines(event, visit.names)) for event in read.events]
    template = "feed_rows.html" if visit.is_htmx and token else "feed.html"
    return visit.page(template, asked=asked, rows=rows, token=read.token or token, is_full=read.is_full)


def _read(visit: Visit, start: Any, asked: dict[str, str]) -> _Read:
    wanted = EnrollmentFilter(
        contract_ids=[finding.contract_id(visit, asked["contract"])] if asked["contract"] else [],
        primary_ids=[finding.member_id(visit, asked["primary"])] if asked["primary"] else [],
        member_ids=[finding.member_id(visit, asked["member"])] if asked["member"] else [],
    )
    where = {"resume_token": start} if isinstance(start, str) else {"from_": start}
    events: list[EnrollmentEvent] = []
    token = ""
    messages = visit.client.enrollment.watch_enrollments(**where, filter=wanted, timeout=WAIT_SECONDS)
    try:
        for message in messages:
            events += message.events
            token = message.resume_token
            if len(events) >= MAX_EVENTS:
                break
    except TooLate:
        pass  # there are no more events now
    finally:
        messages.close()
    return _Read(events, token)


def _load_names(visit: Visit, events: Sequence[EnrollmentEvent]) -> None:
    """Reads all names that the events need with as few calls as possible."""
    differences = [each for event in events for each in event.policy_revision.differences]
    visit.names.load_members([*(event.key.primary_id for event in events), *(each.member_id for each in differences)])
    visit.names.load_modules(each.module_id for each in differences)
