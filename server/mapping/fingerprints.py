"""Fingerprints of messages, by which repeated writes and later pages of one list are recognized."""

import hashlib
from typing import Any
from uuid import UUID

from google.protobuf.message import Message

from server.tokens import Tokens
from storage.requests import WriteKey


def fingerprint(message: Message) -> bytes:
    """Returns a hash of a message's type and content."""
    digest = hashlib.sha256(message.DESCRIPTOR.full_name.encode())
    digest.update(b"\0" + message.SerializeToString(deterministic=True))
    return digest.digest()


def write_key(request: Any, tokens: Tokens) -> WriteKey:
    """Returns the key by which a repeated write is recognized.

    Its fingerprint is stored. It is keyed, because otherwise contents that were erased later, such as a date of birth,
    could be recovered by trying all possible ones.
    """
    content = type(request)()
    content.CopyFrom(request)
    content.ClearField("request_id")
    return WriteKey(UUID(request.request_id), tokens.mark(fingerprint(content)))
