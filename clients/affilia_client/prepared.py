"""A call that is ready to be sent by either client: the completed request and the options.

All attempts send the same request with the same request id, so a write that succeeded isn't repeated.
"""

import math
import time
from uuid import uuid4

import grpc
from google.protobuf.message import Message

from affilia_client.call_options import CallOptions
from affilia_client.consistency import FIELD, ConsistencyTokens
from affilia_client.errors import CallFailed, call_failed
from affilia_client.methods import Method

REQUEST_ID = "request_id"
MAX_SECONDS = 1e8
"""Longer timeouts mean no deadline, because gRPC can't represent them."""


class PreparedCall:
    """A call to send. The caller's `request` is copied before it is changed."""

    def __init__(self, method: Method, request: Message, options: CallOptions, tokens: ConsistencyTokens) -> None:
        self.method = method
        self.options = options
        self.seconds = method.seconds if options.timeout is None else options.timeout
        if math.isnan(self.seconds):
            raise ValueError("timeout must be a number of seconds, got nan")
        self._ends = time.monotonic() + self.seconds
        self._tokens = tokens
        self._sent_token = ""
        self.request = self._completed(request)

    def seconds_left(self) -> float | None:
        """Returns the seconds until the deadline, or None if there is none."""
        return None if self.seconds > MAX_SECONDS else max(self._ends - time.monotonic(), 0.0)

    def record_response(self, response: Message) -> None:
        """Stores the consistency token in the response to a write."""
        if not self.method.reads:
            self._tokens.learn(response)

    def record_failure(self, error: grpc.RpcError) -> CallFailed:
        """Returns the failure of an attempt. If a restore has undone the write whose token was sent, this failure
        reports it once, and later calls are sent without the token."""
        failure = call_failed(error)
        if self._sent_token and failure.reason == "TOKEN_OF_ANOTHER_HISTORY":
            self._tokens.forget(self._sent_token)
        return failure

    def token_rejected(self, failed: BaseException) -> bool:
        """Returns whether the server rejected a consistency token that this client added to the request."""
        return (
            bool(self._sent_token)
            and isinstance(failed, CallFailed)
            and failed.reason == "TOKEN_INVALID"
            and failed.facts.get("field") == FIELD
        )

    def drop_token(self) -> None:
        """Removes the token from this request and from later calls."""
        self._tokens.forget(self._sent_token)
        self._sent_token = ""
        self.request.ClearField(FIELD)

    def _completed(self, original: Message) -> Message:
        missing: dict[str, str] = {}
        if self.method.takes(REQUEST_ID) and not getattr(original, REQUEST_ID):
            missing[REQUEST_ID] = str(uuid4())
        if self.method.takes(FIELD) and not getattr(original, FIELD):
            self._sent_token = self._tokens.newest()
            if self._sent_token:
                missing[FIELD] = self._sent_token
        if not missing:
            return original
        request = type(original)()
        request.CopyFrom(original)
        for name, value in missing.items():
            setattr(request, name, value)
        return request
