"""What the server measures of itself, for Prometheus. Names of methods and codes only: no ids, no callers.

Each instrument stands here; whoever knows the value sets it. Told over HTTP at a listener of its own.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from prometheus_client import Counter, Gauge, Histogram, start_http_server

CALLS = Counter("affilia_calls", "Calls that ended, streams included.", ["method", "code"])
CALL_SECONDS = Histogram(
    "affilia_call_seconds",
    "How long calls took; streams until their end.",
    ["method"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 60),
)
OPEN_CALLS = Gauge("affilia_calls_open", "Calls that are under way, open streams included.", ["method"])
SHED = Counter("affilia_calls_shed", "Calls that were told to come again because too much was going on.")
SENT = Counter("affilia_stream_messages_sent", "Messages sent on streams.", ["method"])
LOOP_LAG = Gauge("affilia_loop_lag_seconds", "How late the event loop is.")
DATABASE_UP = Gauge("affilia_database_up", "Whether the database answered when it was asked last.")
POOL = Gauge("affilia_pool_connections", "Connections to the database.", ["state"])
POOL_WAITING = Gauge("affilia_pool_waiting", "Calls that wait for a connection to the database.")
FEED_POSITION = Gauge("affilia_feed_position", "The newest position of the change feed that this server has read.")
PENDING_SECONDS = Gauge("affilia_feed_pending_seconds", "How long the oldest event waits for its position.")
PROJECTED_POSITION = Gauge("affilia_projection_position", "Up to where coverage is projected in this server's memory.")
PROJECTION_SERVING = Gauge("affilia_projection_serving", "Whether checks can be answered.")
RECOMPUTES_WAITING = Gauge("affilia_recomputes_waiting", "Groups that wait to be computed anew.")
AUDIT_UNWRITTEN = Counter("affilia_audit_unwritten", "Failed writes that could not be entered into the audit log.")


@contextmanager
def exposed(address: str) -> Iterator[str]:
    """Tells the metrics at http://address/metrics for a while; yields the address with the port that was bound."""
    if not address:
        yield ""
        return
    host, _, port = address.rpartition(":")
    server, thread = start_http_server(int(port), host.strip("[]"))
    try:
        yield f"{host}:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def read_when_scraped(gauge: Gauge, value: Callable[[], float]) -> None:
    """Has a gauge ask for its value whenever it is told."""
    gauge.set_function(value)
