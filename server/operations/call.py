"""Who calls, when, and under which id: the one context that every operation receives.

Until identity lands, every caller is taken for a trusted service on the loopback interface; the interceptor that
fills this object is the only place that will change.
"""

from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from zoneinfo import ZoneInfo

Clock = Callable[[], datetime]
"""Tells the present instant, with a time zone. Operations never look at the system's clock themselves."""


class CallerKind(StrEnum):
    MEMBER = "MEMBER"
    ADMIN = "ADMIN"
    SERVICE = "SERVICE"


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls. `subject` is an id of theirs, never a name."""

    kind: CallerKind
    subject: str


@dataclass(frozen=True, slots=True)
class Call:
    """One call; every operation receives it, whether it looks at it yet or not, so that identity only has to fill it.

    `today_override` is the day that a `--dev` server was told to take for today.
    """

    call_id: str
    caller: Caller
    clock: Clock
    today_override: date | None = None

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
