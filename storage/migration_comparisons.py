"""The last comparison of each country's legacy tables with the core."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg.types.json import Jsonb

from domain.migration.stages import Stage
from storage.postgres.database import Connection
from storage.postgres.instants import NOW
from storage.postgres.rows import fetch_all, fetch_value


@dataclass(frozen=True, slots=True)
class Comparison:
    """A comparison of all groups: the stage in which it began, and the number of groups and findings by kind."""

    country: str
    stage: Stage
    started_at: datetime
    groups: int
    differences: Mapping[str, int]
    findings: Mapping[str, int]
    ended_at: datetime | None = None


async def begin_instant(connection: Connection) -> datetime:
    """Returns the instant for a comparison that begins now."""
    return await fetch_value(connection, datetime, f"SELECT {NOW}")


async def store_comparison(tx: Connection, comparison: Comparison) -> datetime:
    """Stores a comparison that ends now, unless a comparison that began later is stored. Returns the instant."""
    return await fetch_value(
        tx,
        datetime,
        "WITH ended AS (SELECT greatest(%(started_at)s::timestamptz, now_) AS ended_at"
        f" FROM (SELECT {NOW} AS now_) AS n), stored AS (INSERT INTO migration_comparison AS c"
        " (country, stage, started_at, ended_at, groups, differences, findings)"
        " SELECT %(country)s, %(stage)s, %(started_at)s, ended_at, %(groups)s, %(differences)s, %(findings)s FROM ended"
        " ON CONFLICT (country) DO UPDATE SET stage = excluded.stage, started_at = excluded.started_at,"
        " ended_at = excluded.ended_at, groups = excluded.groups, differences = excluded.differences,"
        " findings = excluded.findings WHERE c.started_at <= excluded.started_at)"
        " SELECT ended_at FROM ended",
        {
            "country": comparison.country,
            "stage": comparison.stage.value,
            "started_at": comparison.started_at,
            "groups": comparison.groups,
            "differences": Jsonb(dict(comparison.differences)),
            "findings": Jsonb(dict(comparison.findings)),
        },
    )


async def last_comparisons(connection: Connection) -> dict[str, Comparison]:
    """Returns the last comparison of every country that has one."""
    found = await fetch_all(
        connection,
        _comparison,
        "SELECT country, stage, started_at, ended_at, groups, differences, findings FROM migration_comparison",
    )
    return {comparison.country: comparison for comparison in found}


def _comparison(*, stage: str, **columns: Any) -> Comparison:
    return Comparison(stage=Stage(stage), **columns)
