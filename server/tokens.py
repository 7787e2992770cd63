"""Opaque tokens, such as page and resume tokens, with a signature: forged ones are rejected.

A token is a JSON payload, signed together with its kind by the key of the database. So the servers of one deployment
accept each other's tokens, and no others.
"""

import base64
import binascii
import hashlib
import hmac
import json
from dataclasses import dataclass
from typing import Any

from domain.errors import TokenInvalid

SIGNATURE_BYTES = 16


@dataclass(frozen=True, slots=True)
class Tokens:
    """Creates and reads the tokens of one database."""

    key: bytes

    def made(self, kind: str, payload: Any) -> str:
        """Returns a token with a JSON-serializable payload. Anyone can read the payload, but not change it."""
        body = json.dumps(payload, separators=(",", ":")).encode()
        return base64.urlsafe_b64encode(self._signature(kind, body) + body).rstrip(b"=").decode()

    def unverified(self, token: str, field: str) -> Any:
        """Returns the payload of a token without verifying its signature. Raises TokenInvalid if it is damaged."""
        try:
            return json.loads(_decoded(token, field)[SIGNATURE_BYTES:])
        except (ValueError, RecursionError) as damaged:
            raise TokenInvalid(field) from damaged

    def read(self, kind: str, token: str, field: str) -> Any:
        """Returns the verified payload of a token of this kind. Raises TokenInvalid, which names `field`."""
        data = _decoded(token, field)
        signature, body = data[:SIGNATURE_BYTES], data[SIGNATURE_BYTES:]
        if not hmac.compare_digest(signature, self._signature(kind, body)):
            raise TokenInvalid(field)
        return json.loads(body)

    def mark(self, content: bytes) -> bytes:
        """Returns a keyed digest of some content, which reveals nothing about it without the key."""
        return hmac.new(self.key, b"mark\0" + content, hashlib.sha256).digest()

    def _signature(self, kind: str, body: bytes) -> bytes:
        return hmac.new(self.key, kind.encode() + b"\0" + body, hashlib.sha256).digest()[:SIGNATURE_BYTES]


def _decoded(token: str, field: str) -> bytes:
    try:
        return base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
    except (ValueError, binascii.Error) as damaged:
        raise TokenInvalid(field) from damaged
