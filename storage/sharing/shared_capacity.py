"""A bounded resource of which no owner can take everything.

The connections to the database are shared this way (`storage/postgres/fair_connections.py`), and the number of calls
and the CPU of the event loop (`server/interceptors/admission.py`).
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from storage.sharing.fair_queue import FairQueue

THE_SERVER = ""
"""Owner of what the server does on its own account. It can take the whole capacity."""

MAX_SHARE_OF_FREE = 3
"""An owner can hold at most three times as much as stays free: three quarters of the capacity if nobody else holds any,
less otherwise."""


@dataclass(slots=True, eq=False)
class _Request:
    units: int
    granted: asyncio.Future[None]


class SharedCapacity:
    """Units of one resource, granted in the order of a `FairQueue`.

    An owner that already holds units gets more only while a share of the capacity stays free, so that a new owner
    doesn't have to wait until somebody who holds everything returns it.
    """

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.used = 0
        self.total_granted = 0
        """All units that were ever granted, including those that were released."""
        self._held: dict[str, int] = {}
        self._queue: FairQueue[_Request] = FairQueue()

    @property
    def waiting(self) -> int:
        """Number of requests that are waiting."""
        return len(self._queue)

    def held(self, owner: str) -> int:
        """Returns the units that an owner holds."""
        return self._held.get(owner, 0)

    def units_before(self, owner: str, further: int = 0) -> int:
        """Estimates how many units are granted before a new request of an owner would be. `further` is what the owner
        is about to request before it."""
        return self._queue.cost_before(owner, further)

    def fits(self, owner: str, units: int) -> bool:
        """Returns whether an owner could take some units now if nobody were waiting."""
        return units <= self.capacity - self.used and self._is_in_share(owner, units)

    def take_now(self, owner: str, units: int) -> bool:
        """Takes units if that is possible without waiting and without overtaking anybody. Returns whether it did."""
        if self._queue or not self.fits(owner, units):
            return False
        self._take(owner, units)
        return True

    async def take(self, owner: str, units: int, seconds: float) -> None:
        """Takes units, at most the whole capacity. Raises TimeoutError if that takes longer than `seconds`."""
        if self.take_now(owner, units):
            return
        request = _Request(units, asyncio.get_running_loop().create_future())
        self._queue.put(owner, request, units)
        self._grant()
        try:
            async with asyncio.timeout(seconds):
                await request.granted
        except BaseException:
            if request.granted.done() and not request.granted.cancelled():
                self.release(owner, units)
            else:
                self._queue.remove(owner, request)
                self._grant()
            raise

    def release(self, owner: str, units: int) -> None:
        """Returns units that an owner holds, and grants what is waiting."""
        self.used -= units
        left = self._held[owner] - units
        if left:
            self._held[owner] = left
        else:
            del self._held[owner]
        self._grant()

    def resize(self, capacity: int) -> None:
        """Changes the capacity. Units beyond a smaller capacity stay taken until they are released."""
        self.capacity = capacity
        self._grant()

    @asynccontextmanager
    async def holding(self, owner: str, units: int, seconds: float) -> AsyncIterator[None]:
        """Holds units within a `with` block. Raises TimeoutError."""
        await self.take(owner, units, seconds)
        try:
            yield
        finally:
            self.release(owner, units)

    def _is_in_share(self, owner: str, units: int) -> bool:
        held = self._held.get(owner, 0)
        if held == 0 or owner == THE_SERVER:
            return True
        return held + units <= MAX_SHARE_OF_FREE * max(0, self.capacity - self.used - units)

    def _take(self, owner: str, units: int) -> None:
        self._queue.charge(owner, units)
        self.used += units
        self.total_granted += units
        self._held[owner] = self._held.get(owner, 0) + units

    def _grant(self) -> None:
        """Grants requests while units are free. A large request is not overtaken: it waits for enough free units, and
        all others wait for it."""
        while self._queue and (found := self._queue.next_owner(self._is_in_share)):
            owner, units = found
            if units > self.capacity - self.used:
                return
            request = self._queue.pop(owner)
            if not request.granted.cancelled():
                self._take(owner, units)
                request.granted.set_result(None)
