"""A lease without which a process doesn't answer from memory, because any server can erase members.

A server caches events, coverage and findings. When EraseMember has returned, no server must report erased data from its
caches, not even one that was frozen or disconnected from the database during the erasure. So every server holds a
lease: it answers from memory only if it has checked for erasures, and cleared its caches, within the last
`LEASE_SECONDS` of a clock that also runs while the process is stopped. EraseMember waits until each server has recorded
that it has cleared its caches, or until its lease has expired.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection
from typing import TypeVar
from uuid import UUID

from domain.errors import DatabaseUnavailable

LEASE_SECONDS = 5.0
MARGIN_SECONDS = 1.0
"""Added when waiting for another server's lease to expire: clocks of two machines differ in speed."""

T = TypeVar("T")

_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def steady_seconds() -> float:
    """Returns the time of a clock that never jumps and, if available, runs while the machine sleeps.

    It isn't the event loop's clock, which stands still within one turn of the loop, even if the process is stopped.
    """
    return time.clock_gettime(_CLOCK)


class ErasureLease:
    """One per process. Always valid until `begin` is called, for processes that cache nothing that can be erased."""

    def __init__(self) -> None:
        self.number = 0
        """The last erasure for which this process has cleared its caches.

        Code that reads something to cache it must note the number first, and read again if it has changed.
        """
        self.without_periods: set[UUID] = set()
        """The members whose periods were removed. The same object for the lifetime of the process."""
        self._valid_until = float("inf")
        self._renewed = asyncio.Event()

    def begin(self) -> None:
        """Puts the lease into effect. From now on, it must be renewed."""
        self._valid_until = float("-inf")

    def forget(self, number: int, without_periods: Collection[UUID]) -> None:
        """Records an erasure. The caller must clear all caches in the same turn of the event loop."""
        self.number = number
        self.without_periods.clear()
        self.without_periods.update(without_periods)

    def renew(self, looked_at: float) -> None:
        """Extends the lease. `looked_at` is the time before the database was queried."""
        self._valid_until = looked_at + LEASE_SECONDS
        self._renewed.set()
        self._renewed = asyncio.Event()

    def is_valid(self) -> bool:
        return steady_seconds() < self._valid_until

    async def until_valid(self) -> None:
        """Waits until the lease is valid. Raises DatabaseUnavailable if it isn't renewed in time."""
        try:
            async with asyncio.timeout(LEASE_SECONDS):
                while not self.is_valid():
                    await self._renewed.wait()
        except TimeoutError as late:
            raise DatabaseUnavailable from late

    async def reading(self, read: Callable[[], Awaitable[T]]) -> T:
        """Returns what `read` returns. Calls it again if a member was erased during the read. Raises
        DatabaseUnavailable."""
        while True:
            number = self.number
            found = await read()
            if not self.is_valid():
                await self.until_valid()
            if self.number == number:
                return found
