"""The server itself as a caller, for calls that its workers make."""

from datetime import UTC, datetime

from domain.actors import ActorKind
from operations.call import Call, Caller


def system_clock() -> datetime:
    """Returns the current instant."""
    return datetime.now(UTC)


def system(subject: str) -> Caller:
    """Returns a caller with all rights: a part of the server, or one that is trusted as much."""
    return Caller(ActorKind.SYSTEM, subject)


def own_call(subject: str) -> Call:
    """Returns a call that a part of the server makes."""
    return Call(subject, system(subject), system_clock)
