"""The last comparison of each country's legacy tables with the core."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg.types.json import Jsonb

from domain.migration.comparing import SourceDifferenceKind
from domain.migration.legacy import FindingKind
from domain.migration.stages import Stage
from storage.postgres.database import Connection
from storage.postgres.rows import fetch_first


@dataclass(frozen=True, slots=True)
class Comparison:
    """The result of a comparison, and the stage in which it was started. `groups` is the number of groups compared."""

    stage: Stage
    started_at: datetime
    ended_at: datetime
    groups: int
    differences: Mapping[SourceDifferenceKind, int]
    findings: Mapping[FindingKind, int]


async def put(tx: Connection, country: str, comparison: Comparison) -> None:
    """Stores a comparison of all contracts, unless a later one is stored."""
    await tx.execute(
        "INSERT INTO migration_comparison AS c (country, stage, started_at, ended_at, groups, differences, findings)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s) ON CONFLICT (country) DO UPDATE SET stage = excluded.stage,"
        " started_at = excluded.started_at, ended_at = excluded.ended_at, groups = excluded.groups,"
        " differences = excluded.differences, findings = excluded.findings WHERE c.started_at < excluded.started_at",
        [
            country,
            comparison.stage.value,
            comparison.started_at,
            comparison.ended_at,
            comparison.groups,
            Jsonb({kind.value: count for kind, count in comparison.differences.items()}),
            Jsonb({kind.value: count for kind, count in comparison.findings.items()}),
        ],
    )


async def last(connection: Connection, country: str) -> Comparison | None:
    """Returns the last comparison of all contracts of a country, or None if there was none."""
    return await fetch_first(
        connection,
        _comparison,
        "SELECT stage, started_at, ended_at, groups, differences, findings FROM migration_comparison"
        " WHERE country = %s",
        [country],
    )


def _comparison(*, stage: str, differences: dict[str, int], findings: dict[str, int], **columns: Any) -> Comparison:
    return Comparison(
        stage=Stage(stage),
        differences={SourceDifferenceKind(kind): count for kind, count in differences.items()},
        findings={FindingKind(kind): count for kind, count in findings.items()},
        **columns,
    )
