"""The runs of members: from memory while it is up to date, otherwise as projected, and from legacy tables."""

from collections.abc import Collection, Sequence
from typing import NamedTuple
from uuid import UUID

from domain.eligibility.coverage import CoveredRun
from domain.eligibility.read_model import ReadModel
from operations.call import Call
from operations.core import Core
from operations.freshness import projected_position, wait_until_caught_up
from operations.legacy.runs import NO_LEGACY_RUNS, LegacyRuns, Runs, legacy_runs
from storage import coverage
from storage.postgres.database import Connection


class SeenRuns(NamedTuple):
    """The projected runs of members at a position of the feed, and what legacy tables say about the members."""

    position: int
    projected: Runs
    legacy: LegacyRuns

    def of(self, member_id: UUID) -> Sequence[CoveredRun]:
        """Returns a member's runs, with those that legacy tables answer for replaced."""
        return self.legacy.instead_of(self.projected.get(member_id, ()), member_id)


async def runs_in_snapshot(
    core: Core, connection: Connection, model: ReadModel | None, member_ids: Collection[UUID]
) -> SeenRuns:
    """Returns the runs of members: from memory or, without a model, as projected. Raises ProjectionBehind."""
    position = core.eligibility.position if model else await projected_position(connection)
    projected = await projected_runs(connection, model, member_ids)
    return SeenRuns(position, projected, await legacy_runs(core, connection, member_ids, projected))


async def projected_runs(connection: Connection, model: ReadModel | None, member_ids: Collection[UUID]) -> Runs:
    """Returns the projected runs of members, by member."""
    if model is not None:
        return {member_id: model.runs(member_id) for member_id in member_ids}
    return await coverage.runs_of_members(connection, member_ids) if member_ids else {}


async def member_runs(core: Core, call: Call, member_id: UUID) -> SeenRuns:
    """Returns the runs of one member. Raises ProjectionBehind."""
    await wait_until_caught_up(core, call)
    model = core.eligibility.fresh_model()
    if model is None:
        await core.eligibility.offers.refresh(core.database, core.contract_source)
    elif not core.legacy:
        return SeenRuns(core.eligibility.position, {member_id: model.runs(member_id)}, NO_LEGACY_RUNS)
    async with core.database.snapshot() as connection:
        return await runs_in_snapshot(core, connection, model, [member_id])
