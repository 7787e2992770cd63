"""Starts a server in this order: database, core, listeners, workers. Stops it in the reverse order."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

from domain.errors import DatabaseUnavailable, ShuttingDown
from operations.core import Core, core_on
from operations.eligibility_state import EnrollmentSource
from operations.history import recognize
from server.addresses import AddressTaken
from server.background import SOON, background_workers, lease_names
from server.computing.pool import ComputePool
from server.database_setup import PREPARE_ERRORS, prepare_database, prepared_url, while_starting
from server.identity.certificates import CertificateUnreadable
from server.identity.listener_access import internal_access, public_access
from server.identity.token_keys import KeysUnreadable
from server.interceptors.admission import Admission
from server.listener import Listener
from server.mapping.stored_view import view_of_group
from server.probes import ServerProbes
from server.services import INTERNAL, PUBLIC
from server.settings import EMBEDDED, Settings
from server.telemetry import metrics
from server.telemetry.metrics import read_when_scraped
from server.telemetry.monitoring import monitored
from server.telemetry.tracing import Tracer, TracingMissing, tracing
from server.tokens import Tokens
from server.workers.enrollment_sources import OwnFeed, RemoteFeed
from server.workers.erasure_watcher import ErasureWatcher
from server.workers.feed_reader import read_feed
from server.workers.kafka_sender import KafkaMissing
from server.workers.premium_runner import DaskMissing
from server.workers.supervisor import Supervisor, Worker
from server.workers.watchdog import Watchdog, measure
from storage.deployment import read_deployment
from storage.legacy.registry import LegacySources, LegacySourcesUnusable
from storage.postgres.database import Database
from storage.postgres.embedded import EmbeddedPostgres

FEED_SECONDS = 10.0
"""Time limit for reading the feed for the first time. A server that can't read the feed doesn't start."""

START_ERRORS = (
    *PREPARE_ERRORS,
    AddressTaken,
    CertificateUnreadable,
    KeysUnreadable,
    LegacySourcesUnusable,
    TracingMissing,
    KafkaMissing,
    DaskMissing,
)
"""Why a server can't start. The text of each is a sentence for operators."""


@dataclass(frozen=True, slots=True)
class RunningServer:
    """A server that answers calls, with its listeners."""

    core: Core
    public: Listener
    internal: Listener
    metrics_address: str = ""


@asynccontextmanager
async def running_server(settings: Settings) -> AsyncIterator[RunningServer]:
    """Runs a server, and drains it at the end. Raises START_ERRORS."""
    embedded = EmbeddedPostgres.start(settings.data_dir) if settings.database_url in ("", EMBEDDED) else None
    try:
        probes = ServerProbes()
        with monitored(settings.metrics_listen, probes) as metrics_address, tracing(settings.trace_endpoint) as tracer:
            # With several processes, the parent has already prepared the database.
            prepare = prepare_database if settings.processes == 1 else prepared_url
            url = await asyncio.to_thread(prepare, settings, embedded)
            database = Database(url, settings.pool_size)
            with while_starting(url, embedded):
                await database.open()
            try:
                async with _serving(settings, url, database, embedded, tracer) as server:
                    probes.started(server.public, server.internal)
                    yield replace(server, metrics_address=metrics_address)
            finally:
                await database.close()
    finally:
        if embedded:
            embedded.stop()


@asynccontextmanager
async def _serving(
    settings: Settings, url: str, database: Database, embedded: EmbeddedPostgres | None, tracer: Tracer | None
) -> AsyncIterator[RunningServer]:
    """Serves calls on an open database. Raises LegacySourcesUnusable."""
    legacy = LegacySources.of(settings.legacy_sources)
    with while_starting(url, embedded):
        async with database.reading() as connection:
            tokens = Tokens((await read_deployment(connection)).token_key)
            await legacy.check(connection)
    pool = ComputePool(settings.compute_worker_count, settings.compute_queue)
    core = replace(core_on(database, pool, legacy), group_view=view_of_group)
    database.on_connect = lambda connection: recognize(core, connection)
    core.eligibility.source = _enrollment_source(settings, core, tokens)
    admission = Admission(settings.max_calls)
    public = Listener(PUBLIC, core, tokens, settings, await public_access(settings), admission, tracer)
    internal = Listener(INTERNAL, core, tokens, settings, internal_access(settings), admission, tracer)
    watchdog = Watchdog(core, url, lease_names(settings), embedded)
    workers = [
        *background_workers(settings, url, core, core.eligibility.source),
        Worker("admission", admission.watch),
        Worker("watchdog", lambda: watchdog.watch([public, internal])),
    ]
    _measure(core, pool, admission)
    supervisor = Supervisor()
    core.lease.begin()
    core.aliases.begin()
    erasures = ErasureWatcher(core, url)
    supervisor.start(
        Worker("erasure-watcher", erasures.run, SOON), Worker("feed-reader", lambda: read_feed(core, url), SOON)
    )
    try:
        with while_starting(url, embedded):
            await _wait_for_feed(core)
        await public.start(settings.listen)
        await internal.start(settings.internal_listen)
        public.report_health()
        internal.report_health()
        pool.start()
        supervisor.start(*workers)
        yield RunningServer(core, public, internal)
    finally:
        await supervisor.stop("feed-reader")
        core.feed.end(ShuttingDown())
        await asyncio.gather(public.drain(settings.drain_seconds), internal.drain(settings.drain_seconds))
        await supervisor.stop()  # after the drain: calls that finish still need the erasure lease
        await pool.close()


def _enrollment_source(settings: Settings, core: Core, tokens: Tokens) -> EnrollmentSource:
    """Returns the feed that eligibility reads: of another server if one is configured, otherwise of this one."""
    if not settings.enrollment_source:
        return OwnFeed(core, tokens)
    return RemoteFeed(settings.enrollment_source, settings.enrollment_source_token, settings.enrollment_source_ca)


def _measure(core: Core, pool: ComputePool, admission: Admission) -> None:
    measure(core)
    read_when_scraped(metrics.CALLS_IN_FLIGHT, lambda: admission.in_flight)
    read_when_scraped(metrics.COMPUTING.labels("running"), lambda: pool.running)
    read_when_scraped(metrics.COMPUTING.labels("waiting"), lambda: pool.waiting)


async def _wait_for_feed(core: Core) -> None:
    """Waits until the feed was read for the first time. Raises DatabaseUnavailable."""
    try:
        await asyncio.wait_for(core.feed.begun.wait(), FEED_SECONDS)
    except TimeoutError as too_slow:
        raise DatabaseUnavailable from too_slow
