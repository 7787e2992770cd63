"""Lets readers wait for the sequencer. A reader that starts now needs everything committed so far to be in the feed.

Only the sequencing worker takes the lock of the feed's head. If each new reader took it, a lock held by a frozen server
would block a connection of the pool for each of them.
"""

import asyncio
from collections.abc import Collection

from domain.errors import FeedBehind

CATCH_UP_SECONDS = 5.0


class Sequencing:
    """One per process. Connects its sequencing worker with the readers that wait for it."""

    def __init__(self) -> None:
        self.wanted = asyncio.Event()
        """Set when this process has written events, or a reader waits."""
        self._waiting: set[asyncio.Future[None]] = set()

    async def caught_up(self) -> None:
        """Waits until everything committed by now has a position. Raises FeedBehind."""
        done = asyncio.get_running_loop().create_future()
        self._waiting.add(done)
        self.wanted.set()
        try:
            async with asyncio.timeout(CATCH_UP_SECONDS):
                await done
        except TimeoutError as late:
            raise FeedBehind from late
        finally:
            self._waiting.discard(done)

    def waiting(self) -> frozenset[asyncio.Future[None]]:
        """Returns the readers that wait now. The worker calls this before it looks for pending events."""
        return frozenset(self._waiting)

    def notify(self, waiting: Collection[asyncio.Future[None]]) -> None:
        """Wakes the readers that waited before a pass that left nothing pending."""
        for done in waiting:
            if not done.done():
                done.set_result(None)
