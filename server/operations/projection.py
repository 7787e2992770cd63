"""Projecting coverage from the feed: messages written with their place, and everything built anew beside it."""

import asyncio
from collections.abc import AsyncGenerator, Collection, Iterable
from contextlib import aclosing
from dataclasses import dataclass
from uuid import UUID

from domain.days import Span
from domain.eligibility.coverage import CoveredRun, PolicyCoverage, records_of
from domain.errors import ProjectionBehind
from server.operations.call import Call
from server.operations.core import Core
from server.operations.eligibility import FIRST_DAY, last_located_day
from server.operations.eligibility_state import SourceMessage, Update
from server.operations.offers import OffersMissing
from storage import coverage
from storage.coverage import Checkpoint
from storage.database import Connection
from storage.requests import lock

PAGE = 500
FOLLOW_SECONDS = 5.0
"""How long a rebuild may keep the projection waiting. What it has to follow is there already."""
SWAP = UUID(int=0)


class CheckpointMoved(Exception):
    """Somebody else has projected what this was to be."""


async def project(core: Core, call: Call, since: Checkpoint, message: SourceMessage) -> Checkpoint:
    """Writes a message's updates and the place after them, together. Raises CheckpointMoved."""
    await core.eligibility.offers.refresh(core.database, core.contract_source)

    async def work(tx: Connection) -> Checkpoint:
        now = await coverage.checkpoint(tx, lock=True)
        if now is None or now.resume_token != since.resume_token:
            raise CheckpointMoved
        await _add(core, call, tx, now.generation, message.updates)
        moved = Checkpoint(now.generation, message.token, message.position)
        await coverage.move_checkpoint(tx, moved)
        return moved

    return await core.database.write(work)


async def put_locators(core: Core, call: Call, tx: Connection, policies: Iterable[PolicyCoverage]) -> None:
    """Makes the records of policies be found by their locators, as far ahead as records are located."""
    span = Span(FIRST_DAY, last_located_day(call))
    found = [
        (locator, run.group_id, run.member_id)
        for policy in policies
        for run in policy.runs
        for locator in _locators(core, run, span)
    ]
    if found:
        await coverage.put_locators(tx, found)


def _locators(core: Core, run: CoveredRun, span: Span) -> list[UUID]:
    try:
        return [record.locator for record in records_of(run, core.eligibility.offers.of(run.key.contract_id), span)]
    except OffersMissing:
        return []  # located when the contract is there


async def locate_again(core: Core, call: Call, contract_ids: Collection[UUID] | None, mark: int) -> None:
    """Locates the records of some contracts, or of all, anew: after an amendment, and as time goes by. Everything is
    then located up to a mark of the contracts."""
    found = None
    async with core.database.reading() as connection:
        found = await coverage.checkpoint(connection)
    after = UUID(int=0)
    while found is not None:
        async with core.database.reading() as connection:
            page = await coverage.policies_page(connection, found.generation, after, PAGE)
        if not page:
            break
        after = page[-1].group_id
        wanted = [p for p in page if contract_ids is None or p.key.contract_id in contract_ids]
        await core.database.write(lambda tx, wanted=wanted: put_locators(core, call, tx, wanted))  # type: ignore[misc]
    await core.database.write(lambda tx: coverage.move_located_mark(tx, mark))


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """What the new projection has, and how much differed from the one before."""

    policies: int
    runs: int
    differing: int


async def rebuild(core: Core, call: Call, *, afresh: bool = False) -> Rebuilt:
    """Builds the projection anew from a snapshot, and puts it in place of the served one.

    It is compared at the place where the served one stands, up to which the feed is followed; `afresh`: the served one
    stands in another history, and nothing is compared. Raises ProjectionBehind.
    """
    source = core.eligibility.source
    if source is None:
        raise ProjectionBehind
    await core.eligibility.offers.refresh(core.database, core.contract_source)
    generation = await core.database.write(coverage.new_generation)
    async with aclosing(source.messages(None)) as messages:
        async for message in messages:
            await core.database.write(lambda tx, message=message: _add(core, call, tx, generation, message.updates))  # type: ignore[misc]
            place = message
            if not message.in_snapshot:
                break
        else:
            raise ProjectionBehind
        if not afresh:
            await _reached(core, place.position)
        followed = _Followed(messages, place.position)
        return await core.database.write(
            lambda tx: _swap(core, call, tx, generation, place, None if afresh else followed)
        )


async def _add(core: Core, call: Call, tx: Connection, generation: int, updates: Iterable[Update]) -> None:
    policies = [update.policy for update in updates]
    await coverage.put_policies(tx, generation, policies)
    await put_locators(core, call, tx, policies)


async def _reached(core: Core, position: int) -> None:
    """Waits until the served projection, if there is one, has come to a place."""
    while True:
        async with core.database.reading() as connection:
            served = await coverage.checkpoint(connection)
        if served is None or served.position >= position:
            return
        await core.eligibility.moved(0.05)


class _Followed:
    """What comes after a snapshot, kept in case that it is needed again."""

    def __init__(self, messages: AsyncGenerator[SourceMessage], position: int) -> None:
        self._messages = messages
        self._position = position
        self._updates: list[Update] = []

    async def up_to(self, position: int) -> list[Update]:
        """All updates up to a place."""
        try:
            async with asyncio.timeout(FOLLOW_SECONDS):
                while self._position < position:
                    message = await anext(self._messages)
                    self._updates += message.updates
                    self._position = message.position
        except TimeoutError as behind:  # the feed has no such place: it was set back
            raise ProjectionBehind from behind
        return [update for update in self._updates if update.position <= position]


async def _swap(
    core: Core, call: Call, tx: Connection, generation: int, place: SourceMessage, followed: _Followed | None
) -> Rebuilt:
    """Serves a generation. Whoever projects waits meanwhile, and goes on with it."""
    await lock(tx, "coverage-swap", SWAP)  # there may be no checkpoint yet whose row could be locked
    served = await coverage.checkpoint(tx, lock=True)
    differing = 0
    if served is not None and served.generation > generation:  # a later rebuild was done before
        return Rebuilt(*await coverage.count_generation(tx, served.generation), 0)
    if served is None or followed is None:
        moved = Checkpoint(generation, place.token, place.position)
    else:
        await _add(core, call, tx, generation, await followed.up_to(served.position))
        differing = await coverage.count_differing(tx, served.generation, generation)
        moved = Checkpoint(generation, served.resume_token, served.position)
    await coverage.move_checkpoint(tx, moved)
    await coverage.drop_generations_before(tx, generation)
    return Rebuilt(*await coverage.count_generation(tx, generation), differing)
