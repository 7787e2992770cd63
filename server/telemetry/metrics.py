"""The server's metrics, for Prometheus, except those of calls (`call_metrics.py`). `monitoring.py` serves all of them.

Labels are names of methods, codes and workers; never ids or callers. Each metric is set where its value is known.
"""

from collections.abc import Callable

from prometheus_client import Counter, Gauge, disable_created_metrics

# Don't export the series with the time at which a counter or histogram was created.
disable_created_metrics()  # type: ignore[no-untyped-call]

CALLS_IN_FLIGHT = Gauge(
    "affilia_calls_in_flight", "Admitted calls, which count toward AFFILIA_MAX_CALLS. Streams don't count."
)
SHED = Counter("affilia_calls_shed", "Calls rejected because the server was overloaded.")
SENT = Counter("affilia_stream_messages_sent", "Messages sent on streams.", ["method"])
LOOP_LAG = Gauge("affilia_loop_lag_seconds", "Delay of the event loop's callbacks by the loop's own work, in seconds.")
DATABASE_UP = Gauge("affilia_database_up", "1 if the database responded to the last check.")
DATABASE_WRITABLE = Gauge("affilia_database_writable", "1 if the database accepts writes.")
LEASE_VACANT_SECONDS = Gauge("affilia_lease_vacant_seconds", "Seconds for which no server has held a lease.", ["lease"])
POOL = Gauge("affilia_pool_connections", "Connections to the database.", ["state"])
POOL_WAITING = Gauge("affilia_pool_waiting", "Calls waiting for a connection to the database.")
FEED_POSITION = Gauge("affilia_feed_position", "The newest position of the change feed that this server has read.")
PENDING_SECONDS = Gauge("affilia_feed_pending_seconds", "Age of the oldest event without a position, in seconds.")
TRIM_HELD_BACK_SECONDS = Gauge(
    "affilia_feed_trim_held_back_seconds", "Lag of removing old feed entries, whose pace is limited, in seconds."
)
RELAY_POSITION = Gauge(
    "affilia_relay_position", "The last position of the change feed that this server has relayed to Kafka."
)
RELAY_DEAD_LETTERS = Counter(
    "affilia_relay_dead_letters", "Events that Kafka rejected and that went to the dead-letter topic."
)
RELAY_GAPS = Counter("affilia_relay_gaps", "Gaps in the relay: events had left the feed before they were relayed.")
EVENTS_INCOMPLETE = Counter(
    "affilia_feed_events_incomplete", "Events read from the feed whose stored detail is damaged."
)
CLOCK_JUMPS = Counter("affilia_clock_jumps", "Jumps of the database's clock by more than a second.")
PROJECTED_POSITION = Gauge(
    "affilia_projection_position", "The last position of the change feed in this server's read model."
)
CHECKS_FROM_MEMORY = Gauge(
    "affilia_checks_from_memory",
    "1 if this server has loaded its read model. 0: the database answers all checks.",
)
PROJECTION_SERVING = Gauge("affilia_projection_serving", "1 if eligibility checks can be answered.")
COMPUTING = Gauge("affilia_computing", "Long computations that run in a worker process, or wait for one.", ["state"])
RECOMPUTES_WAITING = Gauge("affilia_recomputes_waiting", "Groups waiting for a recompute.")
MEMBER_RANGES_TO_INDEX = Gauge(
    "affilia_member_ranges_to_index",
    "Ranges of members that have yet to be added to the search index, up to 10000. 0: searches are complete.",
)
AUDIT_UNWRITTEN = Counter(
    "affilia_audit_unwritten", "Failed and rejected calls that could not be recorded in the audit log."
)
WORKER_FAILURES = Counter(
    "affilia_worker_failures", "Failures of background workers, which were restarted.", ["worker", "reason"]
)


def read_when_scraped(gauge: Gauge, value: Callable[[], float]) -> None:
    """Makes a gauge call `value` whenever it is read."""
    gauge.set_function(value)
