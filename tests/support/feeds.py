"""Reads the feed in tests, up to a given event."""

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
    """Returns a request that starts at a resume token or at a named position."""
    how: dict[str, Any] = {"resume_token": start} if isinstance(start, str) else {"from": start}
    return enrollment_query_service_pb2.WatchEnrollmentsRequest(filter=wanted, **how)


@contextmanager
def watching(channel: grpc.Channel, start: Any, wanted: Filter | None = None, seconds: float = 120) -> Iterator[Any]:
    """Opens a stream, and cancels it at the end."""
    call: Any = EnrollmentQueryServiceStub(channel).WatchEnrollments(watch_request(start, wanted), timeout=seconds)
    try:
        yield call
    finally:
        call.cancel()


def next_events(call: Any, count: int) -> list[Event]:
    """Returns the next `count` events, or more if the last message has more."""
    events: list[Event] = []
    while len(events) < count:
        events += next(call).events
    return events


def everything(channel: grpc.Channel, start: Any, until: str, wanted: Filter | None = None) -> list[Message]:
    """Returns all messages up to the one with an event."""
    messages = []
    with watching(channel, start, wanted) as call:
        for message in call:
            messages.append(message)
            if any(event.event_id == until for event in message.events):
                return messages
    raise AssertionError("the stream ended on its own")


def events_in(messages: list[Message]) -> list[Event]:
    return [event for message in messages for event in message.events]
