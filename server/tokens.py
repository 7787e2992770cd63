"""Opaque tokens: authenticated, so that a forged one is refused and never leads to anybody's data.

A token is its kind's first letter, a version, and a payload, signed with the key of this database; servers of one
deployment understand each other's tokens, and no others.
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
    """Makes and reads the tokens of one database."""

    key: bytes

    def made(self, kind: str, payload: Any) -> str:
        """A token that holds a JSON-able payload. Not secret: anybody can read it, nobody can change it."""
        body = json.dumps(payload, separators=(",", ":")).encode()
        return base64.urlsafe_b64encode(self._signature(kind, body) + body).rstrip(b"=").decode()

    def unverified(self, token: str, field: str) -> Any:
        """What a token claims, whoever made it: nothing to act on. Raises TokenInvalid where it claims nothing."""
        try:
            return json.loads(_decoded(token, field)[SIGNATURE_BYTES:])
        except (ValueError, RecursionError) as damaged:
            raise TokenInvalid(field) from damaged

    def read(self, kind: str, token: str, field: str) -> Any:
        """The payload of a token of this kind. Raises TokenInvalid, naming the field that it came in."""
        data = _decoded(token, field)
        signature, body = data[:SIGNATURE_BYTES], data[SIGNATURE_BYTES:]
        if not hmac.compare_digest(signature, self._signature(kind, body)):
            raise TokenInvalid(field)
        return json.loads(body)

    def mark(self, content: bytes) -> bytes:
        """Stands for some content: the same for the same, and to be found out by nobody without the key."""
        return hmac.new(self.key, b"mark\0" + content, hashlib.sha256).digest()

    def _signature(self, kind: str, body: bytes) -> bytes:
        return hmac.new(self.key, kind.encode() + b"\0" + body, hashlib.sha256).digest()[:SIGNATURE_BYTES]


def _decoded(token: str, field: str) -> bytes:
    try:
        return base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
    except (ValueError, binascii.Error) as damaged:
        raise TokenInvalid(field) from damaged
