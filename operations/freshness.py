"""Makes reads reflect earlier writes: waits until this process, or the database's projection, has caught up."""

from domain.errors import NotNow, ProjectionBehind
from operations.call import Call
from operations.core import Core
from operations.history import position_after
from storage import coverage
from storage.postgres.database import Connection

POLL_SECONDS = 0.05


async def wait_until_caught_up(core: Core, call: Call) -> None:
    """Waits until checks reflect the write that the call's consistency token names, until the call's deadline.

    Returns immediately if the call carries no token. Raises ProjectionBehind.
    """
    if call.after is None:
        return
    state, position = core.eligibility, await position_after(core, call)
    while True:
        if state.fresh_model() is not None:
            if state.position >= position:
                return
        elif await _is_projected(core, position):
            return
        await state.moved(POLL_SECONDS)


async def wait_for_projection(core: Core, call: Call) -> None:
    """Waits until the database's projection, which writes rely on, reflects the write that the call's token names.

    Raises ProjectionBehind.
    """
    position = await position_after(core, call)
    while not await _is_projected(core, position):
        await core.eligibility.moved(POLL_SECONDS)


async def _is_projected(core: Core, position: int) -> bool:
    async with core.database.reading() as connection:
        return await projected_position(connection) >= position


async def projected_position(connection: Connection) -> int:
    """Returns the position up to which the feed is projected. Raises ProjectionBehind if the projection is stuck."""
    found = await coverage.checkpoint(connection)
    if found is None or await coverage.is_stuck(connection):
        raise ProjectionBehind
    return found.position


async def can_check(core: Core) -> bool:
    """Returns whether checks can be answered, from memory or from a projection that makes progress."""
    if core.eligibility.fresh_model() is not None:
        return True
    try:
        async with core.database.reading() as connection:
            await projected_position(connection)
    except (ProjectionBehind, NotNow):
        return False
    return True
