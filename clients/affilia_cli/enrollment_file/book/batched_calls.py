"""Sends many requests of one kind, several at a time, and returns the responses in order."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

Item = TypeVar("Item")
Response = TypeVar("Response")

BATCH_SIZE = 1000
"""Maximum number of items in a request (`member_service.proto`)."""

IN_FLIGHT = 4
"""Enough to keep the server busy while responses are read. Each response can have 4 MiB."""


def in_batches(items: Iterable[Item], call: Callable[[list[Item]], Response]) -> Iterator[Response]:
    """Yields the responses to batches of items, in order. Takes items only when it sends them."""
    remaining = iter(items)
    with ThreadPoolExecutor(IN_FLIGHT) as pool:
        pending: deque[Future[Response]] = deque()
        while batch := list(islice(remaining, BATCH_SIZE)):
            pending.append(pool.submit(call, batch))
            if len(pending) == IN_FLIGHT:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
