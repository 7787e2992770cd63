"""One call before it is made, the same for both clients: its request completed, its deadline, and what may be repeated.

All attempts of a call send the same request, with the same request id: a write that was done is not done again.
"""

import math
import time
from uuid import uuid4

from google.protobuf.message import Message

from affilia_client.consistency import FIELD, ConsistencyTokens
from affilia_client.errors import CallFailed
from affilia_client.methods import Method

REQUEST_ID = "request_id"
LONGEST_SECONDS = 1e8
"""More is for ever: gRPC cannot count so far."""


class PreparedCall:
    """`request` is the caller's, and is never changed; without a `timeout`, the method's own is taken."""

    def __init__(self, method: Method, request: Message, timeout: float | None, tokens: ConsistencyTokens) -> None:
        self.method = method
        self.seconds = method.seconds if timeout is None else timeout
        if math.isnan(self.seconds):
            raise ValueError("a timeout is a number of seconds")
        self._ends = time.monotonic() + self.seconds
        self._tokens = tokens
        self._carried = ""
        self.request = self._completed(request)

    def seconds_left(self) -> float | None:
        """Until the deadline, as gRPC wants it: None is for ever."""
        return None if self.seconds > LONGEST_SECONDS else max(self._ends - time.monotonic(), 0.0)

    def answered(self, response: Message) -> None:
        """Takes note of what the server said."""
        if not self.method.reads:
            self._tokens.learn(self.method, response)

    def token_refused(self, failed: BaseException) -> bool:
        """Whether the call failed for the consistency token that it was given here, not by its caller."""
        return (
            bool(self._carried)
            and isinstance(failed, CallFailed)
            and failed.reason == "TOKEN_INVALID"
            and failed.facts.get("field") == FIELD
        )

    def drop_token(self) -> None:
        """Goes on without the token, now and in later calls."""
        self._tokens.forget(self._carried)
        self._carried = ""
        self.request.ClearField(FIELD)

    def _completed(self, given: Message) -> Message:
        missing: dict[str, str] = {}
        if self.method.takes(REQUEST_ID) and not getattr(given, REQUEST_ID):
            missing[REQUEST_ID] = str(uuid4())
        if self.method.takes(FIELD) and not getattr(given, FIELD):
            self._carried = self._tokens.token_for(self.method)
            if self._carried:
                missing[FIELD] = self._carried
        if not missing:
            return given
        request = type(given)()
        request.CopyFrom(given)
        for name, value in missing.items():
            setattr(request, name, value)
        return request
