"""Sends many requests of one kind, several at a time, and returns the responses in order."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

from affilia.catalog.v1.member_service_pb2 import BatchGetMembersResponse

Item = TypeVar("Item")
Response = TypeVar("Response")

BATCH_SIZE = 1000
"""Maximum number of items in a request (`member_service.proto`)."""

IN_FLIGHT = 4
"""Enough to keep the server busy while responses are read. Each response can have 4 MiB."""


def batches(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    """Yields lists of up to `size` items."""
    remaining = iter(items)
    while batch := list(islice(remaining, size)):
        yield batch


def in_batches(items: Iterable[Item], call: Callable[[list[Item]], Response]) -> Iterator[Response]:
    """Yields the responses to batches of items, in order. Takes items only when it sends them."""
    with ThreadPoolExecutor(IN_FLIGHT) as pool:
        pending: deque[Future[Response]] = deque()
        for batch in batches(items, BATCH_SIZE):
            pending.append(pool.submit(call, batch))
            if len(pending) == IN_FLIGHT:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()


def read_members(
    member_ids: Iterable[str], call: Callable[[list[str]], BatchGetMembersResponse]
) -> Iterator[BatchGetMembersResponse]:
    """Yields responses with all members. Those for whom a response had no room are requested again."""
    while True:
        omitted: list[str] = []
        for response in in_batches(member_ids, call):
            yield response
            omitted += response.omitted_member_ids
        if not omitted:
            return
        member_ids = omitted
