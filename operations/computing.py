"""Where pure computations run: short ones in place, long ones off the event loop, with the same result.

The duration of a computation is estimated first, so that short ones have no overhead.
"""

from collections.abc import Callable
from typing import Protocol, TypeVar, TypeVarTuple

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

INLINE_SECONDS = 0.01
"""Computations that are estimated to take longer leave the event loop. Estimates can be off by a factor of two."""


class Computing(Protocol):
    """Runs a function of a module on values that can be pickled."""

    async def run(self, subject: str, /, function: Callable[[*Ts], T], *arguments: *Ts) -> T:
        """Returns what the function returns and raises the DomainError that it raises.

        Subjects that compute concurrently get equal shares.
        """
        ...


class InPlace:
    """Runs everything in place, for programs that serve no other callers."""

    async def run(self, _subject: str, /, function: Callable[[*Ts], T], *arguments: *Ts) -> T:
        return function(*arguments)
