"""Parts of a page that are read separately. If one can't be read, the page shows why, and the other parts."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from affilia_client import CallFailed, Unauthenticated
from affilia_console.failures import Failure, failure_of

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Part(Generic[T]):
    """What was read, or why it couldn't be."""

    value: T | None = None
    failure: Failure | None = None


def part(read: Callable[[], T]) -> Part[T]:
    """Reads a part of a page."""
    try:
        return Part(read())
    except Unauthenticated:
        raise
    except CallFailed as failed:
        return Part(failure=failure_of(failed))
