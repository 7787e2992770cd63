"""Ids of others are answered exactly like unknown ids, after the same statements."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest

from affilia.catalog.v1 import catalog_service_pb2
from affilia.eligibility.v1 import eligibility_check_service_pb2
from affilia.enrollment.v1 import change_request_pb2, change_request_service_pb2
from affilia.history.v1 import history_service_pb2
from domain.enrollment.decisions import GroupKey
from domain.identity import group_id
from operations.call import Call, begin_call
from operations.core import Core, core_on
from server.identity import ownership
from server.system import system, system_clock
from storage.coverage import NAME
from storage.locator_progress import LOCATORS
from storage.postgres.bounded_connection import Cursor
from storage.postgres.database import Connection, Database
from tests.support.calls import Family, admin, new_id


@pytest.mark.parametrize("change", ["enroll", "leave"])
def test_a_module_of_another_contract_is_answered_like_an_unknown_module(family: Family, change: str) -> None:
    other = Family(family.channel).set_up()
    family.submit(family.enroll(family.base, "2026-01-01"), requester=admin())
    answers = []
    for module_id in (other.base, new_id()):
        asked = (
            family.enroll(module_id, "2026-06-01")
            if change == "enroll"
            else family.leave("2026-06-01", module_id=module_id)
        )
        for requester in (None, admin()):
            request = family.request(asked, requester=requester) if requester else family.request(asked)
            simulated = family.requests.SimulateChangeRequest(
                change_request_service_pb2.SimulateChangeRequestRequest(
                    requester=request.requester, group=request.group, changes=request.changes
                )
            )
            submitted = family.requests.SubmitChangeRequest(request).change_request
            if change == "enroll":
                assert [v.code for v in submitted.violations] == [change_request_pb2.VIOLATION_CODE_NOT_OFFERED]
            answers.append((submitted.verdict, *(_without(module_id, each) for each in (simulated, submitted))))
    assert answers[:2] == answers[2:]


def _without(module_id: str, answer: Any) -> str:
    """Returns the violations of an answer as text, without the requested id."""
    return str([str(violation).replace(module_id, "…") for violation in answer.violations])


class Recorded:
    """The core of operations on a database whose statements are recorded."""

    def __init__(self, url: str) -> None:
        self.statements: list[str] = []
        statements = self.statements

        class Recording(Cursor):
            async def execute(self, query: Any, *args: Any, **kwargs: Any) -> Any:
                statements.append(str(query))
                return await super().execute(query, *args, **kwargs)

        async def record(connection: Connection) -> None:
            connection.cursor_factory = Recording

        self.database = Database(url)
        self.database.on_connect = record

    def asked(self, rule: Callable[[Core], Awaitable[bool]]) -> tuple[bool, list[str]]:
        """Returns the result of a rule, and the statements that it caused."""

        async def ask() -> bool:
            await self.database.open()
            begin_call(Call("a-call", system("test"), system_clock, None, ""))
            core = core_on(self.database)
            await rule(core)  # what is remembered is remembered from now on
            self.statements.clear()
            try:
                return await rule(core)
            finally:
                await self.database.close()

        return asyncio.run(ask()), list(self.statements)


@pytest.fixture
def somebody(own_database_url: str) -> tuple[UUID, UUID, UUID]:
    """A module and coverage of one member in the database, and another member who requests them."""
    contract_id, module_id, locator, primary_id = (uuid4() for _ in range(4))
    with psycopg.connect(own_database_url) as connection:
        connection.execute("INSERT INTO contract_module VALUES (%s, %s, NULL)", [module_id, contract_id])
        key = GroupKey(contract_id, primary_id)
        for name in (NAME, LOCATORS):  # everything that is recorded, which is nothing, is projected
            connection.execute(
                "INSERT INTO projection_checkpoints (name, generation, resume_token, position, moved_at)"
                " VALUES (%s, 1, '', 0, clock_timestamp())",
                [name],
            )
        connection.execute(
            "INSERT INTO coverage_locator (locator, group_id, member_id) VALUES (%s, %s, %s)",
            [locator, group_id(*key), primary_id],
        )
    return module_id, locator, uuid4()


def test_modules_of_others_cause_the_same_statements_as_unknown_modules(
    own_database_url: str, somebody: tuple[UUID, UUID, UUID]
) -> None:
    module_id, _, me = somebody
    seen = []
    for asked in (module_id, uuid4()):
        request = catalog_service_pb2.GetModulesRequest(module_ids=[str(asked)])
        judge = partial(ownership.modules, me=me, request=request)
        seen.append(Recorded(own_database_url).asked(judge))
    assert seen[0] == seen[1]
    assert not seen[0][0]
    assert len(seen[0][1]) >= 2


def test_coverage_of_others_causes_the_same_statements_as_unknown_coverage(
    own_database_url: str, somebody: tuple[UUID, UUID, UUID]
) -> None:
    _, locator, me = somebody
    seen = []
    for asked in (locator, uuid4()):
        request = eligibility_check_service_pb2.GetCoverageRequest(locator=str(asked))
        judge = partial(ownership.coverage, me=me, request=request)
        seen.append(Recorded(own_database_url).asked(judge))
    assert seen[0] == seen[1]
    assert not seen[0][0]
    assert len(seen[0][1]) >= 3


@pytest.mark.parametrize("subject", ["group_id", "member_id", "contract_id"])
def test_histories_of_others_cause_the_same_statements_as_unknown_histories(
    own_database_url: str, subject: str
) -> None:
    key = GroupKey(uuid4(), uuid4())
    others = {"group_id": group_id(*key), "member_id": key.primary_id, "contract_id": key.contract_id}
    with psycopg.connect(own_database_url) as connection:
        connection.execute(
            "INSERT INTO enrollment_group (group_id, contract_id, primary_id, recorded_at) VALUES (%s, %s, %s, now())",
            [others["group_id"], *key],
        )
    seen = []
    for asked in (others[subject], uuid4()):
        fields: dict[str, Any] = {subject: str(asked)}
        request = history_service_pb2.ListHistoryRequest(**fields)
        judge = partial(ownership.history, me=uuid4(), request=request)
        seen.append(Recorded(own_database_url).asked(judge))
    assert seen[0] == seen[1]
    assert not seen[0][0]
    assert bool(seen[0][1]) is (subject != "member_id")  # a member is compared with the caller alone
