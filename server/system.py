"""The server itself as a caller: what it does without being asked, and what the clock says."""

from datetime import UTC, datetime

from server.operations.call import Call, Caller, CallerKind


def system_clock() -> datetime:
    """The present instant."""
    return datetime.now(UTC)


def system(subject: str) -> Caller:
    """A part of the server, or somebody who is trusted as much."""
    return Caller(CallerKind.SYSTEM, subject)


def own_call(subject: str) -> Call:
    """What a part of the server does by itself."""
    return Call(subject, system(subject), system_clock)
