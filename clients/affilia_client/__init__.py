"""The Python client of Affilia: every call of every service, for threads (`Client`) and for asyncio (`AsyncClient`).

Requests and responses are messages of the stubs (`affilia.…`). `from_python` and `to_python` convert whole messages,
including days and amounts at any depth. `affilia_client.testing` runs a server for your own tests.
"""

from affilia_client import changes
from affilia_client.async_client import AsyncClient
from affilia_client.blocking_feed import BlockingEnrollmentSubscription
from affilia_client.client import Client
from affilia_client.credentials import TLS
from affilia_client.endpoint import Endpoint
from affilia_client.errors import (
    AlreadyExists,
    CallFailed,
    Cancelled,
    Conflict,
    Defect,
    FieldViolation,
    Invalid,
    NotAllowed,
    NotFound,
    NotSupported,
    OutOfRange,
    Overloaded,
    PreconditionFailed,
    PreconditionViolation,
    TooLate,
    Unauthenticated,
    Unavailable,
)
from affilia_client.feed import EnrollmentSubscription
from affilia_client.health import HealthStatus
from affilia_client.money import Money
from affilia_client.values import from_python, to_python

__all__ = [
    "TLS",
    "AlreadyExists",
    "AsyncClient",
    "BlockingEnrollmentSubscription",
    "CallFailed",
    "Cancelled",
    "Client",
    "Conflict",
    "Defect",
    "Endpoint",
    "EnrollmentSubscription",
    "FieldViolation",
    "HealthStatus",
    "Invalid",
    "Money",
    "NotAllowed",
    "NotFound",
    "NotSupported",
    "OutOfRange",
    "Overloaded",
    "PreconditionFailed",
    "PreconditionViolation",
    "TooLate",
    "Unauthenticated",
    "Unavailable",
    "changes",
    "from_python",
    "to_python",
]
