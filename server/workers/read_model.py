"""Workers that keep the read model of eligibility checks: loaded from the database, then updated by feed and usage.

If anything fails, the model is dropped first. Checks are answered by the database until another one is loaded.
"""

import asyncio
from contextlib import aclosing

import structlog

from domain.eligibility.read_model import ReadModel
from operations.core import Core
from operations.eligibility_state import EnrollmentSource
from operations.loading import load_model
from storage import coverage

POLL_SECONDS = 0.5
SELDOM_SECONDS = 10.0

log = structlog.get_logger()


class Superseded(Exception):
    """The model's generation is no longer served because the projection was rebuilt, or the model was dropped."""


async def keep_read_model(core: Core, source: EnrollmentSource) -> None:
    """Loads a model and updates it until it is superseded. Does nothing while there is no projection to load."""
    try:
        loaded = await _load(core)
        if loaded is not None:
            await _update(core, source, *loaded)
    except Superseded:
        log.info("read_model_superseded")


async def _update(core: Core, source: EnrollmentSource, model: ReadModel, generation: int, token: str) -> None:
    """Updates a model until that fails, then drops it."""
    core.eligibility.loaded = model  # used for answers only after usage was followed once
    tasks = [
        asyncio.create_task(_follow_feed(core, source, model, token)),
        asyncio.create_task(_watch_generation(core, model, generation)),
    ]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        core.eligibility.drop_model()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _load(core: Core) -> tuple[ReadModel, int, str] | None:
    """Returns a model of the projection, its generation, and the resume token to follow the feed from.

    None: there is no projection yet. Pages are read one by one, each in its own snapshot. No change is lost: policies
    have revisions, the feed after the checkpoint is read again, and so are balances that change while the model loads
    (`usage_changed`).
    """
    times_dropped = core.eligibility.times_dropped
    core.eligibility.usage_changed.clear()
    await core.eligibility.offers.refresh(core.database, core.contract_source)
    async with core.database.reading() as connection:
        found = await coverage.checkpoint(connection)
    if found is None:
        return None
    model = ReadModel(core.lease.without_periods)
    await load_model(core.database, model, found.generation)
    async with core.database.reading() as connection:
        now = await coverage.checkpoint(connection)
    if now is None or now.generation != found.generation or core.eligibility.times_dropped != times_dropped:
        raise Superseded
    core.eligibility.position = found.position
    return model, found.generation, found.resume_token


async def _follow_feed(core: Core, source: EnrollmentSource, model: ReadModel, token: str) -> None:
    """Applies the feed's changes to the model. Raises Superseded."""
    state = core.eligibility
    async with aclosing(source.messages(token)) as messages:
        async for message in messages:
            if state.loaded is not model:
                raise Superseded
            for update in message.updates:
                model.put(update.policy)
            state.position = message.position
            state.model = model  # now that its stream is open
            state.notify_moved()


async def _watch_generation(core: Core, model: ReadModel, generation: int) -> None:
    """Raises Superseded when another generation is served, or the model was dropped."""
    state, history = core.eligibility, core.history
    first = history.sighting.number + 2  # a look that is running now can have begun before the model was loaded
    while True:
        await state.moved(POLL_SECONDS)
        if state.loaded is not model or (history.sighting.number >= first and state.generation != generation):
            raise Superseded


async def refresh_offers(core: Core) -> None:
    """Reads contracts of another source that have changed, and damaged ones that were repaired, within half a second.

    Amendments of this product's contracts are in the write log, which the history watcher reads.
    """
    offers, is_logged = core.eligibility.offers, core.contract_source is core.contracts
    while True:
        await offers.refresh(core.database, core.contract_source)
        await asyncio.sleep(SELDOM_SECONDS if is_logged and not offers.are_damaged else POLL_SECONDS)
