"""The list of a server's background workers."""

from operations.core import Core
from operations.eligibility_state import EnrollmentSource
from server.settings import Settings
from server.system import own_call
from server.workers import kafka_relay, premium_follower, projector
from server.workers.clock_watcher import ClockWatcher
from server.workers.feed_reader import send_bookmarks
from server.workers.feed_sequencer import sequence_feed, trim_feed
from server.workers.history_watcher import trim_write_log, watch_history
from server.workers.kafka_sender import ProducerFactory
from server.workers.member_indexer import index_members
from server.workers.migration_watcher import watch_migrations
from server.workers.premium_follower import follow_premiums
from server.workers.premium_runner import RETRY_SECONDS as PREMIUM_RUN_RETRY_SECONDS
from server.workers.premium_runner import engine_of, run_premiums
from server.workers.projector import maintain_locators, project_coverage
from server.workers.read_model import keep_read_model, refresh_offers
from server.workers.recomputer import recompute
from server.workers.supervisor import Worker
from server.workers.work_watcher import watch_work

SOON = 0.2
"""Retry pause of workers whose delay callers notice."""
TRIM_RETRY_SECONDS = 60.0


def background_workers(settings: Settings, url: str, core: Core, source: EnrollmentSource) -> list[Worker]:
    """Returns the workers that run while the server answers calls. Raises DaskMissing, KafkaMissing."""
    engine = engine_of(settings.premium_engine)
    clock = ClockWatcher(core)
    workers = [
        Worker("recomputer", lambda: recompute(core, own_call("recompute-worker"), settings.recompute_pauses)),
        Worker("feed-sequencer", lambda: sequence_feed(core), SOON),
        Worker("feed-trimmer", lambda: trim_feed(core, settings.feed_keep_days), TRIM_RETRY_SECONDS),
        Worker("feed-bookmarks", lambda: send_bookmarks(core)),
        Worker("clock-watcher", clock.run),
        Worker("coverage-projector", lambda: project_coverage(core, url, source)),
        Worker("locator-updater", lambda: maintain_locators(core, url)),
        Worker("read-model", lambda: keep_read_model(core, source), SOON),
        Worker("contract-offers", lambda: refresh_offers(core), SOON),
        Worker("history-watcher", lambda: watch_history(core), SOON),
        Worker("write-log-trimmer", lambda: trim_write_log(core)),
        Worker("member-indexer", lambda: index_members(core)),
        Worker("work-watcher", lambda: watch_work(core, settings.recompute_pauses)),
        Worker("premium-follower", lambda: follow_premiums(core, url)),
        Worker("premium-runner", lambda: run_premiums(core, url, engine), PREMIUM_RUN_RETRY_SECONDS),
    ]
    if settings.kafka_bootstrap:
        producers = ProducerFactory(settings.kafka_bootstrap, settings.kafka_payload, settings.kafka_properties)
        workers.append(Worker("kafka-relay", lambda: kafka_relay.relay_feed(core, url, producers)))
    if core.legacy:
        workers.append(Worker("migration-watcher", lambda: watch_migrations(core)))
    return workers


def lease_names(settings: Settings) -> list[str]:
    """Returns the leases that some server of the deployment should hold at any time."""
    relay = [kafka_relay.NAME] if settings.kafka_bootstrap else []
    return [projector.COVERAGE, projector.LOCATORS, premium_follower.NAME, *relay]
