"""Recomputes: asked for, done, and listed."""

from uuid import UUID

from domain.enrollment.history import Recompute
from server.operations.call import Call
from server.operations.core import Core
from server.operations.revising import catch_up, open_group
from storage import enrollment, recomputes
from storage.database import Connection
from storage.enrollment_reads import group_head
from storage.requests import WriteKey, answered, remember


async def request_recompute(core: Core, call: Call, key: WriteKey, group: UUID) -> Recompute:
    """Enqueues a recompute of a group, unless one waits already. Raises GroupUnknown, RequestIdReused."""

    async def work(tx: Connection) -> Recompute:
        if answer := await answered(tx, key):
            return await recomputes.recompute_by_id(tx, UUID(answer["recompute_id"]))
        head = await group_head(tx, group)
        locked = await enrollment.lock_known_group(tx, head.group_key)
        recompute = await recomputes.enqueue_for_group(tx, locked, call.today_override)
        await remember(tx, key, {"recompute_id": str(recompute.recompute_id)})
        return recompute

    recompute = await core.database.write(work)
    core.recompute_wanted.set()
    return recompute


async def recompute_group(core: Core, call: Call, group_key: int) -> None:
    """Does the recompute that waits for a group; nothing if another server was quicker."""

    async def work(tx: Connection) -> None:
        locked = await enrollment.lock_known_group(tx, group_key)
        if await recomputes.waiting_recompute(tx, locked):
            await catch_up(call, tx, await open_group(core, tx, locked))

    await core.database.write(work)


async def list_recomputes(
    core: Core, group: UUID, done: bool | None, after: int, limit: int
) -> list[tuple[int, Recompute]]:
    """Recomputes of a group in the order in which they were asked for, each with its place. Raises GroupUnknown."""
    async with core.database.snapshot() as connection:
        head = await group_head(connection, group)
        return await recomputes.list_recomputes(connection, head, done, after, limit)
