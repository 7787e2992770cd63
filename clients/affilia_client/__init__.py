"""The Python client of Affilia: every call of every service, for threads (`Client`) and for tasks (`AsyncClient`).

Requests and responses are the messages of the stubs (`affilia.…`). Days and money stand in `affilia_client.dates` and
`affilia_client.money`; a server for tests of one's own, in `affilia_client.testing`.
"""

from affilia_client.async_client import AsyncClient
from affilia_client.blocking_feed import BlockingEnrollmentSubscription
from affilia_client.client import Client
from affilia_client.credentials import TLS
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
    "EnrollmentSubscription",
    "FieldViolation",
    "Invalid",
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
]
