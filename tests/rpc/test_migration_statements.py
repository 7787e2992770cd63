"""How many statements reads execute, with and without legacy sources."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Any, TypeVar
from uuid import UUID, uuid4

import pytest

from affilia.enrollment.v1 import enrollment_query_service_pb2
from domain.days import to_day
from domain.eligibility.checks import Question
from domain.enrollment.decisions import GroupKey
from domain.identity import group_id
from operations.call import Call
from operations.core import Core, core_on
from operations.eligibility import check_many
from operations.enrollment import get_group, list_groups
from operations.legacy.answering import SourceOfTruth
from operations.member_runs import member_runs
from operations.paging import Page
from server.mapping.dates import date_from_proto
from server.system import system, system_clock
from storage.group_lookup import AsOf, GroupFilter
from storage.legacy.registry import LegacySources
from storage.postgres.bounded_connection import Cursor
from storage.postgres.database import Connection, Database
from tests.scenarios.enrollment_messages import date
from tests.support.calls import Family
from tests.support.migration import DUAL_WRITE, READ_CORE, Spain
from tests.support.spanish import FLEX

T = TypeVar("T")
CALL = Call("a-call", system("test"), system_clock, None, "")
OWNERS = ("P", *"ABDEF")
LEGACY_TABLES = ("legacy", "migration")


@pytest.fixture
def migrating(spain: Spain) -> Iterator[Spain]:
    """Six groups whose ids are stored, none of them in the core yet."""
    for owner in OWNERS:
        spain.row(owner, "PRIMARY", FLEX, "2024-03-01", owner=owner)
    spain.map()
    assert len(
        spain.family.queries.ListEnrollmentGroups(
            enrollment_query_service_pb2.ListEnrollmentGroupsRequest(contract_id=spain.family.contract_id)
        ).groups
    ) == len(OWNERS)
    yield spain


def statements_of(url: str, countries: Sequence[str], work: Callable[[Core], Awaitable[T]]) -> tuple[T, list[str]]:
    """Returns the result of a read, and the statements that a process with legacy sources of some countries executes.

    The read is made twice, so that contracts are in memory at the second time, which is reported.
    """
    statements: list[str] = []

    class Recording(Cursor):
        async def execute(self, query: Any, *args: Any, **kwargs: Any) -> Any:
            statements.append(str(query))
            return await super().execute(query, *args, **kwargs)

    async def record(connection: Connection) -> None:
        connection.cursor_factory = Recording

    async def run() -> T:
        database = Database(url)
        database.on_connect = record
        await database.open()
        try:
            core = core_on(database, legacy=LegacySources.of(countries))
            await work(core)
            statements.clear()
            return await work(core)
        finally:
            await database.close()

    return asyncio.run(run()), statements


def of_legacy(statements: Sequence[str]) -> list[str]:
    return [each for each in statements if any(table in each for table in LEGACY_TABLES)]


def key_of(spain: Spain, owner: str = "P") -> GroupKey:
    return GroupKey(UUID(spain.family.contract_id), UUID(spain.member(owner)))


def get(group: UUID | GroupKey) -> Callable[[Core], Awaitable[Any]]:
    return lambda core: get_group(core, CALL, group, AsOf(), None, SourceOfTruth.FOLLOW_MIGRATION)


def listing(which: GroupFilter) -> Callable[[Core], Awaitable[Any]]:
    page: Page[UUID | None] = Page(None, 50)
    return lambda core: list_groups(core, CALL, which, AsOf(), None, page, SourceOfTruth.FOLLOW_MIGRATION)


def check(*members: str) -> Callable[[Core], Awaitable[Any]]:
    day = to_day(date_from_proto(date("2026-03-10")))
    return lambda core: check_many(core, CALL, [Question(UUID(member), day) for member in members])


def test_without_legacy_sources_no_read_mentions_them(migrating: Spain) -> None:
    """The server's role doesn't matter: a process without sources never reads a country in migration."""
    url, member = migrating.server.database_url, UUID(migrating.family.primary)
    for work in (
        get(uuid4()),
        get(key_of(migrating)),
        listing(GroupFilter(contract_id=UUID(migrating.family.contract_id))),
        listing(GroupFilter(member_id=member)),
        check(*(migrating.member(owner) for owner in OWNERS)),
        lambda core: member_runs(core, CALL, member),
    ):

        async def ignoring_errors(core: Core, work: Any = work) -> None:
            try:
                await work(core)
            except Exception as error:
                assert type(error).__name__ == "GroupUnknown"

        _, statements = statements_of(url, [], ignoring_errors)
        assert statements
        assert of_legacy(statements) == []


def test_groups_of_other_countries_take_one_statement(migrating: Spain) -> None:
    other = Family(migrating.channel).set_up()
    other.submit(other.enroll(other.base, "2026-01-01"))
    key = GroupKey(UUID(other.contract_id), UUID(other.primary))
    for group in (key, group_id(*key)):
        state, statements = statements_of(migrating.server.database_url, ["ES"], get(group))
        assert state.revision == 1
        assert len(statements) == 1


def test_a_legacy_group_takes_four_statements(migrating: Spain) -> None:
    """The core's answer, which is empty; the stage with the group's head, the rows, and the contract's revision."""
    for group in (key_of(migrating), group_id(*key_of(migrating))):
        state, statements = statements_of(migrating.server.database_url, ["ES"], get(group))
        assert state.source == "LEGACY"
        assert len(without_transaction(statements)) == 4
    migrating.move_to(DUAL_WRITE)
    migrating.backfill()
    _, statements = statements_of(migrating.server.database_url, ["ES"], get(key_of(migrating)))
    assert len(without_transaction(statements)) == 6  # also decisions, for the recorded types, and merges
    migrating.move_to(READ_CORE)
    _, statements = statements_of(migrating.server.database_url, ["ES"], get(key_of(migrating)))
    assert len(without_transaction(statements)) == 7  # also the periods of the core


def without_transaction(statements: Sequence[str]) -> list[str]:
    return [each for each in statements if not each.startswith(("SET TRANSACTION", "BEGIN", "COMMIT"))]


def test_many_checks_take_as_many_statements_as_one(migrating: Spain) -> None:
    url = migrating.server.database_url
    for stage in (None, DUAL_WRITE, READ_CORE):
        if stage is not None:
            migrating.move_to(stage)
            migrating.backfill()
        one, of_one = statements_of(url, ["ES"], check(migrating.family.primary))
        many, of_many = statements_of(url, ["ES"], check(*(migrating.member(owner) for owner in OWNERS)))
        assert {answer.finding.records[0].run.revision for answer in [*one, *many]} == {0}
        assert without_usage(of_one) == without_usage(of_many)
        assert sum("es_enrollment" in statement for statement in of_many) == 1


def without_usage(statements: Sequence[str]) -> list[str]:
    """Without a read model, the usage of each policy is read on its own, as for policies of the core."""
    return [each for each in statements if "accumulator" not in each]


def test_a_list_takes_as_many_statements_for_many_groups_as_for_one(migrating: Spain) -> None:
    url = migrating.server.database_url
    _, of_one = statements_of(url, ["ES"], listing(GroupFilter(primary_id=UUID(migrating.family.primary))))
    many, of_many = statements_of(url, ["ES"], listing(GroupFilter(contract_id=UUID(migrating.family.contract_id))))
    assert len(many) == len(OWNERS)
    assert sum("es_enrollment" in statement for statement in of_many) == 1
    assert sum("contract_revision" in statement for statement in of_many) == 1
    assert len(of_many) <= len(of_one) + 2
