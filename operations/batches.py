"""Groups the writes of many callers into batches, each of which is one transaction.

A batch never waits for more items: it takes those that are queued when it begins, and later ones form the next batch.
Callers get equal shares. Items about the same object are taken one at a time, in the order in which they arrived.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar
from uuid import UUID

from domain.errors import DatabaseUnavailable, NotNow, Overloaded
from storage.postgres.database import WAIT_FOR_CONNECTION_SECONDS
from storage.postgres.fair_connections import connection_owner, start_shared_task
from storage.sharing.fair_queue import FairQueue

T = TypeVar("T")
R = TypeVar("R")

MAX_SIZE = 64
MAX_CONCURRENT = 2
"""Two batches run concurrently, so that one is computed while the database works on the other."""

Together = Callable[[Sequence[T]], Awaitable[Sequence[R | Exception | None]]]
"""Returns the result or error of each item of a batch, or None if the item must be done alone."""


@dataclass(slots=True, eq=False)
class _Place(Generic[T, R]):
    item: T
    about: UUID
    owner: str
    together: Together[T, R]
    late: Callable[[], NotNow]
    outcome: asyncio.Future[R | None] = field(default_factory=lambda: asyncio.get_running_loop().create_future())
    timer: asyncio.TimerHandle | None = None

    def give_up(self) -> None:
        self.end(self.late())

    def end(self, outcome: R | Exception | None) -> None:
        if self.outcome.done():
            return
        if isinstance(outcome, Exception):
            self.outcome.set_exception(outcome)
        else:
            self.outcome.set_result(outcome)


class Batches(Generic[T, R]):
    """The queue of one kind of items. One per process."""

    def __init__(self) -> None:
        self._queue: FairQueue[_Place[T, R]] = FairQueue()
        self._about: dict[UUID, deque[_Place[T, R]]] = {}
        """All places by the object that they are about. Only the first of each object is queued or being done."""
        self._running = 0
        self._tasks = set[asyncio.Task[None]]()

    async def do(
        self,
        item: T,
        about: UUID,
        together: Together[T, R],
        alone: Callable[[T], Awaitable[R]],
        late: Callable[[], NotNow],
    ) -> R:
        """Returns the result of an item, which is done in a batch or, if that isn't possible, alone.

        An item that hasn't been taken when its caller is cancelled isn't done. Raises the item's error, or the error
        `late` if it has to wait too long for a batch.
        """
        place: _Place[T, R] = _Place(item, about, connection_owner.get(), together, late)
        same = self._about.setdefault(about, deque())
        same.append(place)
        if same[0] is place:
            self._enqueue(place)
        try:
            result = await place.outcome
            return await alone(item) if result is None else result
        finally:
            self._leave(place)

    def _enqueue(self, place: _Place[T, R]) -> None:
        place.timer = asyncio.get_running_loop().call_later(WAIT_FOR_CONNECTION_SECONDS, place.give_up)
        self._queue.put(place.owner, place)
        if self._running < MAX_CONCURRENT:
            self._running += 1
            task = start_shared_task(self._run())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def _leave(self, place: _Place[T, R]) -> None:
        if place.timer is not None:
            place.timer.cancel()
        same = self._about[place.about]
        was_first = same[0] is place
        same.remove(place)
        if not same:
            del self._about[place.about]
        elif was_first:
            self._enqueue(same[0])

    async def _run(self) -> None:
        try:
            while batch := self._take():
                await _do(batch)
        finally:
            self._running -= 1

    def _take(self) -> list[_Place[T, R]]:
        batch: list[_Place[T, R]] = []
        while len(batch) < MAX_SIZE and (place := self._queue.take()) is not None:
            if not place.outcome.done():  # otherwise its caller has left
                assert place.timer is not None  # noqa: S101 (set when it was enqueued)
                place.timer.cancel()
                batch.append(place)
        return batch


async def _do(batch: Sequence[_Place[T, R]]) -> None:
    """Does a batch. Its items are done one by one if it fails as a whole, and not at all once all callers have left."""
    work = asyncio.ensure_future(batch[0].together([place.item for place in batch]))
    left = len(batch)

    def leave(_: object) -> None:
        nonlocal left
        left -= 1
        if not left:
            work.cancel()

    for place in batch:
        place.outcome.add_done_callback(leave)
    await asyncio.wait([work])
    outcomes: Sequence[R | Exception | None]
    if work.cancelled():
        outcomes = [None] * len(batch)
    elif (error := work.exception()) is None:
        outcomes = work.result()
    elif isinstance(error, Overloaded) or (len(batch) == 1 and isinstance(error, DatabaseUnavailable)):
        outcomes = [error] * len(batch)
    else:
        outcomes = [None] * len(batch)
    for place, outcome in zip(batch, outcomes, strict=True):
        place.end(outcome)
