"""The kinds of database sessions and their limits. All connections are opened here.

A server can die or freeze with open sessions, and PostgreSQL doesn't notice that on its own. Without limits, their
locks would block all other servers as long as TCP keeps the connections, which is two hours by default. So every
session has

- **keepalives and `tcp_user_timeout` on both sides**: a dead host is detected within `DEAD_HOST_SECONDS`. With
  `client_connection_check_interval`, PostgreSQL also checks while a statement runs, so a statement of a dead client
  neither continues nor gets the lock that it is waiting for;
- **`idle_in_transaction_session_timeout`**: the kernel of a frozen server answers keepalives, but its transactions make
  no progress and are ended. A server that computes for a long time keeps its transactions open
  (`storage/postgres/keep_alive.py`);
- **`lock_timeout`**, much shorter than the idle timeout: otherwise statements of a dead server that wait for each
  other's locks would get them one after the other, and hold each of them for the whole idle timeout;
- **prepared statements**, from the first use on (`PREPARE_AT_FIRST`). Otherwise a statement and its parameters are two
  messages. PostgreSQL applies neither the idle timeout nor the statement timeout while it waits for the rest of the
  second one, so a server that freezes while it sends large parameters would keep its locks for as long as it is frozen;
- **`statement_timeout`** as the last resort. Statements of a live server end with the deadline of their call.

The schema, the isolation level that our locks rely on, and the time zone are set as well, so that settings of the role
can't interfere. `default_transaction_read_only` is left to the administrator. Options in the URL override ours.

Plans of prepared statements are kept while tables grow. A plan that reads a whole table because the table was empty
would become slower with each write until the database collects statistics again. As nearly all statements of a server
find rows by keys, its sessions use indexes wherever there is one. `jit` is off, because up to PostgreSQL 17 the cost
that the planner adds to avoid a scan would make it compile the plan.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict

from storage.postgres.bounded_connection import BoundedConnection
from storage.postgres.refusals import refused

PREPARE_AT_FIRST = 0
"""How often a statement is executed before psycopg prepares it."""
MAX_PREPARED = 300
"""Maximum number of prepared statements of a session: more than there are, except for those with many forms."""
CONNECT_SECONDS = 5
DEAD_HOST_SECONDS = 10
KEEPALIVE_IDLE_SECONDS, KEEPALIVE_INTERVAL_SECONDS, KEEPALIVE_COUNT = 4, 2, 3
CONNECTION_CHECK_SECONDS = 1


@dataclass(frozen=True, slots=True)
class SessionKind:
    """The limits of a kind of session, in seconds; 0 means no limit. `name` is the application_name in PostgreSQL.

    `by_index` keeps the planner from reading whole tables where there is an index.
    """

    name: str
    statement_seconds: float
    lock_seconds: float
    idle_in_transaction_seconds: float
    by_index: bool = True


POOL = SessionKind("affilia", statement_seconds=60, lock_seconds=0.5, idle_in_transaction_seconds=8)
"""Calls and workers of a server. Statements that read a whole table ask for more time (`allow_seconds`), and for the
right to do so without an index (`allow_whole_tables`). Lock waits are short; `Database.write` retries with a longer
wait on a limited number of connections."""

PREMIUM_WORKER = SessionKind("affilia-premiums", 600, lock_seconds=0.5, idle_in_transaction_seconds=8)
"""Processes of premium runs: like calls, but one statement stores the premiums of hundreds of policies."""

FEED = SessionKind("affilia-feed", statement_seconds=5, lock_seconds=1, idle_in_transaction_seconds=5)
"""Only listens for notifications."""

ERASURES = SessionKind("affilia-erasures", statement_seconds=2, lock_seconds=1, idle_in_transaction_seconds=3)
"""Detects erasures and stores which ones this server has forgotten. The server's erasure lease is valid for 5 s."""

LEASE = SessionKind("affilia-lease", statement_seconds=2, lock_seconds=1, idle_in_transaction_seconds=3)
"""Renews a lease. Anything slower than these limits would be too late anyway."""

WATCHDOG = SessionKind("affilia-watchdog", statement_seconds=2, lock_seconds=1, idle_in_transaction_seconds=3)
"""Checks the database every second, independently of the pool."""

MIGRATION = SessionKind(
    "affilia-migration", statement_seconds=0, lock_seconds=30, idle_in_transaction_seconds=60, by_index=False
)
"""Migrations. A statement may rewrite a large table. But one that waits for a table lock blocks everybody behind it, so
it gives up after a while and the server reports that."""


class DatabaseUrlMalformed(Exception):
    """The URL can't be parsed. The message has no part of the URL, which may contain a password."""

    def __init__(self) -> None:
        super().__init__(
            "The database URL can't be parsed. It must look like postgresql://role:password@host:5432/database, with"
            " special characters percent-encoded (a space is %20, % is %25, @ is %40, / is %2F)."
        )


def connection_parameters(url: str, kind: SessionKind) -> dict[str, Any]:
    """Returns the libpq parameters of a session. Raises DatabaseUrlMalformed."""
    try:
        given = conninfo_to_dict(url)
    except psycopg.ProgrammingError:
        raise DatabaseUrlMalformed from None  # the text of the error quotes the URL
    ours = {
        "connect_timeout": CONNECT_SECONDS,
        "keepalives": 1,
        "keepalives_idle": KEEPALIVE_IDLE_SECONDS,
        "keepalives_interval": KEEPALIVE_INTERVAL_SECONDS,
        "keepalives_count": KEEPALIVE_COUNT,
        "tcp_user_timeout": DEAD_HOST_SECONDS * 1000,
    }
    options = " ".join(f"-c {name}={value}" for name, value in _server_settings(kind).items())
    return {**ours, **given, "application_name": kind.name, "options": f"{options} {given.get('options', '')}".strip()}


def _server_settings(kind: SessionKind) -> Mapping[str, str]:
    return {
        "statement_timeout": _milliseconds(kind.statement_seconds),
        "lock_timeout": _milliseconds(kind.lock_seconds),
        "idle_in_transaction_session_timeout": _milliseconds(kind.idle_in_transaction_seconds),
        "client_connection_check_interval": _milliseconds(CONNECTION_CHECK_SECONDS),
        "tcp_keepalives_idle": str(KEEPALIVE_IDLE_SECONDS),
        "tcp_keepalives_interval": str(KEEPALIVE_INTERVAL_SECONDS),
        "tcp_keepalives_count": str(KEEPALIVE_COUNT),
        "tcp_user_timeout": _milliseconds(DEAD_HOST_SECONDS),
        "search_path": "public",
        "default_transaction_isolation": r"read\ committed",
        "timezone": "UTC",
        "enable_seqscan": "off" if kind.by_index else "on",
        "jit": "off",
    }


def _milliseconds(seconds: float) -> str:
    return f"{round(seconds * 1000)}ms"


async def connect(url: str, kind: SessionKind) -> BoundedConnection:
    """Opens a session outside of the pool, in autocommit mode. Raises psycopg.OperationalError."""
    return await BoundedConnection.connect(**connection_parameters(url, kind), autocommit=True)


def connect_blocking(url: str, kind: SessionKind, *, autocommit: bool = True) -> psycopg.Connection:
    """Opens a synchronous session. Raises DatabaseRefused, DatabaseUrlMalformed."""
    parameters = connection_parameters(url, kind)
    try:
        return psycopg.connect(**parameters, autocommit=autocommit)
    except psycopg.Error as error:
        # The cause is dropped: libpq may take the password in a malformed URL for a host name, and quote it.
        raise refused(parameters, str(error)) from None


async def allow_seconds(tx: psycopg.AsyncConnection[Any], seconds: float) -> None:
    """Changes the statement timeout until the transaction ends."""
    await tx.execute("SELECT set_config('statement_timeout', %s, true)", [_milliseconds(seconds)])


async def allow_whole_tables(tx: psycopg.AsyncConnection[Any]) -> None:
    """Lets the planner read whole tables until the transaction ends, for statements that need most of their rows."""
    await tx.execute("SET LOCAL enable_seqscan = on")
