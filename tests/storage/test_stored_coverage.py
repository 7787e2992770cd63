"""The stored read model: of several states of a policy, the newest one stays."""

from collections.abc import Sequence
from datetime import date
from uuid import UUID, uuid4

import pytest

from domain.days import UNBOUNDED_END, Span, to_day
from domain.eligibility.coverage import CoveredRun, PolicyCoverage
from domain.enrollment.decisions import GroupKey
from domain.membership import MembershipType
from storage import coverage
from storage.postgres.database import Database
from tests.storage.test_sources import on_database

GENERATION = 1
GROUP, KEY = uuid4(), GroupKey(uuid4(), uuid4())
MODULES = [uuid4() for _ in range(4)]


def state(revision: int) -> PolicyCoverage:
    """A state in which the primary has another module than at every other revision."""
    days = Span(to_day(date(2026, 1, revision)), UNBOUNDED_END)
    run = CoveredRun(GROUP, KEY, revision, KEY.primary_id, MODULES[revision], MembershipType.PRIMARY, days)
    return PolicyCoverage(GROUP, KEY, revision, (run,))


@pytest.mark.parametrize(
    ("batches", "newest"),
    [
        ([[1], [2]], 2),
        ([[2], [1]], 2),
        ([[2], [2]], 2),
        ([[1, 3, 2]], 3),
        ([[3], [1, 2]], 3),
    ],
)
def test_an_older_state_never_replaces_a_newer_one(
    own_database_url: str, batches: Sequence[Sequence[int]], newest: int
) -> None:
    async def story(database: Database) -> list[PolicyCoverage]:
        for batch in batches:
            await database.write(
                lambda tx, batch=batch: coverage.put_policies(tx, GENERATION, [state(n) for n in batch], [])  # type: ignore[misc]
            )
        async with database.reading() as connection:
            return await coverage.policies_page(connection, GENERATION, UUID(int=0), 10)

    assert on_database(own_database_url, story) == [state(newest)]
