"""The process: start the database, wire the core, serve both listeners, and drain on SIGTERM or Ctrl-C."""

import asyncio
import gc
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

import structlog
import uvloop

from domain.errors import DatabaseUnavailable, ShuttingDown
from server import log as logging
from server.cycles import GC_THRESHOLDS
from server.exposure import EMBEDDED
from server.identity.certificates import CertificateUnreadable
from server.identity.entrances import internal_entrance, public_entrance
from server.identity.keys import KeysUnreadable
from server.interceptors.limits import Load
from server.listener import AddressTaken, Listener
from server.metrics import exposed
from server.operations.core import Core, core_on
from server.operations.eligibility_state import EnrollmentSource
from server.services import INTERNAL, PUBLIC
from server.settings import Settings
from server.system import own_call
from server.tokens import Tokens
from server.tracing import Tracer, TracingMissing, tracing
from server.workers.enrollment_sources import OwnFeed, RemoteFeed
from server.workers.keeping import ended, kept_going
from server.workers.premium_following import follow_for_ever
from server.workers.premium_running import DaskMissing, engine_of, run_premiums_for_ever
from server.workers.probing import measure, probe_for_ever
from server.workers.projecting import locate_for_ever, project_for_ever
from server.workers.recomputing import recompute_for_ever
from server.workers.relaying import KafkaMissing, Relay, relay_for_ever
from server.workers.remembering import refresh_offers_for_ever, remember_for_ever
from server.workers.sequencing import sequence_for_ever, trim_for_ever
from server.workers.tailing import remind_for_ever, tail_for_ever
from storage.database import Database
from storage.deployment import read_deployment
from storage.embedded import EmbeddedDatabaseFailed, EmbeddedPostgres
from storage.migrations import DatabaseTooOld, RoleTooStrong, make_application_role, migrate, refuse_owner, role_of

APPLICATION_ROLE = "affilia"
FEED_SECONDS = 10.0
"""How long a server that starts waits for the feed to be read, before it refuses to."""

log = structlog.get_logger()

CANNOT_SERVE = (
    AddressTaken,
    EmbeddedDatabaseFailed,
    CertificateUnreadable,
    DatabaseTooOld,
    DatabaseUnavailable,
    KeysUnreadable,
    RoleTooStrong,
    TracingMissing,
    KafkaMissing,
    DaskMissing,
)
"""Why a server does not begin; each says it in a sentence."""


@dataclass(frozen=True, slots=True)
class Running:
    """A server that answers, and where."""

    core: Core
    public: Listener
    internal: Listener
    metrics_address: str = ""


@asynccontextmanager
async def running(settings: Settings) -> AsyncIterator[Running]:
    """A server from start to drained. Raises EmbeddedDatabaseFailed, AddressTaken, DatabaseUnavailable."""
    embedded = EmbeddedPostgres.start(settings.data_dir) if settings.database_url in ("", EMBEDDED) else None
    try:
        url = await asyncio.to_thread(_prepared, settings, embedded)
        database = Database(url, settings.pool_size)
        await database.open()
        try:
            with exposed(settings.metrics_listen) as metrics_address, tracing(settings.trace_endpoint) as tracer:
                async with _serving(settings, url, database, embedded, tracer) as server:
                    yield replace(server, metrics_address=metrics_address)
        finally:
            await database.close()
    finally:
        if embedded:
            embedded.stop()


def _prepared(settings: Settings, embedded: EmbeddedPostgres | None) -> str:
    """Brings the database to the newest schema; answers with how the application connects."""
    if embedded:
        make_application_role(embedded.url, APPLICATION_ROLE)
        migrate(embedded.url, APPLICATION_ROLE)
        return embedded.url_of(APPLICATION_ROLE)
    url = settings.database_url
    migrate(settings.migration_url or url, role_of(url) if settings.migration_url else "")
    if not settings.dev:
        refuse_owner(url)
    return url


@asynccontextmanager
async def _serving(
    settings: Settings, url: str, database: Database, embedded: EmbeddedPostgres | None, tracer: Tracer | None
) -> AsyncIterator[Running]:
    async with database.reading() as connection:
        tokens = Tokens((await read_deployment(connection)).token_key)
    core = core_on(database)
    load = Load(settings.most_calls)
    listeners = [
        Listener(PUBLIC, core, tokens, settings, await public_entrance(settings), load, tracer),
        Listener(INTERNAL, core, tokens, settings, internal_entrance(settings), load, tracer),
    ]
    measure(core)
    background: list[asyncio.Task[None]] = []
    remote = settings.enrollment_source
    source: EnrollmentSource = (
        RemoteFeed(remote, settings.enrollment_source_token, settings.enrollment_source_ca)
        if remote
        else OwnFeed(core, tokens)
    )
    core.eligibility.source = source
    workers = _workers(settings, url, core, source)
    workers["load"] = load.watch_for_ever
    workers["probe"] = lambda: probe_for_ever(core, listeners, embedded)
    tailing = asyncio.create_task(tail_for_ever(core, url))
    try:
        await _feed_begun(core)
        await listeners[0].start(settings.listen)
        await listeners[1].start(settings.internal_listen)
        for listener in listeners:
            await listener.tell_health(serving=True)
        background += [kept_going(name, begin) for name, begin in workers.items()]
        yield Running(core, listeners[0], listeners[1])
    finally:
        await ended([tailing])
        core.feed.end(ShuttingDown())
        await asyncio.gather(*(listener.drain(settings.drain_seconds) for listener in listeners))
        await ended(background)


def _workers(
    settings: Settings, url: str, core: Core, source: EnrollmentSource
) -> dict[str, Callable[[], Coroutine[Any, Any, None]]]:
    """What the server does by itself, by name. Raises DaskMissing, KafkaMissing."""
    engine = engine_of(settings.premium_engine)
    workers: dict[str, Callable[[], Coroutine[Any, Any, None]]] = {
        "recompute": lambda: recompute_for_ever(core, own_call("recompute-worker"), settings.recompute_pauses),
        "sequence": lambda: sequence_for_ever(core),
        "trim": lambda: trim_for_ever(core, settings.feed_keep_days),
        "remind": lambda: remind_for_ever(core),
        "project": lambda: project_for_ever(core, url, source),
        "locate": lambda: locate_for_ever(core, url),
        "remember": lambda: remember_for_ever(core, source),
        "offers": lambda: refresh_offers_for_ever(core),
        "follow": lambda: follow_for_ever(core, url),
        "premiums": lambda: run_premiums_for_ever(core, url, engine),
    }
    if settings.kafka_bootstrap:
        relay = Relay(settings.kafka_bootstrap, settings.kafka_payload, settings.kafka_properties)
        workers["relay"] = lambda: relay_for_ever(core, url, relay)
    return workers


async def _feed_begun(core: Core) -> None:
    try:
        await asyncio.wait_for(core.feed.begun.wait(), FEED_SECONDS)
    except TimeoutError as away:
        raise DatabaseUnavailable from away


async def serve(settings: Settings) -> None:
    """Serves until SIGTERM or SIGINT, then drains; a second signal ends the process at once."""
    logging.configure(settings)
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)
    stopping = asyncio.Event()

    def stop() -> None:
        if stopping.is_set():
            os._exit(130)
        stopping.set()

    loop = asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, stop)
    async with running(settings) as server:
        await _announce(settings, server)
        await stopping.wait()
        log.info("draining", seconds=settings.drain_seconds)


async def _announce(settings: Settings, server: Running) -> None:
    """Tells where the server answers, loads the sample book if asked to, and says how to begin."""
    print(
        f"affilia is ready: {server.public.address} (public), {server.internal.address} (internal)",
        flush=True,
    )
    if server.metrics_address:
        print(f"metrics: http://{server.metrics_address}/metrics", flush=True)
    if settings.dev:
        print(
            "WARNING --dev: whoever reaches this server may do everything, nobody is asked for a token, and"
            " x-affilia-today sets a call's today. Loopback only; never with real data.",
            flush=True,
        )
    if settings.sample_book:
        # Loaded lazily: it needs the client side of gRPC, which serving does not.
        from server.sample_book import load_sample_book
        from server.welcome import three_calls

        summary = await load_sample_book(server.public.address, settings.samples_dir, only_missing=True)
        print(summary, file=sys.stderr)
        print(three_calls(server.public.address), flush=True)


def run(settings: Settings) -> None:
    """Serves on a loop of its own. Ends the process with a sentence where it cannot."""
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(serve(settings))
    except CANNOT_SERVE as failed:
        print(f"affilia cannot serve: {failed}", file=sys.stderr)
        raise SystemExit(1) from None
