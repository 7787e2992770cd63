"""Which calls are retried, when, and for how long: never beyond the call's deadline.

gRPC itself retries calls that were UNAVAILABLE or cancelled by a server, within the channel: it knows whether a
response has begun, so streams are retried only before their first message. It doesn't read RetryInfo, so calls that the
server asks to repeat after a delay are retried here. Nothing else is: a call that failed five times in the channel has
failed.
"""

import json
import random
from typing import Any

import grpc
import tenacity

from affilia_client.errors import CallFailed
from affilia_client.prepared import PreparedCall

CHANNEL_POLICY = {
    "maxAttempts": 5,  # the maximum that gRPC allows
    "initialBackoff": "0.2s",
    "maxBackoff": "2s",
    "backoffMultiplier": 2,
    # A gRPC server ends calls that arrive while it shuts down with CANCELLED. Calls that the caller cancels end.
    "retryableStatusCodes": ["UNAVAILABLE", "CANCELLED"],
}
SERVICE_CONFIG = json.dumps({"methodConfig": [{"name": [{}], "retryPolicy": CHANNEL_POLICY}]})

ATTEMPTS = 10
RETRYABLE_CODES = frozenset({grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED})


def retry_options(call: PreparedCall) -> dict[str, Any]:
    """Returns the arguments of `tenacity.Retrying` or `tenacity.AsyncRetrying`."""

    def is_retryable(failed: BaseException) -> bool:
        return call.token_rejected(failed) or (
            isinstance(failed, CallFailed) and failed.code in RETRYABLE_CODES and failed.retry_after_seconds > 0
        )

    def drop_rejected_token(state: tenacity.RetryCallState) -> None:
        if call.token_rejected(_failure(state)):
            call.drop_token()

    return {
        "retry": tenacity.retry_if_exception(is_retryable),
        "wait": _pause,
        "stop": tenacity.stop_after_attempt(ATTEMPTS) | tenacity.stop_before_delay(call.seconds),
        "before_sleep": drop_rejected_token,
        "reraise": True,
    }


def _pause(state: tenacity.RetryCallState) -> float:
    """Returns the delay that the server requests plus up to a quarter, so that callers don't return simultaneously."""
    after = getattr(_failure(state), "retry_after_seconds", 0.0)
    return float(after * random.uniform(1, 1.25))  # noqa: S311 (to spread load, not to keep a secret)


def _failure(state: tenacity.RetryCallState) -> BaseException:
    failed = state.outcome.exception() if state.outcome else None
    return failed or RuntimeError("nothing failed")
