"""Pages of lists: where the requested page begins, its messages, and the token of the next one."""

from collections.abc import Callable, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache
from typing import Any, Generic, NamedTuple, TypeVar

from google.protobuf.message import Message

from affilia.type.v1 import limits_pb2
from domain.errors import TokenInvalid
from operations.paging import Page
from server.mapping.fingerprints import fingerprint
from server.tokens import Tokens

DEFAULT_PAGE_SIZE = 50
DEFAULT_PAGE_SIZES = {"AggregatePremiumsRequest": 10_000}
"""By the name of the request. Sums had no pages at first, so their callers expect all of them in one response."""

MAX_PAGE_BYTES = 3 * 1024 * 1024
"""A page ends before it exceeds this size, unless a single item does. gRPC clients accept 4 MiB by default."""
MAX_FRAME_BYTES = 6
"""What an item of a list takes in addition to its own bytes: a tag and its length."""

SIZE_FIELD, TOKEN_FIELD = "page_size", "page_token"

T = TypeVar("T")
K = TypeVar("K")
F = TypeVar("F")
M = TypeVar("M", bound=Message)


class FittingMessages(Generic[M]):
    """The messages of one response: as many as fit, but at least one."""

    def __init__(self) -> None:
        self.messages: list[M] = []
        self._size = 0

    def add(self, message: M) -> bool:
        """Adds a message if it fits. Returns whether it did."""
        size = message.ByteSize() + MAX_FRAME_BYTES
        if self.messages and self._size + size > MAX_PAGE_BYTES:
            return False
        self.messages.append(message)
        self._size += size
        return True


class PageOfMessages(NamedTuple, Generic[M]):
    """The messages of one page, and the token of the next one; empty on the last page."""

    messages: list[M]
    next_page_token: str


@dataclass(frozen=True, slots=True)
class RequestedPage:
    """The page that a list request names.

    `after` is the key of the last item of the page before, as JSON; None for the first page. `list_id` identifies the
    list, so that a token is rejected in a request for another one.
    """

    after: Any
    size: int
    list_id: str
    tokens: Tokens

    def starting(self, key: Callable[[Any], K], first: F) -> Page[K | F]:
        """Returns the page for an operation: `key` reads the key from JSON, `first` is the key of the first page."""
        return Page(first if self.after is None else key(self.after), self.size)

    def next_token(self, last: Any) -> str:
        """Returns the token of the page that begins after the key `last`, which must be JSON."""
        return self.tokens.made("page", {"of": self.list_id, "after": last})

    def filled(
        self,
        found: Sequence[T],
        to_proto: Callable[[T], M],
        key_of: Callable[[T], Any],
        *,
        has_more: bool | None = None,
    ) -> PageOfMessages[M]:
        """Returns as many of the items found as fit into one response, at least one.

        `key_of` returns the key of an item, as JSON. `has_more` says whether there are items after those found. If it
        is None, there may be more whenever a whole page was found.
        """
        response = FittingMessages[M]()
        for item in found:
            if not response.add(to_proto(item)):
                break
        messages = response.messages
        if has_more is None:
            has_more = len(found) == self.size
        if messages and (has_more or len(messages) < len(found)):
            return PageOfMessages(messages, self.next_token(key_of(found[len(messages) - 1])))
        return PageOfMessages(messages, "")


_current_page: ContextVar[RequestedPage] = ContextVar("current_page")


def current_page() -> RequestedPage:
    """Returns the page that the running call requests. Validation has read it from the request."""
    return _current_page.get()


@cache
def is_paged(request_type: type) -> bool:
    """Returns whether requests of a type have a page. The result is cached, because every request needs it."""
    descriptor = getattr(request_type, "DESCRIPTOR", None)
    return descriptor is not None and TOKEN_FIELD in descriptor.fields_by_name


def begin_page(request: Any, tokens: Tokens) -> None:
    """Reads the page of a list request, for `current_page`.

    Raises TokenInvalid, for example if the token belongs to another list.
    """
    list_id, after = _list_id(request), None
    if request.page_token:
        payload = tokens.read("page", request.page_token, TOKEN_FIELD)
        if payload["of"] != list_id:
            raise TokenInvalid(TOKEN_FIELD)
        after = payload["after"]
    default = DEFAULT_PAGE_SIZES.get(request.DESCRIPTOR.name, DEFAULT_PAGE_SIZE)
    size = min(request.page_size or default, _max_page_size(request.__class__))
    _current_page.set(RequestedPage(after, size, list_id, tokens))


@cache
def _max_page_size(request_type: type) -> int:
    """Returns the maximum page size of a list. Larger requests are reduced to it."""
    descriptor: Any = request_type.DESCRIPTOR  # type: ignore[attr-defined]
    limits = descriptor.fields_by_name[SIZE_FIELD].GetOptions().Extensions[limits_pb2.limits]
    return int(limits.max)


def _list_id(request: Message) -> str:
    """Returns a fingerprint of what is listed, the same for every page of one list."""
    asked = type(request)()
    asked.CopyFrom(request)
    for field in (SIZE_FIELD, TOKEN_FIELD, "consistency_token"):
        if field in asked.DESCRIPTOR.fields_by_name:
            asked.ClearField(field)
    return fingerprint(asked).hex()[:24]
