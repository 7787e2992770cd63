"""The workers that keep the read model of checks: loaded from the database, then moved by the feed, and by usage.

Whatever goes wrong, the model is dropped first: checks are answered by the database until another one is loaded.
"""

import asyncio
import contextlib
from contextlib import aclosing
from uuid import UUID

import structlog

from domain.days import to_day
from domain.eligibility.read_model import ReadModel
from domain.errors import DomainError
from server.log import where
from server.operations.core import Core
from server.operations.eligibility_state import EnrollmentSource
from storage import accumulators, coverage
from storage.accumulators import FAMILY, Balance

AGAIN_SECONDS = 0.2
USAGE_SECONDS = 0.1
LOOK_SECONDS = 0.5
PAGE = 1000

log = structlog.get_logger()


async def remember_for_ever(core: Core, source: EnrollmentSource) -> None:
    """Until cancelled."""
    while True:
        try:
            await _remember(core, source)
        except DomainError as away:
            log.warning("read_model_dropped", reason=away.reason)
        except Superseded:
            log.info("read_model_superseded")
        except Exception as error:
            log.error("read_model_dropped", error=type(error).__name__, where=where(error))
        await asyncio.sleep(AGAIN_SECONDS)


async def _remember(core: Core, source: EnrollmentSource) -> None:
    """Loads a model and keeps it, until something goes wrong."""
    loaded = await _load(core)
    if loaded is None:
        return
    model, generation, token, transaction = loaded
    core.eligibility.usage_heard_at = 0.0  # nothing is believed before usage was followed once
    keeping = [
        asyncio.create_task(_follow(core, source, model, token)),
        asyncio.create_task(_follow_usage(core, model, transaction)),
        asyncio.create_task(_same_generation(core, generation)),
    ]
    try:
        done, _ = await asyncio.wait(keeping, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        core.eligibility.model = None
        core.eligibility.answers.clear()
        for task in keeping:
            task.cancel()
        await asyncio.gather(*keeping, return_exceptions=True)


class Superseded(Exception):
    """Another generation is served: the projection was rebuilt."""


async def _load(core: Core) -> tuple[ReadModel, int, str, int] | None:
    """A model of what is projected, the place that it stands for, and the transaction since which usage may be missing.

    None: nothing is projected yet. Pages are read one by one, each as it is then: policies have revisions, and what
    follows the checkpoint is told again.
    """
    await core.eligibility.offers.refresh(core.database, core.contract_source)
    async with core.database.reading() as connection:
        found = await coverage.checkpoint(connection)
        transaction = await accumulators.present_transaction(connection)
    if found is None:
        return None
    model = ReadModel()
    after = UUID(int=0)
    while True:
        async with core.database.reading() as connection:
            page = await coverage.policies_page(connection, found.generation, after, PAGE)
        for policy in page:
            model.put(policy)
        if len(page) < PAGE:
            break
        after = page[-1].group_id
    await _load_usage(core, model)
    async with core.database.reading() as connection:
        now = await coverage.checkpoint(connection)
    if now is None or now.generation != found.generation:
        raise Superseded
    core.eligibility.position = found.position
    return model, found.generation, found.resume_token, transaction


async def _load_usage(core: Core, model: ReadModel) -> None:
    """Versions first: what is known by its version must be known by its balances, too."""
    after = UUID(int=0)
    while True:
        async with core.database.reading() as connection:
            versions = await accumulators.versions_page(connection, after, PAGE)
        for group_id, version in versions:
            model.put_usage_version(group_id, version)
        if len(versions) < PAGE:
            break
        after = versions[-1][0]
    last: Balance | None = None
    while True:
        async with core.database.reading() as connection:
            balances = await accumulators.balances_page(connection, last, PAGE)
        _put(model, balances)
        if len(balances) < PAGE:
            return
        last = balances[-1]


def _put(model: ReadModel, balances: list[Balance]) -> None:
    for each in balances:
        member_id = None if each.member_id == FAMILY else each.member_id
        model.put_usage(each.group_id, member_id, to_day(each.term_start), each.code, each.used)


async def _follow(core: Core, source: EnrollmentSource, model: ReadModel, token: str) -> None:
    state = core.eligibility
    async with aclosing(source.messages(token)) as messages:
        async for message in messages:
            for update in message.updates:
                model.put(update.policy)
            state.position = message.position
            state.model = model  # its stream stands
            state.tell_moved()


async def _follow_usage(core: Core, model: ReadModel, transaction: int) -> None:
    """Ten times a second, and at once when this process has written."""
    state = core.eligibility
    while True:
        state.usage_written.clear()
        async with core.database.snapshot() as connection:
            changes = await accumulators.changed_since(connection, transaction)
        _put(model, list(changes.balances))
        for group_id, version in changes.versions:
            model.put_usage_version(group_id, version)
        transaction = changes.until
        state.usage_heard_at = asyncio.get_running_loop().time()
        if changes.versions:
            state.tell_moved()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(state.usage_written.wait(), USAGE_SECONDS)


async def _same_generation(core: Core, generation: int) -> None:
    """Ends when another generation is served."""
    while True:
        await asyncio.sleep(LOOK_SECONDS)
        async with core.database.reading() as connection:
            found = await coverage.checkpoint(connection)
        if found is None or found.generation != generation:
            raise Superseded


async def refresh_offers_for_ever(core: Core) -> None:
    """Reads contracts that were amended, by whichever server, within half a second."""
    while True:
        with contextlib.suppress(DomainError):  # the database is away: said by others
            await core.eligibility.offers.refresh(core.database, core.contract_source)
        await asyncio.sleep(LOOK_SECONDS)
