"""Reading the feed in tests: streams with an end, and what they gave."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import grpc

from affilia.enrollment.v1 import enrollment_event_pb2, enrollment_query_service_pb2
from affilia.enrollment.v1.enrollment_query_service_pb2_grpc import EnrollmentQueryServiceStub

Message = enrollment_query_service_pb2.WatchEnrollmentsResponse
Event = enrollment_event_pb2.EnrollmentEvent
Filter = enrollment_event_pb2.EnrollmentFilter

BEGINNING = enrollment_query_service_pb2.FEED_START_BEGINNING
NOW = enrollment_query_service_pb2.FEED_START_NOW
SNAPSHOT = enrollment_query_service_pb2.FEED_START_SNAPSHOT

POLICY_ACTIVATED = enrollment_event_pb2.ENROLLMENT_EVENT_TYPE_POLICY_ACTIVATED
POLICY_CHANGED = enrollment_event_pb2.ENROLLMENT_EVENT_TYPE_POLICY_CHANGED
POLICY_TERMINATED = enrollment_event_pb2.ENROLLMENT_EVENT_TYPE_POLICY_TERMINATED
CHANGE_REQUEST_REJECTED = enrollment_event_pb2.ENROLLMENT_EVENT_TYPE_CHANGE_REQUEST_REJECTED
RECOMPUTE_RETRIED = enrollment_event_pb2.ENROLLMENT_EVENT_TYPE_RECOMPUTE_RETRIED
RECOMPUTE_FAILED = enrollment_event_pb2.ENROLLMENT_EVENT_TYPE_RECOMPUTE_FAILED


def watch_request(start: Any, wanted: Filter | None = None) -> enrollment_query_service_pb2.WatchEnrollmentsRequest:
    """From a token, or from a place without one."""
    how: dict[str, Any] = {"resume_token": start} if isinstance(start, str) else {"from": start}
    return enrollment_query_service_pb2.WatchEnrollmentsRequest(filter=wanted, **how)


@contextmanager
def watching(channel: grpc.Channel, start: Any, wanted: Filter | None = None, seconds: float = 30) -> Iterator[Any]:
    """An open stream that has given its first message; it is given again as the stream's first."""
    call: Any = EnrollmentQueryServiceStub(channel).WatchEnrollments(watch_request(start, wanted), timeout=seconds)
    try:
        yield call
    finally:
        call.cancel()


def next_events(call: Any, count: int) -> list[Event]:
    """The next so many events, or more if the message that completes them holds more."""
    events: list[Event] = []
    while len(events) < count:
        events += next(call).events
    return events


def everything(channel: grpc.Channel, start: Any, until: str, wanted: Filter | None = None) -> list[Message]:
    """All messages up to the one that holds an event."""
    messages = []
    with watching(channel, start, wanted) as call:
        for message in call:
            messages.append(message)
            if any(event.event_id == until for event in message.events):
                return messages
    raise AssertionError("the stream ended by itself")


def events_in(messages: list[Message]) -> list[Event]:
    return [event for message in messages for event in message.events]
