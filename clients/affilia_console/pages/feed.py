"""The change feed: events in words, as they arrive."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from starlette.responses import Response

from affilia.enrollment.v1.enrollment_event_pb2 import EnrollmentEvent, EnrollmentFilter
from affilia.enrollment.v1.enrollment_query_service_pb2 import FEED_START_BEGINNING, FEED_START_NOW
from affilia_client import TooLate
from affilia_console import finding
from affilia_console.inputs import number_in
from affilia_console.visits import Visit
from affilia_views.event_words import event_lines, event_title

MAX_EVENTS = 100
MAX_SHOWN = 1000
"""The number of events after which a page stops loading more by itself."""
PAGE_WAITS, LAST_POLL_WAIT = (0.15, 5.0, 60.0), 60.0
"""How long a request waits for events, in seconds. If it receives nothing, it waits longer, for a single message."""
POLL_WAITS = (1, 2, 4, 8)
"""How long each poll waits for events until one finds some: a busy server can take seconds to read them."""


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
    new rows, until the page has many.
    """
    asked = {name: visit.text(name) for name in ("contract", "primary", "member", "start")}
    token = visit.text("token")
    polls = visit.is_htmx and bool(token)
    shown = number_in(visit.text("shown") or "0", "shown") if polls else 0
    empty_polls = number_in(visit.text("empty_polls") or "0", "empty_polls") if polls else 0
    start = token or (FEED_START_BEGINNING if asked["start"] == "beginning" else FEED_START_NOW)
    waits = (POLL_WAITS[empty_polls % len(POLL_WAITS)], LAST_POLL_WAIT) if polls else PAGE_WAITS
    read = _read(visit, waits, start, asked)
    _load_names(visit, read.events)
    rows = [(event, event_title(event), event_lines(event, visit.names)) for event in read.events]
    shown += len(rows)
    return visit.page(
        "feed_rows.html" if polls else "feed.html",
        asked=asked,
        rows=rows,
        token=read.token,
        empty_polls=0 if rows or not polls else empty_polls + 1,
        is_full=read.is_full,
        shown=shown,
        stops=shown >= MAX_SHOWN,
    )


def _read(visit: Visit, waits: Sequence[float], start: Any, asked: dict[str, str]) -> _Read:
    """Reads events until there are no more, or enough. Raises TooLate if the server doesn't even send a token."""
    wanted = EnrollmentFilter(
        contract_ids=[finding.contract_id(visit, asked["contract"])] if asked["contract"] else [],
        primary_ids=[finding.member_id(visit, asked["primary"])] if asked["primary"] else [],
        member_ids=[finding.member_id(visit, asked["member"])] if asked["member"] else [],
    )
    where = {"resume_token": start} if isinstance(start, str) else {"from_": start}
    for seconds in waits:
        events: list[EnrollmentEvent] = []
        token = ""
        messages = visit.client.enrollment.watch_enrollments(**where, filter=wanted, timeout=seconds)
        try:
            for message in messages:
                events += message.events
                token = message.resume_token
                if len(events) >= MAX_EVENTS or seconds != waits[0]:
                    return _Read(events, token)
        except TooLate:
            if not token and seconds == waits[-1]:
                raise
        finally:
            messages.close()
        if token:
            return _Read(events, token)  # there are no more events now
    raise AssertionError("unreachable")


def _load_names(visit: Visit, events: Sequence[EnrollmentEvent]) -> None:
    """Reads all names that the events need with as few calls as possible."""
    differences = [each for event in events for each in event.policy_revision.differences]
    visit.names.load_members([*(event.key.primary_id for event in events), *(each.member_id for each in differences)])
    visit.names.load_modules(each.module_id for each in differences)
