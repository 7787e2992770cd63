"""Counts the statements that an idle server with some streams sends to PostgreSQL, and prints the most frequent."""

import re
import time
from collections import Counter

import psycopg

from benchmarks import load
from benchmarks.feed import METHOD
from benchmarks.figures import Figure
from benchmarks.running import MeasuredServer, measured_server
from benchmarks.usage import cpu_seconds
from tests.support.calls import Family, admin
from tests.support.feeds import NOW, watch_request

STREAMS = 4
SETTLING_SECONDS, SECONDS = 8.0, 30.0
MAX_STATEMENTS = 12.0
SHOWN = 90
STATEMENT = re.compile(r"LOG:  (?:statement|execute [^:]*): (.*)")


def measure() -> list[Figure]:
    with measured_server() as server:
        family = Family(server.channel).set_up()
        family.submit(family.enroll(family.base, "2026-01-01"), requester=admin())
        with psycopg.connect(server.url, autocommit=True) as connection:
            connection.execute("ALTER DATABASE postgres SET log_statement = 'all'")  # for new sessions
        server.process.stop()
        with server.restarted() as again:
            return _idle(again)


def _idle(server: MeasuredServer) -> list[Figure]:
    log = server.folder / "database" / "postgres.log"
    with load.streams(server.address, METHOD, watch_request(NOW).SerializeToString(), STREAMS):
        time.sleep(SETTLING_SECONDS)
        before, used = log.stat().st_size, {name: cpu_seconds(pid) for name, pid in server.pids.items()}
        time.sleep(SECONDS)
        used = {name: cpu_seconds(pid) - used[name] for name, pid in server.pids.items()}
        logged = log.read_bytes()[before:].decode()
    statements = Counter(statement[:SHOWN] for statement in STATEMENT.findall(logged))
    for statement, count in statements.most_common():
        print(f"{count / SECONDS:6.2f}/s  {statement}")
    rate, against = sum(statements.values()) / SECONDS, f"{STREAMS} idle streams"
    return [
        Figure(name="idle.statements", value=rate, unit="statements/s", at_most=MAX_STATEMENTS, against=against),
        *(
            Figure(name=f"idle.{name}_cpu", value=100 * seconds / SECONDS, unit="% of a core", against=against)
            for name, seconds in used.items()
        ),
    ]
