"""Lets a client read its own writes: keeps the newest consistency token, which its reads send.

Tokens are cumulative: a read that sends one reflects that write and everything recorded before it, in every service.
One token per client is therefore enough. After concurrent writes, the token with the larger key is the newer one. Only
this library looks inside a token; treat tokens as opaque.
"""

import base64
import binascii
import json
import threading

from google.protobuf.message import Message

FIELD = "consistency_token"
SIGNATURE_BYTES = 16


class ConsistencyTokens:
    """The newest token of one client, shared by its threads or tasks. Stays empty if not `enabled`."""

    def __init__(self, *, enabled: bool = True) -> None:
        self._enabled = enabled
        self._newest = ""
        self._lock = threading.Lock()

    def learn(self, response: Message) -> None:
        """Stores the token in the response to a write, unless the stored one is newer."""
        token = getattr(response, FIELD, "") if self._enabled else ""
        if token:
            with self._lock:
                if not _is_older(token, self._newest):
                    self._newest = token

    def newest(self) -> str:
        """Returns the token that a read must send, or an empty string."""
        return self._newest

    def forget(self, token: str) -> None:
        """Drops a token that the server rejects, because its database was replaced or restored."""
        with self._lock:
            if self._newest == token:
                self._newest = ""


def _is_older(token: str, other: str) -> bool:
    """Returns whether the first token is from an earlier write of the same epoch."""
    mine, others = _position(token), _position(other)
    return mine is not None and others is not None and mine[0] == others[0] and mine[1] < others[1]


def _position(token: str) -> tuple[str, int] | None:
    """Returns the epoch and key of a token's write, or None if another release created the token."""
    try:
        payload = json.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))[SIGNATURE_BYTES:])
        return str(payload["epoch"]), int(payload["key"])
    except (binascii.Error, KeyError, TypeError, ValueError):
        return None
