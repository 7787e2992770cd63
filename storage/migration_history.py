"""Loads history entries about migrations: the changes of the stages of countries."""

from collections.abc import Sequence

from domain.history.entries import HistoryEntry, RecordedStage
from domain.migration.stages import Stage
from storage.history_index import Position, Source
from storage.postgres.database import Connection
from storage.postgres.documents import actor_from_document


async def stage_entries(connection: Connection, positions: Sequence[Position]) -> dict[Position, HistoryEntry]:
    """Returns the entries for changes of stages, by position."""
    cursor = await connection.execute(
        "SELECT change_key, recorded_at, actor, country, from_stage, to_stage, forced, reason FROM migration_change"
        " WHERE change_key = ANY(%s)",
        [[key for _, _, (key,) in positions]],
    )
    return {
        Position(recorded_at, Source.MIGRATION, (key,)): HistoryEntry(
            f"{Source.MIGRATION.name}/{key}",
            recorded_at,
            actor_from_document(actor),
            RecordedStage(country, Stage(from_stage) if from_stage else None, Stage(to_stage), forced, reason),
        )
        for key, recorded_at, actor, country, from_stage, to_stage, forced, reason in await cursor.fetchall()
    }
