"""What a process knows of coverage and usage by heart, and whether it may be believed."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol
from uuid import UUID

from domain.eligibility.coverage import PolicyCoverage
from domain.eligibility.read_model import ReadModel
from server.operations.offers import OffersBook

STALE_SECONDS = 3.0
"""Usage is asked for ten times a second: who has not heard of it for so long is not up to date."""


@dataclass(frozen=True, slots=True)
class Update:
    """A policy as an event, or a snapshot, tells it; at which position of the feed (0: in a snapshot)."""

    position: int
    policy: PolicyCoverage


@dataclass(frozen=True, slots=True)
class SourceMessage:
    """Updates, and the place after them: a token to go on with, and its position. `in_snapshot`: more of it follows."""

    updates: Sequence[Update]
    token: str
    position: int
    in_snapshot: bool


class EnrollmentSource(Protocol):
    """Where enrollment is read from: this process, or another server. Only by the change feed."""

    def messages(self, start: str | None) -> AsyncGenerator[SourceMessage]:
        """Everything after a token; None: a snapshot of the present, and everything after it.

        Raises FeedTrimmed, FeedDiverged, and DatabaseUnavailable where the source is away for now.
        """
        ...

    def is_fresh(self) -> bool:
        """Whether the source was heard of so lately that no change can have gone unnoticed for long."""
        ...


@dataclass(slots=True)
class EligibilityState:
    """One per process. `model` is None while nothing can be answered from memory."""

    offers: OffersBook = field(default_factory=OffersBook)
    source: EnrollmentSource | None = None
    model: ReadModel | None = None
    answers: dict[Any, Any] = field(default_factory=dict)
    """What checks found last, with the stamp that says whether it still holds; emptied with the model."""
    position: int = 0
    usage_heard_at: float = 0.0
    usage_written: asyncio.Event = field(default_factory=asyncio.Event)
    _moved: asyncio.Event = field(default_factory=asyncio.Event)

    def fresh_model(self) -> ReadModel | None:
        """The model, where it may be believed."""
        if self.model is None or self.source is None or not self.source.is_fresh():
            return None
        if asyncio.get_running_loop().time() - self.usage_heard_at > STALE_SECONDS:
            return None
        return self.model

    def tell_moved(self) -> None:
        """Wakes those who wait for something to become known."""
        self._moved.set()
        self._moved = asyncio.Event()

    async def moved(self, seconds: float) -> None:
        """Waits until something became known, at most so long."""
        try:
            await asyncio.wait_for(self._moved.wait(), seconds)
        except TimeoutError:
            return


@dataclass(frozen=True, slots=True)
class Written:
    """What a write has made, so that a read can be made to reflect it: a policy's revision, a contract's state, a
    policy's usage."""

    policy: tuple[UUID, int] | None = None
    contract: tuple[UUID, int] | None = None
    usage: tuple[UUID, int] | None = None


NOTHING = Written()
