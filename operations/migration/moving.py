"""Moves a country to the next or to the previous stage of its migration."""

from dataclasses import dataclass
from datetime import datetime

from domain.errors import MigrationNotReady, StageMismatch, StageNotAdjacent
from domain.migration.comparing import SourceDifferenceKind
from domain.migration.stages import Stage
from operations.call import Call
from operations.core import Core
from operations.legacy.sides import source_of
from storage import migration_comparisons, migration_stages
from storage.legacy.identifiers import mapped_contracts
from storage.migration_comparisons import Comparison
from storage.migration_stages import StageChange
from storage.postgres.database import Connection
from storage.requests import WriteKey, find_answer, store_answer


@dataclass(frozen=True, slots=True)
class RequestedStage:
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


async def set_stage(core: Core, call: Call, key: WriteKey, change: RequestedStage) -> Moved:
    """Moves a country by one step, after the writes under way. A retry returns the same result.

    Raises NoLegacySource, StageMismatch, StageNotAdjacent, MigrationNotReady, RequestIdReused.
    """
    source = source_of(core, change.country)

    async def work(tx: Connection) -> Moved:
        stage = await migration_stages.lock_stage(tx, change.country)
        mapped = await mapped_contracts(tx, change.country)
        call.trail.resolved(contract_id=[each.contract_id for each in mapped])
        if answer := await find_answer(tx, key):
            return Moved(Stage(answer["stage"]), datetime.fromisoformat(answer["changed_at"]))
        if stage is not change.expected:
            raise StageMismatch(change.country, stage or "", change.expected)
        if not stage.is_adjacent(change.stage):
            raise StageNotAdjacent(change.country, stage, change.stage)
        if not change.force:
            last = (await migration_comparisons.last_comparisons(tx)).get(change.country)
            check_ready(change, stage, last)
        if not change.stage.others_write:
            await source.wait_for_writers(tx)
        changed = StageChange(change.country, stage, change.stage, change.force, change.reason, call.actor)
        changed_at = await migration_stages.change_stage(tx, changed)
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


def check_ready(change: RequestedStage, stage: Stage, last: Comparison | None) -> None:
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
            found,
        )
