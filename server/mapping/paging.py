"""Pages, writes and consistency: the habits that all requests share."""

import hashlib
from typing import Any, Protocol
from uuid import UUID

from google.protobuf.message import Message

from domain.errors import TokenInvalid
from server.operations.eligibility_state import NOTHING, Written
from server.tokens import Tokens
from storage.requests import WriteKey

DEFAULT_PAGE_SIZE = 50


class PagedRequest(Protocol):
    """Any list request."""

    page_size: int
    page_token: str


def page_size(request: PagedRequest) -> int:
    """How many items are asked for."""
    return request.page_size or DEFAULT_PAGE_SIZE


def page_start(request: Any, tokens: Tokens) -> Any:
    """After which item the page begins, as `next_page_token` was told; None: with the first. Raises TokenInvalid,
    also when the token belongs to another request."""
    if not request.page_token:
        return None
    payload = tokens.read("page", request.page_token, "page_token")
    if payload["of"] != _asked(request):
        raise TokenInvalid("page_token")
    return payload["after"]


def next_page_token(request: Any, tokens: Tokens, full: bool, last: Any) -> str:
    """The token of the next page, which begins after `last`; empty when this page was not full."""
    return tokens.made("page", {"of": _asked(request), "after": last}) if full else ""


def _asked(request: Message) -> str:
    """A fingerprint of what is listed, the same for every page of one list."""
    asked = type(request)()
    asked.CopyFrom(request)
    for field in ("page_size", "page_token", "consistency_token"):
        asked.ClearField(field)
    return fingerprint(asked).hex()[:24]


def fingerprint(message: Message) -> bytes:
    """A hash of a message's type and content."""
    digest = hashlib.sha256(message.DESCRIPTOR.full_name.encode())
    digest.update(b"\0" + message.SerializeToString(deterministic=True))
    return digest.digest()


def write_key(request: Any, tokens: Tokens) -> WriteKey:
    """What a repeated write is known by. Its fingerprint is kept, so it is keyed: else what was erased since, such as a
    date of birth, could be found by trying all."""
    content = type(request)()
    content.CopyFrom(request)
    content.ClearField("request_id")
    return WriteKey(UUID(request.request_id), tokens.mark(fingerprint(content)))


def consistency_token(tokens: Tokens, written: Written = NOTHING) -> str:
    """What a write answers with. Most reads go to the database that writes go to, and see everything that was written
    before; those of eligibility wait for what the token says was written."""
    said = {name: [str(its[0]), its[1]] for name in WRITTEN if (its := getattr(written, name)) is not None}
    return tokens.made("seen", {"v": 1, **said})


WRITTEN = ("policy", "contract", "usage")


def check_consistency_token(request: Any, tokens: Tokens) -> None:
    """Raises TokenInvalid when a read carries a token that is not ours."""
    written_from_token(request, tokens)


def written_from_token(request: Any, tokens: Tokens) -> Written:
    """What the write has made whose token a read carries. Raises TokenInvalid."""
    if not request.consistency_token:
        return NOTHING
    said = tokens.read("seen", request.consistency_token, "consistency_token")
    return Written(**{name: (UUID(said[name][0]), said[name][1]) for name in WRITTEN if name in said})
