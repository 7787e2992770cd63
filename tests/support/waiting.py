"""Waiting for conditions, never for seconds: tests also run on busy machines."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection
from typing import TypeVar

import grpc

T = TypeVar("T")

MAX_SECONDS = 120.0
"""Generous: it costs nothing when the condition holds earlier."""

FIRST_PAUSE_SECONDS, MAX_PAUSE_SECONDS = 0.005, 0.1


def wait_until(
    condition: Callable[[], T | None],
    what: str,
    seconds: float = MAX_SECONDS,
    retried: Collection[grpc.StatusCode] = (),
) -> T:
    """Returns the first true value of a condition. Fails, naming what it waited for, if there is none in time.

    A condition that raises an RpcError with one of the `retried` codes is checked again.
    """
    deadline, pause, last = time.monotonic() + seconds, FIRST_PAUSE_SECONDS, None
    while True:
        try:
            if value := condition():
                return value
        except grpc.RpcError as error:
            if error.code() not in retried:
                raise
            last = error
        assert time.monotonic() < deadline, f"not within {seconds} s: {what} (last error: {last})"
        time.sleep(pause)
        pause = min(2 * pause, MAX_PAUSE_SECONDS)


async def wait_until_async(condition: Callable[[], Awaitable[T | None]], what: str, seconds: float = MAX_SECONDS) -> T:
    """Does the same on an event loop."""
    deadline, pause = time.monotonic() + seconds, FIRST_PAUSE_SECONDS
    while not (value := await condition()):
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        await asyncio.sleep(pause)
        pause = min(2 * pause, MAX_PAUSE_SECONDS)
    return value
