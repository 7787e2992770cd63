"""How a subscription to the change feed goes on: from where, after which pause, and when it is of no use.

The same for `feed.py`, which is for tasks, and `blocking_feed.py`, which is for threads.
"""

import random

import grpc

from affilia.enrollment.v1 import enrollment_event_pb2, enrollment_query_service_pb2

Message = enrollment_query_service_pb2.WatchEnrollmentsResponse
FeedStart = enrollment_query_service_pb2.FeedStart

HEARTBEAT_SECONDS = 25.0
FIRST_PAUSE_SECONDS = 0.1
LONGEST_PAUSE_SECONDS = 10.0

HOPELESS = frozenset(
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
"""Trying again gives the same: the caller has to decide. Everything else is a matter of time."""


def watch_request(
    start: "str | FeedStart.ValueType", wanted: enrollment_event_pb2.EnrollmentFilter | None
) -> enrollment_query_service_pb2.WatchEnrollmentsRequest:
    """Asks for what follows a resume token, or for what follows from where `start` says."""
    request = enrollment_query_service_pb2.WatchEnrollmentsRequest(filter=wanted)
    if isinstance(start, str):
        if not start:
            raise ValueError("an empty text is no resume token: say where to begin, such as FEED_START_SNAPSHOT")
        request.resume_token = start
    else:
        setattr(request, "from", start)
    return request


def pause_seconds(failures: int, at_least: float, first: float, longest: float) -> float:
    """Random, up to the first pause doubled at each failure in a row, beyond what the server asks for."""
    most = min(longest, first * 2 ** min(failures, 30))
    return at_least + random.uniform(0, most)  # noqa: S311 (to spread load, not to keep a secret)
