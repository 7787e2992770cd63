"""The read model loaded from columns equals the one into which every policy and balance is put."""

from collections.abc import Mapping, Sequence
from datetime import date
from uuid import UUID

import psycopg
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.days import UNBOUNDED_END, UNBOUNDED_START, Span, to_day
from domain.eligibility.coverage import CoveredRun, PolicyCoverage
from domain.eligibility.read_model import ReadModel
from domain.enrollment.decisions import GroupKey
from domain.membership import MembershipType
from operations.eligibility_state import put_balances
from operations.loading import load_model
from storage import coverage
from storage.accumulators import FAMILY, balances_of
from storage.postgres.database import Database
from tests.storage.test_sources import on_database

GENERATION = 3
MEMBERS = [UUID(int=n << 100 | n) for n in range(1, 9)]
POLICIES = [UUID(int=n << 90 | n) for n in range(1, 13)]
MODULES = [UUID(int=n << 80 | n) for n in range(1, 5)]
CONTRACTS = [UUID(int=n << 70 | n) for n in range(1, 4)]
CODES = ("DEDUCTIBLE", "PHYSIO", "ÖLÜ", "")
LAST = to_day(date.max)

starts = st.just(UNBOUNDED_START) | st.integers(1, LAST) | st.integers(730_000, 740_000)
spans = st.tuples(starts, st.integers(1, 100_000) | st.none()).map(
    lambda pair: Span(pair[0], UNBOUNDED_END if pair[1] is None else min(max(pair[0], 1) + pair[1], LAST + 1))
)
runs = st.lists(
    st.tuples(st.sampled_from(MEMBERS), st.sampled_from(MODULES), st.sampled_from(MembershipType), spans), max_size=5
)
policies = st.dictionaries(
    st.sampled_from(POLICIES),
    st.tuples(st.sampled_from(CONTRACTS), st.sampled_from(MEMBERS), st.integers(1, 2**31 - 1), runs),
)
usage = st.dictionaries(
    st.tuples(
        st.sampled_from([*POLICIES, UUID(int=5)]),
        st.dates() | st.just(date(2026, 1, 1)),
        st.sampled_from(CODES),
        st.sampled_from([FAMILY, *MEMBERS]),
    ),
    st.integers(0, 2**63 - 1),
)
UsageKey = tuple[UUID, date, str, UUID]
Policies = Mapping[UUID, tuple[UUID, UUID, int, list[tuple[UUID, UUID, MembershipType, Span]]]]


def stored(policies: Policies) -> list[PolicyCoverage]:
    return [
        PolicyCoverage(
            group_id,
            key := GroupKey(contract_id, primary_id),
            revision,
            tuple(CoveredRun(group_id, key, revision, *run) for run in of_policy),
        )
        for group_id, (contract_id, primary_id, revision, of_policy) in policies.items()
    ]


def fill(url: str, policies: Sequence[PolicyCoverage], used: Mapping[UsageKey, int]) -> None:
    """Stores a generation, and another policy of another generation."""
    with psycopg.connect(url) as connection, connection.cursor() as cursor:
        cursor.execute("TRUNCATE coverage_policy, coverage_run, accumulator_balance")
        cursor.executemany(
            "INSERT INTO coverage_policy (generation, group_id, contract_id, primary_id, revision)"
            " VALUES (%s, %s, %s, %s, %s)",
            [(GENERATION, p.group_id, *p.key, p.revision) for p in policies]
            + [(GENERATION - 1, POLICIES[0], CONTRACTS[0], MEMBERS[0], 1)],
        )
        cursor.executemany(
            "INSERT INTO coverage_run (generation, group_id, member_id, module_id, membership_type, days)"
            " VALUES (%s, %s, %s, %s, %s, %s::daterange)",
            [
                (GENERATION, r.group_id, r.member_id, r.module_id, r.membership_type.value, range_of(r.days))
                for p in policies
                for r in p.runs
            ]
            + [(GENERATION - 1, POLICIES[0], MEMBERS[0], MODULES[0], "PRIMARY", "[2026-01-01,)")],
        )
        cursor.executemany(
            "INSERT INTO accumulator_balance (group_id, term_start, code, member_id, used) VALUES (%s, %s, %s, %s, %s)",
            [(*key, minor) for key, minor in used.items()],
        )


def range_of(days: Span) -> str:
    return f"[{days.first_on or ''},{days.last_on or ''}]"


def loaded(url: str, limit: int) -> tuple[ReadModel, ReadModel]:
    """Returns a model loaded in pages, and one into which all policies and balances were put."""

    async def load(database: Database) -> tuple[ReadModel, ReadModel]:
        by_columns, one_by_one = ReadModel(), ReadModel()
        await load_model(database, by_columns, GENERATION, policies_per_page=limit, usage_per_page=limit + 1)
        async with database.reading() as connection:
            for policy in await coverage.policies_page(connection, GENERATION, UUID(int=0), 1000):
                one_by_one.put(policy)
            put_balances(one_by_one, await balances_of(connection, [*POLICIES, UUID(int=5)]))
        return by_columns, one_by_one

    return on_database(url, load)


def known(model: ReadModel, terms: Sequence[date]) -> list[object]:
    """Returns everything that a model knows."""
    return [
        [sorted(model.runs(member)) for member in MEMBERS],
        [model.revision_of(policy) for policy in POLICIES],
        [model.usage(p, m, to_day(term)) for p in [*POLICIES, UUID(int=5)] for m in MEMBERS for term in terms],
        model.num_members,
    ]


@settings(max_examples=25, deadline=None)
@given(policies=policies, later=policies, used=usage, limit=st.integers(1, 4))
def test_a_model_loaded_from_columns_equals_one_filled_row_by_row(
    database_url: str,
    policies: Policies,
    later: Policies,
    used: Mapping[UsageKey, int],
    limit: int,
) -> None:
    fill(database_url, stored(policies), used)
    by_columns, one_by_one = loaded(database_url, limit)
    terms = sorted({term for _, term, _, _ in used})
    assert known(by_columns, terms) == known(one_by_one, terms)
    for model in (by_columns, one_by_one):
        for policy in stored(later):
            model.put(policy)
        for (policy_id, term, code, member_id), minor in used.items():
            model.put_usage(policy_id, None if member_id == FAMILY else member_id, to_day(term), code, minor // 2)
    assert known(by_columns, terms) == known(one_by_one, terms)
