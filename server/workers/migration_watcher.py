"""The worker that reads the stages of migrations, and the findings of the last comparisons, for metrics.

It runs only on servers with legacy sources.
"""

import asyncio

from operations.core import Core
from server.telemetry.migration_metrics import MIGRATION_METRICS
from storage import migration_comparisons, migration_stages

POLL_SECONDS = 5.0


async def watch_migrations(core: Core) -> None:
    """Reads both every few seconds."""
    MIGRATION_METRICS.counts = core.migrations
    while True:
        async with core.database.reading() as connection:
            MIGRATION_METRICS.stages = await migration_stages.stages(connection)
            comparisons = await migration_comparisons.last_comparisons(connection)
        MIGRATION_METRICS.findings = {country: each.findings for country, each in comparisons.items()}
        await asyncio.sleep(POLL_SECONDS)
