"""The worker that watches the database's clock: it updates the guard of instants, and reports jumps.

Recorded instants stay in order when the clock is set back (`storage/postgres/instants.py`). The warning explains to
operators why a change appears to have been recorded in the future.
"""

import asyncio
from dataclasses import dataclass
from datetime import datetime

import structlog

from operations.core import Core
from server.telemetry import metrics
from storage.postgres.instants import follow_clock

READ_SECONDS = 2.0
JUMP_SECONDS = 1.0

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Reading:
    """A value of the database's clock, read between two instants of this process's monotonic clock."""

    value: datetime
    requested_at: float
    received_at: float

    def jump_since(self, before: "Reading") -> float:
        """Returns by how many seconds at least the clock has jumped since an earlier reading. Negative: back."""
        passed = (self.value - before.value).total_seconds()
        max_passed, min_passed = self.received_at - before.requested_at, self.requested_at - before.received_at
        return max(0.0, passed - max_passed) or min(0.0, passed - min_passed)


class ClockWatcher:
    """Compares each reading with the last one, which is kept when the database is unavailable in between."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._last: Reading | None = None

    async def run(self) -> None:
        """Reads the clock every two seconds."""
        while True:
            reading = await self._read()
            jump = reading.jump_since(self._last) if self._last else 0.0
            if abs(jump) > JUMP_SECONDS:
                metrics.CLOCK_JUMPS.inc()
                log.warning("clock_jumped", seconds=round(jump, 1))
            self._last = reading
            await asyncio.sleep(READ_SECONDS)

    async def _read(self) -> Reading:
        clock = asyncio.get_running_loop().time
        async with self._core.database.reading() as connection:
            requested_at = clock()
            value = await follow_clock(connection)
            return Reading(value, requested_at, clock())
