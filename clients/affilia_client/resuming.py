"""How a subscription to the change feed resumes: its request, its pauses, and the failures that end it.

Shared by `feed.py` (asyncio) and `blocking_feed.py` (threads).
"""

import random

import grpc

from affilia.enrollment.v1 import enrollment_event_pb2, enrollment_query_service_pb2

Message = enrollment_query_service_pb2.WatchEnrollmentsResponse
FeedStart = enrollment_query_service_pb2.FeedStart

HEARTBEAT_SECONDS = 25.0
INITIAL_PAUSE_SECONDS = 0.1
MAX_PAUSE_SECONDS = 10.0

PERMANENT_FAILURES = frozenset(
    {
        grpc.StatusCode.INVALID_ARGUMENT,
        grpc.StatusCode.OUT_OF_RANGE,
        grpc.StatusCode.FAILED_PRECONDITION,
        grpc.StatusCode.NOT_FOUND,
        grpc.StatusCode.PERMISSION_DENIED,
        grpc.StatusCode.UNAUTHENTICATED,
        grpc.StatusCode.UNIMPLEMENTED,
    }
)
"""Failures that retrying can't fix. All other failures are retried."""


def watch_request(
    start: "str | FeedStart.ValueType", event_filter: enrollment_event_pb2.EnrollmentFilter | None
) -> enrollment_query_service_pb2.WatchEnrollmentsRequest:
    """Returns a request for the feed after a resume token, or from a FeedStart."""
    request = enrollment_query_service_pb2.WatchEnrollmentsRequest(filter=event_filter)
    if isinstance(start, str):
        if not start:
            raise ValueError(
                "The resume token is empty. To start without a token, pass a FeedStart such as FEED_START_SNAPSHOT."
            )
        request.resume_token = start
    else:
        setattr(request, "from", start)
    return request


def pause_seconds(failures: int, minimum: float, initial: float, maximum: float) -> float:
    """Returns the pause after some consecutive failures: the minimum, plus a random part that grows exponentially."""
    limit = min(maximum, initial * 2 ** min(failures, 30))
    return minimum + random.uniform(0, limit)  # noqa: S311 (to spread load, not to keep a secret)
