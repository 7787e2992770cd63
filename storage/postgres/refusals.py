"""Explains to operators in one sentence why no session can be opened, with host, port and database, but no password.

The messages of libpq aren't used, because they can quote a password. For the same reason, no connection parameters are
shown if they look as if special characters in a password caused the URL to be split in the wrong place.
"""

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from psycopg import pq

UNPRINTABLE = re.compile(r"[@\x00-\x1f\x7f]")
PORTS = re.compile(r"\d{1,5}(,\d{1,5})*")
SPECIAL_CHARACTERS = "Percent-encode special characters of the password (@ is %40, / is %2F, ? is %3F, # is %23)"


class DatabaseRefused(Exception):
    """No session can be opened. The message is a sentence for operators."""


class _Refusal(NamedTuple):
    """A kind of refusal: a pattern for libpq's message, the cause, and what to do."""

    pattern: str
    cause: str
    advice: str


REFUSALS = (
    _Refusal("password authentication failed", "PostgreSQL rejects the password of {role}", "correct the password"),
    _Refusal("no password supplied", "PostgreSQL requires a password for {role}", "add it to the URL"),
    _Refusal("role .* does not exist", "PostgreSQL has no {role}", "create the role or correct its name"),
    _Refusal(
        "database .* does not exist",
        "PostgreSQL has no database of this name",
        "create the database or correct its name",
    ),
    _Refusal("not permitted to log in", "{role} is not permitted to log in", "alter the role to LOGIN"),
    _Refusal("pg_hba.conf", "pg_hba.conf does not permit {role} to connect from this host", "add an entry for it"),
    _Refusal(
        "too many|remaining connection slots",
        "PostgreSQL has no connection left for {role}",
        "end other sessions or raise max_connections",
    ),
    _Refusal(
        "starting up|shutting down|recovery",
        "PostgreSQL is starting up or shutting down",
        "start again when it accepts connections",
    ),
    _Refusal("FATAL", "PostgreSQL rejects the connection", "see the log of PostgreSQL"),
    _Refusal(
        "resolve host|could not translate host|name resolution|Name or service not known",
        "the host name can't be resolved",
        "correct the name or check DNS",
    ),
    _Refusal(
        "refused|No such file",
        "the connection was refused because nothing listens there",
        "start PostgreSQL or correct the host and port",
    ),
    _Refusal(
        "timeout|timed out",
        "the host did not respond in time",
        "correct the host and port or check the firewalls",
    ),
    _Refusal("No route|unreachable", "the host can't be reached", "correct the host or check the network"),
    _Refusal(
        "SSL|TLS|certificate",
        "the TLS connection can't be established",
        "check sslmode, sslrootcert and the certificate of PostgreSQL",
    ),
    _Refusal("invalid (integer value|port)", "the port is not valid", "correct the port"),
)
OTHER = _Refusal("", "no connection can be opened", "check that PostgreSQL listens there")


def refused(parameters: Mapping[str, Any], libpq_message: str) -> DatabaseRefused:
    """Returns the error for a session that was refused, given its libpq parameters and the message of libpq."""
    refusal = next((each for each in REFUSALS if re.search(each.pattern, libpq_message)), OTHER)
    names = _names(parameters)
    if names is None:
        cause = refusal.cause.format(role="the role")
        return DatabaseRefused(f"Can't connect to the database: {cause}; {refusal.advice}. {SPECIAL_CHARACTERS}.")
    cause = refusal.cause.format(role=f"role {names['user']}")
    return DatabaseRefused(f"Can't connect to {_target(names)}: {cause}; {refusal.advice}.")


def target_of(parameters: Mapping[str, Any]) -> str:
    """Returns a description of the database that libpq parameters refer to, for use in a sentence."""
    names = _names(parameters)
    return "the database" if names is None else _target(names)


def _target(names: Mapping[str, str]) -> str:
    host = names["host"] or names["hostaddr"]
    if not host:
        return f"database {names['dbname']} at the local socket"
    where = f"socket {host}" if host.startswith("/") else f"[{host}]" if ":" in host else host
    return f"database {names['dbname']} at {where}:{names['port']}"


def _names(parameters: Mapping[str, Any]) -> dict[str, str] | None:
    """Returns host, hostaddr, port, dbname and user, with libpq's defaults, or None if they may contain a password.

    libpq ends the password at the first @ and the host at the first /. If the password contains either, the rest of it
    is taken as a host, a port or a database name, and one of these contains the @ of the URL.
    """
    given = {name: str(value) for name, value in parameters.items() if name not in ("password", "options")}
    found = {option.keyword.decode(): (option.val or b"").decode() for option in pq.Conninfo.get_defaults()} | given
    if any(UNPRINTABLE.search(value) for value in given.values()) or not PORTS.fullmatch(found["port"]):
        return None
    found["dbname"] = found["dbname"] or found["user"]
    return {name: found[name] for name in ("host", "hostaddr", "port", "dbname", "user")}
