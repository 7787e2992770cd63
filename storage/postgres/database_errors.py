"""The mapping from errors of PostgreSQL, by SQLSTATE, to errors of the domain.

An error without an entry is a defect in our code. If a code has no entry, that of its class (the first two characters)
applies.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psycopg

from domain.errors import DatabaseUnavailable, DomainError, NotNow, TooLate, WriteConflict

BY_SQLSTATE: dict[str, Callable[[], DomainError]] = {
    "40001": WriteConflict,  # serialization_failure
    "40P01": WriteConflict,  # deadlock_detected
    "55P03": WriteConflict,  # lock_not_available: lock_timeout
    "57014": TooLate,  # query_canceled: statement_timeout
    "25006": DatabaseUnavailable,  # read_only_sql_transaction: a standby, or set by the administrator
    "25P03": DatabaseUnavailable,  # idle_in_transaction_session_timeout
    "25P04": DatabaseUnavailable,  # transaction_timeout
    "08": DatabaseUnavailable,  # the connection was lost
    "28": DatabaseUnavailable,  # the role is not permitted to log in
    "3D": DatabaseUnavailable,  # the database does not exist
    "53": DatabaseUnavailable,  # too many connections, disk full, out of memory
    "57": DatabaseUnavailable,  # shut down, terminated, starting
    "58": DatabaseUnavailable,  # an error of the operating system below PostgreSQL
}


def domain_error_of(error: psycopg.Error) -> DomainError | None:
    """Returns the error to report to the caller, or None if the error is a defect."""
    code = error.sqlstate
    if code is None:  # an error of libpq: there is no connection
        return DatabaseUnavailable() if isinstance(error, psycopg.OperationalError) else None
    meaning = BY_SQLSTATE.get(code) or BY_SQLSTATE.get(code[:2])
    return meaning() if meaning else None


def is_temporary(error: BaseException) -> bool:
    """Returns whether the same work can succeed later, because nothing is wrong with the work itself."""
    return isinstance(domain_error_of(error) if isinstance(error, psycopg.Error) else error, NotNow)


@contextmanager
def translated() -> Iterator[None]:
    """Translates errors within a `with` block that uses a connection. Errors without an entry are raised unchanged."""
    try:
        yield
    except psycopg.Error as error:
        meaning = domain_error_of(error)
        if meaning is None:
            raise
        raise meaning from error
