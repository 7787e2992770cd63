"""Decides whether a consistency token belongs to this database's history, and what a read with the token waits for.

A look at the database shows which writes are committed, which balances they have changed, and up to which position the
feed contains their events. Once a write has been seen, so has everything that was committed before it, by any service.
Reads whose write has not been seen yet share the next look. Tokens are only issued for committed writes, so a write
that even a later look doesn't show belongs to another history.
"""

import asyncio
from uuid import UUID

import structlog

from domain.errors import DatabaseUnavailable, TokenOfAnotherHistory
from operations.call import After, Call
from operations.core import Core
from operations.eligibility_state import put_balances
from storage import accumulators, history, merges
from storage.history import Look, UnloggedWrite, WriteMark
from storage.postgres.database import Connection
from storage.postgres.fair_connections import start_shared_task

POLL_SECONDS = 0.05

log = structlog.get_logger()


async def admit(core: Core, write: WriteMark | UnloggedWrite) -> After:
    """Returns what a read with the token of a write must reflect. Raises TokenOfAnotherHistory.

    Doesn't query the database if the write is known or was committed before the current epoch.
    """
    if isinstance(write, UnloggedWrite):
        return await _admit_unlogged(core, write)
    after = _known(core, write)
    if after is None:
        await refresh(core)
        after = _known(core, write)
    if after is None:
        raise TokenOfAnotherHistory
    return after


def _known(core: Core, write: WriteMark) -> After | None:
    known = core.history
    if write.epoch_id == known.epoch_id:
        return After(write.key) if known.knows(write.key) else None
    return After() if known.inherited(write.epoch_id, write.key) else None


async def _admit_unlogged(core: Core, write: UnloggedWrite) -> After:
    """Admits a token of a release without a write log: the read must reflect everything committed by now."""
    async with core.database.reading() as connection:
        if not await history.has_states(connection, write):
            raise TokenOfAnotherHistory
    return await present(core)


async def present(core: Core) -> After:
    """Returns the condition that a read reflects everything committed by now."""
    await refresh(core)
    return After(look=core.history.sighting.number)


async def position_after(core: Core, call: Call) -> int:
    """Returns the position that must be processed before a read reflects its token; 0 if it has none.

    Waits until everything committed before has a position. Raises DatabaseUnavailable.
    """
    after = call.after
    if after is None:
        return 0
    while (position := core.history.position_of(after)) is None:
        await refresh(core)
        if not core.history.sighting.has(after.key):
            raise DatabaseUnavailable  # the database was restored since the call was admitted; a retry will detect that
        if not after.look:
            after = After(after.key, core.history.sighting.number)
        if core.history.position_of(after) is None:
            await core.eligibility.moved(POLL_SECONDS)
    return position


async def refresh(core: Core) -> None:
    """Looks at the database, starting now or later. Concurrent callers share one look."""
    known = core.history
    earlier = known.looking
    if earlier is not None:  # it may have started before the write was committed
        await asyncio.wait([earlier])
    if known.looking is earlier:
        known.looking = start_shared_task(_look(core))
        known.looking.add_done_callback(_retrieved)
    assert known.looking is not None  # noqa: S101 (set above, or by another reader)
    await asyncio.shield(known.looking)


def _retrieved(task: asyncio.Task[None]) -> None:
    """Keeps asyncio from reporting the error of a look whose readers have all been cancelled."""
    if not task.cancelled():
        task.exception()


async def recognize(core: Core, connection: Connection) -> None:
    """Checks on a new connection whether the database was restored since the last connection."""
    _compare(core, await history.verify(connection))


def _compare(core: Core, epoch_id: UUID) -> bool:
    """Returns whether an epoch is the known one. If not, clears everything that was read in another epoch."""
    if core.history.epoch_id not in (None, epoch_id):
        log.warning("history_changed", epoch_id=str(epoch_id))
        core.forget_history()
    return core.history.epoch_id == epoch_id


async def _look(core: Core) -> None:
    known, state = core.history, core.eligibility
    number = known.sighting.number + 1
    async with core.database.reading() as connection:
        found = await _found(core, connection)
        epoch_id = known.epoch_id
        if found.oldest_key > known.sighting.newest + 1:
            state.drop_model()  # the log no longer shows which balances have changed
        state.usage_changed.update(found.policies)
        await _read_merges(core, connection, found)
        sighting = known.see(number, found, asyncio.get_running_loop().time())
        state.generation = found.generation
        if found.first_pending is not None and found.first_pending == known.first_pending:
            core.sequencing.wanted.set()  # its process may have ended before it sequenced it
        known.first_pending = found.first_pending
        await _read_usage(core, connection)
    if known.has_news:
        await state.offers.refresh(core.database, core.contract_source)
        known.has_news = False
    if known.epoch_id == epoch_id:
        position = found.position if state.source is None or state.source.reads_this_database else 0
        known.locate(sighting, found, position, state.position)
    state.notify_moved()


async def _read_merges(core: Core, connection: Connection, found: Look) -> None:
    """Reads new merges, or all of them if it isn't known which are new."""
    epoch_id, new = core.history.epoch_id, []
    if not core.aliases.are_loaded or found.oldest_key > core.history.sighting.newest + 1:
        new = await merges.all_merges(connection)
    elif found.merged:
        new = await merges.merges_of(connection, found.merged)
    if core.history.epoch_id == epoch_id:
        core.add_merges(new)
        core.aliases.heard()


async def _found(core: Core, connection: Connection) -> Look:
    """Returns what is new in the current history."""
    known = core.history
    while True:
        if known.epoch_id is None:
            await history.verify(connection)
            epochs = await history.read_epochs(connection)
            known.begin(epochs, *await history.read_log(connection, epochs[-1].inherited_up_to))
        found = await history.look(connection, known.sighting.newest, sorted(known.sighting.missing))
        if found.is_same_history and _compare(core, found.epoch_id):
            return found
        _compare(core, await history.verify(connection))


async def _read_usage(core: Core, connection: Connection) -> None:
    """Reads changed balances into the read model. If none is loaded, remembers which have changed."""
    state, model = core.eligibility, core.eligibility.loaded
    if model is None:
        return
    changed, state.usage_changed = state.usage_changed, set()
    try:
        balances = await accumulators.balances_of(connection, changed) if changed else []
    except BaseException:
        state.usage_changed |= changed
        raise
    put_balances(model, balances)
    state.usage_heard_at = asyncio.get_running_loop().time()
