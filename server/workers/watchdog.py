"""The watchdog: checks the database every second, raises alarms, and sets the health of services.

It can't hang together with the workers that it watches: it has its own connection and time limit, and it asks the
database about their progress instead of asking the workers.
"""

import asyncio
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import structlog

from domain.errors import DatabaseUnavailable, DomainError
from operations.core import Core
from operations.freshness import can_check
from server.listener import Listener
from server.services import INTERNAL, PUBLIC
from server.telemetry import metrics
from server.telemetry.metrics import read_when_scraped
from storage.postgres.database import Connection
from storage.postgres.database_errors import translated
from storage.postgres.embedded import EmbeddedPostgres
from storage.postgres.sessions import WATCHDOG, connect
from storage.vital_signs import VitalSigns, vital_signs

CHECK_SECONDS = 1.0
CHECK_TIMEOUT_SECONDS = 2.0
"""A database that takes longer counts as unavailable."""

FEED_LATE_SECONDS = 5.0
FEED_STUCK_SECONDS = 15.0
"""Longer than another server needs to take over from one that froze while it ordered the feed."""
VACANT_SECONDS = 15.0
"""Longer than another server needs to take a lease."""

WHOLE_SERVER = ""
QUERIES = "affilia.enrollment.v1.EnrollmentQueryService"
CHECKS = "affilia.eligibility.v1.EligibilityCheckService"
CLAIMS = "affilia.eligibility.v1.EligibilityInternalService"
READING = frozenset({QUERIES, CHECKS, "affilia.pricing.v1.CostProviderService"})
WRITING = frozenset(service.name for service in (*PUBLIC, *INTERNAL)) - READING
"""Services that need a database that accepts writes."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Observation:
    """The result of one check. `signs` is None if the database doesn't respond, or the pool can't connect to it."""

    signs: VitalSigns | None
    can_check: bool

    def not_serving(self) -> frozenset[str]:
        """Returns the services that can't do their work.

        Reads continue while the database accepts no writes. While the projection is stuck, checks are answered from
        memory, but claims are not served, because they need the database's projection.
        """
        if self.signs is None:
            return frozenset({WHOLE_SERVER, *READING, *WRITING})
        failing: set[str] = set()
        if not self.signs.takes_writes:
            failing |= {WHOLE_SERVER, *WRITING}
        if self.signs.pending_seconds > FEED_STUCK_SECONDS:
            failing.add(QUERIES)
        if self.signs.projection_is_stuck:
            failing.add(CLAIMS)
        if not self.can_check:
            failing.add(CHECKS)
        return frozenset(failing)


class Watchdog:
    """Watches one server. `leases` are those that some server of the deployment should hold at any time."""

    def __init__(self, core: Core, url: str, leases: Collection[str], embedded: EmbeddedPostgres | None) -> None:
        self._core = core
        self._url = url
        self._embedded = embedded
        self._vacant_since = dict.fromkeys(leases, time.monotonic())
        self._connection: Connection | None = None
        self._raised: set[tuple[str, str]] = set()
        self._not_serving: frozenset[str] = frozenset()

    async def watch(self, listeners: Sequence[Listener]) -> None:
        """Checks every second. Also restarts the embedded database if it died."""
        try:
            while True:
                await asyncio.sleep(CHECK_SECONDS)
                observation = await self._check()
                self._raise_alarms(observation)
                if observation.not_serving() != self._not_serving:
                    self._not_serving = observation.not_serving()
                    for listener in listeners:
                        listener.report_health(self._not_serving)
                if observation.signs is None and self._embedded:
                    await asyncio.to_thread(self._embedded.ensure_running)
        finally:
            await self._disconnect()

    async def _check(self) -> Observation:
        signs: VitalSigns | None = None
        try:
            async with asyncio.timeout(CHECK_TIMEOUT_SECONDS):
                signs = await self._signs()
                self._core.database.responded()
                if not await self._core.database.answers():
                    signs = None
                return Observation(signs, signs is not None and await can_check(self._core))
        except (DomainError, TimeoutError):
            await self._disconnect()
            return Observation(signs=None, can_check=False)

    async def _signs(self) -> VitalSigns:
        """Reads the vital signs, on a new connection if the old one was closed."""
        if self._connection is not None:
            try:
                return await vital_signs(self._connection, self._vacant_since)
            except DatabaseUnavailable:
                await self._disconnect()
        with translated():
            self._connection = await connect(self._url, WATCHDOG)
        return await vital_signs(self._connection, self._vacant_since)

    async def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()

    def _raise_alarms(self, observation: Observation) -> None:
        signs = observation.signs
        metrics.DATABASE_UP.set(signs is not None)
        metrics.PROJECTION_SERVING.set(observation.can_check)
        self._alarm(signs is None, "database_away", "database_back")
        if signs is None:
            return
        metrics.DATABASE_WRITABLE.set(signs.takes_writes)
        metrics.PENDING_SECONDS.set(signs.pending_seconds)
        self._alarm(not signs.takes_writes, "database_read_only", "database_writable")
        waiting = {"seconds": round(signs.pending_seconds, 1)}
        self._alarm(signs.pending_seconds > FEED_LATE_SECONDS, "feed_late", "feed_in_time", **waiting)
        self._alarm(signs.projection_is_stuck or not observation.can_check, "projection_behind", "projection_serves")
        for name, seconds in self._vacancies(signs.vacant_seconds).items():
            metrics.LEASE_VACANT_SECONDS.labels(name).set(seconds)
            self._alarm(seconds > VACANT_SECONDS, "lease_vacant", "lease_held", lease=name)

    def _vacancies(self, found: Mapping[str, float]) -> dict[str, float]:
        """Returns for how long each lease has had no holder. If never taken: since this server started."""
        return {name: found.get(name, time.monotonic() - since) for name, since in self._vacant_since.items()}

    def _alarm(self, raised: bool, event: str, over: str, **facts: object) -> None:
        """Logs when an alarm begins, and when it ends."""
        key = (event, str(facts.get("lease", "")))
        if raised and key not in self._raised:
            self._raised.add(key)
            log.warning(event, **facts)
        elif not raised and key in self._raised:
            self._raised.discard(key)
            log.warning(over, **facts)


def measure(core: Core) -> None:
    """Connects the gauges to the state of this process."""
    metrics.DATABASE_UP.set(1)
    metrics.DATABASE_WRITABLE.set(1)
    metrics.PROJECTION_SERVING.set(1)
    read_when_scraped(metrics.FEED_POSITION, lambda: core.feed.position)
    read_when_scraped(metrics.PROJECTED_POSITION, lambda: core.eligibility.position)
    read_when_scraped(metrics.CHECKS_FROM_MEMORY, lambda: core.eligibility.model is not None)
    for state, number in core.database.connections().items():
        read_when_scraped(metrics.POOL.labels(state), number)
    read_when_scraped(metrics.POOL_WAITING, core.database.waiting)
