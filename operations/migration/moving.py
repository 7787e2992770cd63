"""Moves a country to the next or to the previous stage of its migration."""

from dataclasses import dataclass
from datetime import datetime

from domain.errors import MigrationNotReady, StageMismatch, StageNotAdjacent
from domain.migration.comparing import SourceDifferenceKind
from domain.migration.stages import Stage
from operations.call import Call
from operations.core import Core
from operations.migration.sides import source_of
from storage import migration_comparisons, migration_stages
from storage.migration_comparisons import Comparison
from storage.postgres.database import Connection
from storage.requests import WriteKey, find_answer, store_answer


@dataclass(frozen=True, slots=True)
class StageChange:
    """The requested stage of a country, and the stage that the caller has seen."""

    country: str
    stage: Stage
    expected: Stage
    reason: str
    force: bool


@dataclass(frozen=True, slots=True)
class Moved:
    stage: Stage
    changed_at: datetime


async def set_stage(core: Core, call: Call, key: WriteKey, change: StageChange) -> Moved:
    """Moves a country by one step, after the writes under way. A retry returns the same result.

    Raises NoLegacySource, StageMismatch, StageNotAdjacent, MigrationNotReady, RequestIdReused.
    """
    source = source_of(core, change.country)

    async def work(tx: Connection) -> Moved:
        stage = await migration_stages.hold(tx, change.country, exclusive=True)
        if answer := await find_answer(tx, key):
            return Moved(Stage(answer["stage"]), datetime.fromisoformat(answer["changed_at"]))
        if stage is not change.expected:
            raise StageMismatch(change.country, stage or "", change.expected)
        if not stage.is_adjacent(change.stage):
            raise StageNotAdjacent(change.country, stage, change.stage)
        if not change.force:
            check_ready(change, stage, await migration_comparisons.last(tx, change.country))
        if not change.stage.others_write:
            await source.wait_for_writers(tx)
        changed_at = await migration_stages.change_stage(
            tx, change.country, stage, change.stage, call.actor, reason=change.reason, forced=change.force
        )
        await store_answer(tx, key, {"stage": change.stage.value, "changed_at": changed_at.isoformat()})
        return Moved(change.stage, changed_at)

    moved = await core.write(call, work)
    core.recompute_wanted.set()
    core.history.look_wanted.set()
    return moved


ALLOWED = {
    Stage.READ_CORE: (Stage.DUAL_WRITE, frozenset({SourceDifferenceKind.LATER})),
    Stage.CORE: (Stage.READ_CORE, frozenset[SourceDifferenceKind]()),
}
"""For each guarded stage: the stage before, in which a comparison must have started, and what it may have found."""


def check_ready(change: StageChange, stage: Stage, last: Comparison | None) -> None:
    """Raises MigrationNotReady if the last comparison doesn't allow a step forward."""
    if change.stage not in ALLOWED or ALLOWED[change.stage][0] is not stage:
        return
    before, allowed = ALLOWED[change.stage]
    if last is None or last.stage is not before:
        raise MigrationNotReady(
            change.country, f"{change.stage} requires a comparison of all contracts that was started in {before}.", {}
        )
    found = {kind: count for kind, count in last.differences.items() if count}
    if found.keys() - allowed:
        counted = ", ".join(f"{count} {kind}" for kind, count in found.items())
        raise MigrationNotReady(
            change.country,
            f"{change.stage} requires that the last comparison finds no differences"
            f"{' but LATER' if allowed else ''}. It found: {counted}.",
            {kind.value: count for kind, count in found.items()},
        )
