"""Projects coverage from the feed: writes messages with their position, and rebuilds the projection beside it."""

import asyncio
from collections.abc import AsyncGenerator, Collection, Iterable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import NamedTuple
from uuid import UUID

from domain.days import Span
from domain.eligibility.coverage import PolicyCoverage, records_of
from domain.errors import ProjectionBehind
from operations.call import Call
from operations.core import Core
from operations.eligibility_state import SourceMessage, Update
from operations.locators import located, located_span
from operations.offers import OffersMissing
from storage import coverage, locator_progress
from storage.coverage import Checkpoint, LocatedRecord
from storage.postgres.database import Connection
from storage.postgres.leases import Lease, fenced
from storage.postgres.locks import NIL, Lock, lock
from storage.postgres.sessions import allow_seconds, allow_whole_tables

PAGE = 500
FOLLOW_SECONDS = 5.0
"""How long a rebuild may block the projection while it follows the feed, whose messages already exist."""
SWAP_SECONDS = 900.0
"""Timeout of each statement of a swap, which compares and removes whole generations."""


class CheckpointMoved(Exception):
    """Another server has already projected this message."""


async def project(core: Core, call: Call, lease: Lease, since: Checkpoint, message: SourceMessage) -> Checkpoint:
    """Writes a message's updates and the position after them in one transaction. Raises CheckpointMoved, LeaseLost."""
    await core.eligibility.offers.refresh(core.database, core.contract_source)

    async def work(tx: Connection) -> Checkpoint:
        now = await coverage.checkpoint(tx, lock=True)
        if now is None or now.resume_token != since.resume_token:
            raise CheckpointMoved
        await _add(core, call, tx, now.generation, message.updates)
        moved = Checkpoint(now.generation, message.token, message.position)
        await coverage.move_checkpoint(tx, moved)
        return moved

    return await core.database.write(fenced(lease, work))


class _Located(NamedTuple):
    """Locators of records. `is_complete` is false if a contract couldn't be read, so that some are missing."""

    records: list[LocatedRecord]
    is_complete: bool


def _located(core: Core, call: Call, policies: Iterable[PolicyCoverage]) -> _Located:
    """Returns the locators of the records of policies, as far ahead as the projection stores them."""
    span, found, is_complete = located_span(call), [], True
    for policy in policies:
        try:
            found += _located_of(core, policy, span)
        except OffersMissing:
            is_complete = False  # the others are stored when the contract has been read
    return _Located(found, is_complete)


def _located_of(core: Core, policy: PolicyCoverage, span: Span) -> list[LocatedRecord]:
    """Raises OffersMissing."""
    offers_of = core.eligibility.offers.of
    return [located(record) for run in policy.runs for record in records_of(run, offers_of(run.key.contract_id), span)]


async def locate_all(core: Core, call: Call, lease: Lease, mark: int) -> None:
    """Stores the locators of the records of all policies, and records that it has. Raises LeaseLost."""
    await core.database.write(fenced(lease, locator_progress.begin_pass))
    await update_locators(core, call, lease, None, mark)
    await core.database.write(fenced(lease, locator_progress.end_pass))


async def update_locators(
    core: Core, call: Call, lease: Lease, contract_ids: Collection[UUID] | None, mark: int
) -> None:
    """Stores the locators of the records of some contracts, or of all: after an amendment, and as time passes.

    Afterwards, locators are up to date with a mark of the contracts, except those of damaged contracts. Raises
    LeaseLost.
    """
    while await _locate_served(core, call, lease, contract_ids) != await _served_generation(core):
        pass  # a rebuild has replaced the generation meanwhile
    is_damaged = core.eligibility.offers.are_damaged

    async def finish(tx: Connection) -> None:
        if is_damaged:
            await locator_progress.report_missed(tx)
        await locator_progress.move_located_mark(tx, mark)

    await core.database.write(fenced(lease, finish))


async def _served_generation(core: Core) -> int | None:
    async with core.database.reading() as connection:
        found = await coverage.checkpoint(connection)
    return found.generation if found else None


async def _locate_served(core: Core, call: Call, lease: Lease, contract_ids: Collection[UUID] | None) -> int | None:
    """Stores the locators of the generation that is served. Returns its number, if there is one. Raises LeaseLost."""
    generation, after = await _served_generation(core), UUID(int=0)
    while generation is not None:
        async with core.database.reading() as connection:
            page = await coverage.policies_page(connection, generation, after, PAGE)
        if not page:
            break
        after = page[-1].group_id
        wanted = [p for p in page if contract_ids is None or p.key.contract_id in contract_ids]

        async def put(tx: Connection, wanted: Sequence[PolicyCoverage] = wanted) -> None:
            found = _located(core, call, wanted)
            await coverage.put_locators(tx, found.records)
            await _report_missed(tx, found)

        await core.database.write(fenced(lease, put))
    return generation


async def _report_missed(tx: Connection, found: _Located) -> None:
    if not found.is_complete:
        await locator_progress.report_missed(tx)


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """The size of the new projection, and how many runs differed from the previous one."""

    policies: int
    runs: int
    differing: int


async def rebuild(core: Core, call: Call, lease: Lease | None = None, *, afresh: bool = False) -> Rebuilt:
    """Rebuilds the projection from a snapshot, and replaces the served one.

    The two are compared at the position of the served one, up to which the feed is followed. With `afresh`, the served
    one belongs to another history, and nothing is compared. Without a lease, a caller has requested the rebuild while
    another server may be projecting. Raises ProjectionBehind, LeaseLost.
    """
    source = core.eligibility.source
    if source is None:
        raise ProjectionBehind
    await core.eligibility.offers.refresh(core.database, core.contract_source)
    generation = await core.database.write(fenced(lease, coverage.new_generation))
    async with aclosing(source.messages(None)) as messages:
        async for message in messages:

            async def add(tx: Connection, updates: Sequence[Update] = message.updates) -> None:
                await _add(core, call, tx, generation, updates)

            await core.database.write(fenced(lease, add))
            reached = message
            if not message.in_snapshot:
                break
        else:
            raise ProjectionBehind
        if not afresh:
            await _reached(core, reached.position)
        followed = _Followed(messages, reached.position)
        return await core.database.write(
            fenced(lease, lambda tx: _swap(core, call, tx, generation, reached, None if afresh else followed))
        )


async def _add(core: Core, call: Call, tx: Connection, generation: int, updates: Iterable[Update]) -> None:
    policies = [update.policy for update in updates]
    found = _located(core, call, policies)
    await coverage.put_policies(tx, generation, policies, found.records)
    await _report_missed(tx, found)


async def _reached(core: Core, position: int) -> None:
    """Waits until the served projection, if there is one, has reached a position."""
    while True:
        async with core.database.reading() as connection:
            served = await coverage.checkpoint(connection)
        if served is None or served.position >= position:
            return
        await core.eligibility.moved(0.05)


class _Followed:
    """The messages after a snapshot, kept because a transaction that needs them can be retried."""

    def __init__(self, messages: AsyncGenerator[SourceMessage], position: int) -> None:
        self._messages = messages
        self._position = position
        self._updates: list[Update] = []

    async def up_to(self, position: int) -> list[Update]:
        """Returns all updates up to a position."""
        try:
            async with asyncio.timeout(FOLLOW_SECONDS):
                while self._position < position:
                    message = await anext(self._messages)
                    self._updates += message.updates
                    self._position = message.position
        except TimeoutError as behind:  # the feed has no such position: the database was restored
            raise ProjectionBehind from behind
        return [update for update in self._updates if update.position <= position]


async def _swap(
    core: Core, call: Call, tx: Connection, generation: int, reached: SourceMessage, followed: _Followed | None
) -> Rebuilt:
    """Makes a generation the served one. The projecting server waits for the switch, then continues with the new
    generation."""
    await allow_seconds(tx, SWAP_SECONDS)
    await allow_whole_tables(tx)
    await lock(tx, Lock.SERVED_COVERAGE, NIL)  # there may be no checkpoint row to lock yet
    served = await coverage.checkpoint(tx, lock=True)
    differing = 0
    if served is not None and served.generation > generation:  # a later rebuild finished first
        return Rebuilt(*await coverage.count_generation(tx, served.generation), 0)
    if served is None or followed is None:
        moved = Checkpoint(generation, reached.token, reached.position)
    else:
        await _add(core, call, tx, generation, await followed.up_to(served.position))
        differing = await coverage.count_differing(tx, served.generation, generation)
        moved = Checkpoint(generation, served.resume_token, served.position)
    await coverage.move_checkpoint(tx, moved)
    await coverage.drop_generations_before(tx, generation)
    return Rebuilt(*await coverage.count_generation(tx, generation), differing)
