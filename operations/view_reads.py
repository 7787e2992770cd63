"""Reads stored views. Reads that arrive while a statement runs share the next one.

A statement costs more than the reads in it, so there is only one at a time, unless one takes long.
"""

import asyncio
from dataclasses import dataclass, field

from storage.group_views import ViewKey, group_views
from storage.postgres.database import Database
from storage.postgres.fair_connections import connection_owner, start_shared_task
from storage.sharing.fair_queue import FairQueue

MAX_READERS = 2
"""Maximum number of connections, so that one that hangs doesn't stop all reads."""
SLOW_SECONDS = 0.1
"""If a statement takes longer than this, another reader takes the reads that wait."""
MAX_KEYS = 64
"""Maximum number of reads in one statement."""


@dataclass(slots=True, eq=False)
class _Read:
    """A read of one caller. `reader` has taken it from the queue."""

    key: ViewKey
    found: "asyncio.Future[bytes | None]"
    reader: "_Reader | None" = None


@dataclass(slots=True, eq=False)
class _Reader:
    """A task that reads on one connection until no more reads wait. `reading` are those of its current statement."""

    reading: list[_Read] = field(default_factory=list)
    task: "asyncio.Task[None] | None" = None

    @property
    def is_unwanted(self) -> bool:
        """Whether the current statement no longer has a waiting caller."""
        return bool(self.reading) and all(read.found.done() for read in self.reading)

    def fail(self, error: Exception) -> None:
        for read in self.reading:
            if not read.found.done():
                read.found.set_exception(error)


class SharedViewReads:
    """The waiting and the running reads of a process. Callers take turns, regardless of how many reads each has."""

    def __init__(self) -> None:
        self._waiting: FairQueue[_Read] = FairQueue()
        self._readers: set[_Reader] = set()
        self._next: _Reader | None = None
        """The reader that takes the reads that wait. The others only finish their statements."""

    async def view(self, database: Database, key: ViewKey) -> bytes | None:
        """Returns the view of a revision, or None if there is none. Its statement begins after this call.

        A statement is cancelled when it has no more waiting callers. Raises DatabaseUnavailable, Overloaded.
        """
        owner, read = connection_owner.get(), _Read(key, asyncio.get_running_loop().create_future())
        self._waiting.put(owner, read)
        if self._next is None:
            self._start_reader(database)
        try:
            return await read.found
        except asyncio.CancelledError:
            if read.reader is None:
                self._waiting.remove(owner, read)
            elif read.reader.task is not None and read.reader.is_unwanted:
                read.reader.task.cancel()
            raise

    def _start_reader(self, database: Database) -> None:
        if self._waiting and len(self._readers) < MAX_READERS:
            reader = self._next = _Reader()
            self._readers.add(reader)
            reader.task = start_shared_task(self._read_all(database, reader))

    async def _read_all(self, database: Database, reader: _Reader) -> None:
        """Reads until no more reads wait, or another reader takes them. An error fails the reads of its statement only.

        If there was no connection for this reader, there was none for any of the reads that wait.
        """
        loop = asyncio.get_running_loop()
        try:
            async with database.reading() as connection:
                while self._next is reader and self._take(reader, MAX_KEYS):
                    slow = loop.call_later(SLOW_SECONDS, self._replace, database, reader)
                    try:
                        views = await group_views(connection, [read.key for read in reader.reading])
                    finally:
                        slow.cancel()
                    for read, view in zip(reader.reading, views, strict=True):
                        if not read.found.done():
                            read.found.set_result(view)
        except Exception as error:
            if not reader.reading:
                self._take(reader, len(self._waiting))
            reader.fail(error)
        finally:
            self._readers.discard(reader)
            self._replace(database, reader)

    def _replace(self, database: Database, reader: _Reader) -> None:
        """Lets another reader take the reads that wait, because this one is slow or has ended."""
        if self._next is reader:
            self._next = None
        if self._next is None:
            self._start_reader(database)

    def _take(self, reader: _Reader, maximum: int) -> bool:
        """Takes the next reads from the queue. Returns whether there are any."""
        reader.reading = []
        while len(reader.reading) < maximum and (read := self._waiting.take()) is not None:
            read.reader = reader
            reader.reading.append(read)
        return bool(reader.reading)
