"""What is tried again, when, and for how long: never longer than the call's deadline.

gRPC itself repeats what was UNAVAILABLE, within the channel: it knows whether anything has been answered, so streams
are repeated only before they begin. It does not read RetryInfo. So what the server asks to repeat after a while, gets
here; and nothing else, for a call that failed five times in the channel has failed.
"""

import json
import random
from typing import Any

import grpc
import tenacity

from affilia_client.errors import CallFailed
from affilia_client.prepared import PreparedCall

CHANNEL_POLICY = {
    "maxAttempts": 5,  # gRPC allows no more
    "initialBackoff": "0.1s",
    "maxBackoff": "2s",
    "backoffMultiplier": 2,
    "retryableStatusCodes": ["UNAVAILABLE"],
}
SERVICE_CONFIG = json.dumps({"methodConfig": [{"name": [{}], "retryPolicy": CHANNEL_POLICY}]})

ATTEMPTS = 10
PATIENT_CODES = frozenset({grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED})


def attempts_of(call: PreparedCall) -> dict[str, Any]:
    """What `tenacity.Retrying` or its asynchronous twin needs to know."""

    def worth_repeating(failed: BaseException) -> bool:
        return call.token_refused(failed) or (
            isinstance(failed, CallFailed) and failed.code in PATIENT_CODES and failed.retry_after_seconds > 0
        )

    def mend(state: tenacity.RetryCallState) -> None:
        if call.token_refused(_failure(state)):
            call.drop_token()

    return {
        "retry": tenacity.retry_if_exception(worth_repeating),
        "wait": _pause,
        "stop": tenacity.stop_after_attempt(ATTEMPTS) | tenacity.stop_before_delay(call.seconds),
        "before_sleep": mend,
        "reraise": True,
    }


def _pause(state: tenacity.RetryCallState) -> float:
    """As long as the server says, and up to a quarter more, so that not everybody comes back at once."""
    after = getattr(_failure(state), "retry_after_seconds", 0.0)
    return float(after * random.uniform(1, 1.25))  # noqa: S311 (to spread load, not to keep a secret)


def _failure(state: tenacity.RetryCallState) -> BaseException:
    failed = state.outcome.exception() if state.outcome else None
    return failed or RuntimeError("nothing failed")
