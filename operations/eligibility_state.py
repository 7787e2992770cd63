"""What a process has in memory about coverage and usage, and whether it is up to date."""

import asyncio
from collections.abc import AsyncGenerator, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol
from uuid import UUID

from domain.days import to_day
from domain.eligibility.checks import Question
from domain.eligibility.coverage import PolicyCoverage
from domain.eligibility.read_model import ReadModel
from operations.erasure_lease import ErasureLease
from operations.findings import CachedFinding
from operations.offers import OffersBook
from storage.accumulators import FAMILY, Balance

STALE_SECONDS = 3.0
"""Memory is out of date if usage was not read for this long. It is read at least twice a second."""


@dataclass(frozen=True, slots=True)
class Update:
    """A policy as reported by an event at a position of the feed, or by a snapshot (position 0)."""

    position: int
    policy: PolicyCoverage


@dataclass(frozen=True, slots=True)
class SourceMessage:
    """Updates, and the token and position after them. `in_snapshot` says that more of the snapshot follows."""

    updates: Sequence[Update]
    token: str
    position: int
    in_snapshot: bool


class EnrollmentSource(Protocol):
    """The change feed of this process or of another server, from which enrollment is read."""

    def messages(self, start: str | None) -> AsyncGenerator[SourceMessage]:
        """Yields everything after a token; for None, a snapshot of the current state and everything after it.

        Raises FeedTrimmed, FeedDiverged, and DatabaseUnavailable while the source is unavailable.
        """
        ...

    def is_fresh(self) -> bool:
        """Returns whether the source has responded recently, so that no change has been missed for long."""
        ...

    @property
    def reads_this_database(self) -> bool:
        """Whether the source reads the feed of the database that this process writes to."""
        ...


@dataclass(slots=True)
class EligibilityState:
    """One per process.

    `model` is None while nothing can be answered from memory. `loaded` is the model that is kept up to date with usage,
    even before it is used. `usage_changed` are the policies whose balances must still be read.
    """

    offers: OffersBook = field(default_factory=OffersBook)
    lease: ErasureLease = field(default_factory=ErasureLease)
    source: EnrollmentSource | None = None
    model: ReadModel | None = None
    loaded: ReadModel | None = None
    findings: dict[Question, CachedFinding] = field(default_factory=dict)
    """Results of recent checks; cleared when the model is dropped."""
    position: int = 0
    generation: int | None = None
    """The generation of the projection that was served as of the last look at the database."""
    usage_heard_at: float = 0.0
    usage_changed: set[UUID] = field(default_factory=set)
    times_dropped: int = 0
    _moved: asyncio.Event = field(default_factory=asyncio.Event)

    def fresh_model(self) -> ReadModel | None:
        """Returns the model if it is up to date and reflects every erasure."""
        if self.model is None or self.source is None or not self.source.is_fresh() or not self.lease.is_valid():
            return None
        if asyncio.get_running_loop().time() - self.usage_heard_at > STALE_SECONDS:
            return None
        return self.model

    def drop_model(self) -> None:
        """Drops the model. Checks are answered from the database until another one is loaded."""
        self.model = self.loaded = None
        self.times_dropped += 1
        self.usage_heard_at = 0.0
        self.findings.clear()

    def forget(self) -> None:
        """Clears everything that was read from the database."""
        self.drop_model()
        self.offers.forget()
        self.usage_changed.clear()
        self.position = 0

    def notify_moved(self) -> None:
        """Wakes the tasks that wait for this process to catch up."""
        self._moved.set()
        self._moved = asyncio.Event()

    async def moved(self, seconds: float) -> None:
        """Waits for new data, for up to `seconds`."""
        try:
            await asyncio.wait_for(self._moved.wait(), seconds)
        except TimeoutError:
            return


def put_balances(model: ReadModel, balances: Iterable[Balance]) -> None:
    """Puts balances into a model."""
    for each in balances:
        member_id = None if each.member_id == FAMILY else each.member_id
        model.put_usage(each.group_id, member_id, to_day(each.term_start), each.code, each.used)
