"""Who calls, when, and under which id: the one context that every operation receives."""

from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from zoneinfo import ZoneInfo

Clock = Callable[[], datetime]
"""Tells the present instant, with a time zone. Operations never look at the system's clock themselves."""


class CallerKind(StrEnum):
    MEMBER = "MEMBER"
    """One insured person; sees themselves and the groups in which they are primary."""
    ADMIN = "ADMIN"
    """Somebody of the back office."""
    SERVICE = "SERVICE"
    """A program, within its scopes."""
    SYSTEM = "SYSTEM"
    """The server itself, who is let in over the loopback interface, and whoever calls a `--dev` server."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls. `subject` is an id of theirs, never a name; a member's is their member id."""

    kind: CallerKind
    subject: str
    scopes: frozenset[str] = frozenset()


@dataclass(slots=True, eq=False)
class Trail:
    """What the audit log is told about a call beside its caller and method: which ids its request names, and whether
    its transaction has already written the entry."""

    ids: dict[str, str] = field(default_factory=dict)
    recorded: bool = False
    outcome: str = "OK"
    """How it ended, as far as its transaction knows: a reason where that is told without an error."""


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a method, by its full name (`/package.Service/Method`).

    `today_override` is the day that a `--dev` server was told to take for today.
    """

    call_id: str
    caller: Caller
    clock: Clock
    today_override: date | None = None
    method: str = ""
    trail: Trail = field(default_factory=Trail, compare=False)

    def today(self, time_zone: str) -> date:
        """The date in a time zone, by IANA name."""
        return self.today_override or self.clock().astimezone(ZoneInfo(time_zone)).date()


_current_call: ContextVar[Call] = ContextVar("current_call")


def current_call() -> Call:
    """The call that the running task serves; the identity interceptor has set it."""
    return _current_call.get()


def begin_call(call: Call) -> None:
    """Makes `call` the one that the running task serves."""
    _current_call.set(call)
