"""Who pays first, over the wire: the order of payment, and the rule that decided."""

import asyncio
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

import grpc
import pytest

from affilia.catalog.v1 import member_service_pb2
from affilia.eligibility.v1 import coverage_pb2
from affilia.eligibility.v1 import eligibility_check_service_pb2 as pb
from affilia.eligibility.v1 import eligibility_internal_service_pb2 as internal_pb
from affilia.eligibility.v1.eligibility_check_service_pb2_grpc import EligibilityCheckServiceStub
from affilia.eligibility.v1.eligibility_internal_service_pb2_grpc import EligibilityInternalServiceStub
from affilia_views.payment_order import PAYS_NEXT
from domain.days import to_day
from domain.eligibility.checks import Question
from operations.call import Call
from operations.core import core_on
from operations.eligibility import Answer, check_many
from server.mapping.coverage_record import in_payment_order_to_proto
from server.mapping.dates import date_from_proto
from server.system import system, system_clock
from storage.postgres.bounded_connection import Cursor
from storage.postgres.database import Connection, Database
from tests.conftest import ServerProcess
from tests.scenarios.enrollment_messages import date
from tests.support.calls import new_id
from tests.support.channels import connected_to
from tests.support.command_line import typed
from tests.support.double_cover import DoubleCover, rule_of
from tests.support.guarded import guarded_server
from tests.support.identities import as_, channel_of

ON = "2026-06-01"


@pytest.fixture
def cover(server_channel: grpc.Channel) -> DoubleCover:
    return DoubleCover(server_channel)


class Parents:
    """Case O1: parents with the same birthday, each with an own policy, and a child on both."""

    def __init__(self, cover: DoubleCover) -> None:
        self.cover = cover
        self.a, self.b, self.child = cover.person("1980-03-05"), cover.person("1982-03-05"), cover.person("2015-01-01")
        self.plan_a, self.plan_b = cover.contract(), cover.contract()
        cover.enroll(self.plan_a, self.a, self.a, "PRIMARY", "2024-01-01")
        cover.enroll(self.plan_b, self.b, self.b, "PRIMARY", "2020-06-01")
        cover.enroll(self.plan_a, self.a, self.child, "CHILD", "2024-01-01")
        cover.enroll(self.plan_b, self.b, self.child, "CHILD", "2025-01-01")

    def order(self, on: str = ON) -> list[tuple[str, str]]:
        """Returns the parents in order of payment for the child, with the rules."""
        names = {self.a: "A", self.b: "B"}
        return [(names[primary], rule) for primary, rule in self.cover.order(self.child, on)]


def test_parents_with_one_birthday_are_told_apart_by_how_long_their_policies_have_covered_them(
    cover: DoubleCover,
) -> None:
    assert Parents(cover).order() == [("B", ""), ("A", "PRIMARY_COVERED_LONGER")]


def test_the_attribute_coordination_of_the_child_puts_a_parent_first(cover: DoubleCover) -> None:
    parents = Parents(cover)
    cover.coordination(parents.child, parents.a, "2020-01-01")
    assert parents.order() == [("A", ""), ("B", "COORDINATION")]


def test_a_parent_who_is_covered_longer_pays_first_although_the_child_joined_later(cover: DoubleCover) -> None:
    """A field case: the same birthday of both parents, N.J.A.C. 11:4-28.6(b)2."""
    mother_plan, father_plan = cover.contract(), cover.contract()
    mother, father, child = cover.person("1990-05-05"), cover.person("1980-05-05"), cover.person("2015-01-01")
    cover.enroll(mother_plan, mother, mother, "PRIMARY", "2010-01-01")
    cover.enroll(father_plan, father, father, "PRIMARY", "2020-01-01")
    cover.enroll(father_plan, father, child, "CHILD", "2020-01-01")
    cover.enroll(mother_plan, mother, child, "CHILD", "2024-01-01")
    assert cover.order(child, "2026-02-01") == [(mother, ""), (father, "PRIMARY_COVERED_LONGER")]


def test_coordination_that_ends_or_names_somebody_else_does_not_decide(cover: DoubleCover) -> None:
    parents = Parents(cover)
    cover.coordination(parents.child, parents.a, "2026-01-01", "2026-05-31")
    by_length = [("B", ""), ("A", "PRIMARY_COVERED_LONGER")]
    assert parents.order("2025-12-31") == by_length
    assert parents.order("2026-01-01") == [("A", ""), ("B", "COORDINATION")]
    assert parents.order("2026-05-31") == [("A", ""), ("B", "COORDINATION")]
    assert parents.order("2026-06-01") == by_length
    for value in (new_id(), parents.child, "court order of 2025"):
        cover.coordination(parents.child, value, "2020-01-01")
        assert parents.order() == by_length


def test_birthdays_decide_if_both_are_known(cover: DoubleCover) -> None:
    parents = Parents(cover)
    cover.born(parents.a, "1984-02-29")
    assert parents.order() == [("A", ""), ("B", "BIRTHDAY")]
    cover.born(parents.b, "1982-02-28")
    assert parents.order() == [("B", ""), ("A", "BIRTHDAY")]
    cover.born(parents.a, None)
    assert parents.order() == [("B", ""), ("A", "PRIMARY_COVERED_LONGER")]


def test_an_erased_birthday_is_unknown(cover: DoubleCover) -> None:
    parents = Parents(cover)
    cover.born(parents.a, "1984-01-01")
    assert parents.order() == [("A", ""), ("B", "BIRTHDAY")]
    cover.leave(parents.plan_a, parents.a, parents.a, "2026-07-01")
    cover.leave(parents.plan_a, parents.a, parents.child, "2026-07-01")
    request = member_service_pb2.EraseMemberRequest(request_id=new_id(), member_id=parents.a, keep_periods=True)
    cover.token = cover.members.EraseMember(request).consistency_token
    assert parents.order() == [("B", ""), ("A", "PRIMARY_COVERED_LONGER")]


def test_a_corrected_start_of_a_parents_coverage_changes_the_order(cover: DoubleCover) -> None:
    parents = Parents(cover)
    assert parents.order() == [("B", ""), ("A", "PRIMARY_COVERED_LONGER")]
    cover.enroll(parents.plan_a, parents.a, parents.a, "PRIMARY", "2019-01-01")
    assert parents.order() == [("A", ""), ("B", "PRIMARY_COVERED_LONGER")]
    cover.leave(parents.plan_a, parents.a, parents.a, "2023-01-01", "2023-01-31")
    assert parents.order() == [("B", ""), ("A", "PRIMARY_COVERED_LONGER")]


def test_as_child_of_a_parent_and_as_partner_the_longer_coverage_pays_first(cover: DoubleCover) -> None:
    parent_plan, partner_plan = cover.contract(), cover.contract()
    parent, partner, member = cover.person("1970-01-01"), cover.person("1999-12-31"), cover.person("2000-01-01")
    cover.enroll(parent_plan, parent, member, "CHILD", "2020-01-01")
    cover.enroll(partner_plan, partner, member, "PARTNER", "2025-01-01")
    assert cover.order(member, ON) == [(parent, ""), (partner, "CHILD_AND_PARTNER")]
    cover.leave(parent_plan, parent, member, "2025-02-01", "2025-02-28")
    assert cover.order(member, ON) == [(partner, ""), (parent, "CHILD_AND_PARTNER")]
    own_plan = cover.contract()
    cover.enroll(own_plan, member, member, "PRIMARY", "2026-01-01")
    assert cover.order(member, ON) == [(member, ""), (partner, "PRIMARY"), (parent, "CHILD_AND_PARTNER")]


def test_the_policy_of_a_primary_in_active_employment_pays_before_that_of_a_retiree(cover: DoubleCover) -> None:
    member, partner = cover.person("1960-01-01"), cover.person("1960-01-01")
    old, new = cover.contract(sponsor="OLD"), cover.contract(sponsor="NEW")
    cover.enroll(old, member, member, "PRIMARY", "2000-01-01")
    cover.enroll(new, member, member, "PRIMARY", "2024-01-01")

    def order() -> list[tuple[bool, str]]:
        return [(r.key.contract_id == new[0], rule_of(r)) for r in cover.check(member, ON).records]

    assert order() == [(False, ""), (True, "COVERED_LONGER")]
    cover.employment(member, "NEW", "ACTIVE")
    assert order() == [(True, ""), (False, "ACTIVE_EMPLOYMENT")]
    cover.employment(member, "NEW", "RETIRED")
    assert order() == [(False, ""), (True, "COVERED_LONGER")]
    cover.employment(member, "OLD", "ACTIVE")
    assert order() == [(False, ""), (True, "ACTIVE_EMPLOYMENT")]
    assert cover.check(partner, ON).records == []


def test_modules_of_one_policy_stay_together(cover: DoubleCover) -> None:
    one, other, member = cover.person("1980-01-01"), cover.person("1980-02-02"), cover.person()
    wide, narrow = cover.contract(modules=3), cover.contract()
    for n, since in ((3, "2020-01-01"), (1, "2022-01-01"), (2, "2026-05-01")):
        cover.enroll(wide, one, member, "CHILD", since, n=n)
    cover.enroll(narrow, other, member, "CHILD", "2021-01-01")
    records = cover.check(member, ON).records
    assert [record.module_id for record in records] == [*sorted(wide[1:]), narrow[1]]
    assert [rule_of(record) for record in records] == ["", "SAME_POLICY", "SAME_POLICY", "BIRTHDAY"]
    assert cover.order(member, ON, capability="VISION") == [(one, ""), (other, "BIRTHDAY")]
    assert cover.order(member, ON, module_id=narrow[1]) == [(other, "")]


def test_more_than_two_policies_are_each_compared_with_the_one_before(cover: DoubleCover) -> None:
    member = cover.person()
    parents = [cover.person(born) for born in ("1980-05-01", "1980-03-01", None, "1980-04-01")]
    for n, parent in enumerate(parents):
        plan = cover.contract()
        cover.enroll(plan, parent, parent, "PRIMARY", f"202{n}-01-01")
        cover.enroll(plan, parent, member, "CHILD", "2024-01-01")
    own = cover.contract()
    cover.enroll(own, member, member, "PRIMARY", "2026-01-01")
    may, march, unknown, april = parents
    assert cover.order(member, ON) == [
        (member, ""),
        (march, "PRIMARY"),
        (unknown, "PRIMARY_COVERED_LONGER"),
        (april, "PRIMARY_COVERED_LONGER"),
        (may, "BIRTHDAY"),
    ]


def test_every_call_in_order_of_payment_names_the_rule(cover: DoubleCover, internal: grpc.Channel) -> None:
    parents = Parents(cover)
    expected = [(parents.b, ""), (parents.a, "PRIMARY_COVERED_LONGER")]

    def seen(records: Sequence[coverage_pb2.CoverageRecord]) -> list[tuple[str, str]]:
        return [(record.key.primary_id, rule_of(record)) for record in records]

    about: dict[str, Any] = {"member_id": parents.child, "date": date(ON)}
    token: dict[str, Any] = {"consistency_token": cover.token}
    checks = [pb.EligibilityCheck(**about)] * 3
    batch = cover.checks.BatchCheckEligibility(pb.BatchCheckEligibilityRequest(checks=checks, **token))
    assert [seen(outcome.answer.records) for outcome in batch.outcomes] == [expected] * 3
    for asked in (about, {"member_id": parents.child}):
        active = cover.checks.GetActiveCoverage(pb.GetActiveCoverageRequest(**asked, **token))
        assert seen(active.records) == expected
    claims = EligibilityInternalServiceStub(internal)
    assert seen(claims.GetMemberCoverage(internal_pb.GetMemberCoverageRequest(**about, **token)).records) == expected
    first, second = batch.outcomes[0].answer.records
    got = cover.checks.GetCoverage(pb.GetCoverageRequest(locator=second.locator, **token)).record
    assert rule_of(got) == "" != rule_of(second)
    got.decided_by = second.decided_by
    assert got == second
    listed = cover.checks.ListMemberCoverage(pb.ListMemberCoverageRequest(member_id=parents.child, **token)).records
    assert {rule_of(record) for record in listed} == {""}
    assert first.locator in {record.locator for record in listed}


# -------------------------------------------------------------------------------------------------- who may see it


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server that requires tokens."""
    with guarded_server(tmp_path_factory.mktemp("guarded")) as (running, _):
        yield running


def test_a_member_sees_the_rule_but_no_fact_of_the_primaries(guarded: ServerProcess) -> None:
    with connected_to(guarded.address) as channel:
        parents = Parents(DoubleCover(channel_of(channel, as_("admin", "ada")), "ada"))
        parents.cover.born(parents.a, "1980-01-17")
        asked = pb.CheckEligibilityRequest(
            check=pb.EligibilityCheck(member_id=parents.child, date=date(ON)), consistency_token=parents.cover.token
        )

        def ask(member: str) -> pb.CheckEligibilityResponse:
            checks: Any = EligibilityCheckServiceStub(channel_of(channel, as_("member", member)))
            answer: pb.CheckEligibilityResponse = checks.CheckEligibility(asked, timeout=60)
            return answer

        answer = ask(parents.child)
        assert [rule_of(record) for record in answer.records] == ["", "BIRTHDAY"]
        assert not any(fact in str(answer) for fact in ("1980", "1982", "month: 17", "day: 17"))
        for parent in (parents.a, parents.b):  # a parent can't check the child, and so doesn't learn of the other
            with pytest.raises(grpc.RpcError) as refused:
                ask(parent)
            assert refused.value.code() == grpc.StatusCode.PERMISSION_DENIED


# -------------------------------------------------------------------------------------------------- from the database


def test_checks_from_the_database_give_the_same_order_with_few_queries(tmp_path: Path, own_database_url: str) -> None:
    server = ServerProcess(tmp_path / "server", "--database-url", own_database_url)
    try:
        with connected_to(server.address) as channel, connected_to(server.internal_address) as internal:
            cover = DoubleCover(channel)
            families = [Parents(cover) for _ in range(4)]
            cover.coordination(families[0].child, families[0].a, "2020-01-01")
            cover.born(families[1].a, "1980-01-01")
            found = {parents.child: cover.check(parents.child, ON).records for parents in families}
            claims = EligibilityInternalServiceStub(internal)
            claims.RebuildProjection(
                internal_pb.RebuildProjectionRequest(), timeout=60
            )  # includes all that is recorded
    finally:
        server.stop()
    assert [rule_of(records[1]) for records in found.values()][:3] == [
        "COORDINATION",
        "BIRTHDAY",
        "PRIMARY_COVERED_LONGER",
    ]
    answers, statements = asyncio.run(checked_in_database(own_database_url, list(found)))
    for answer, records in zip(answers, found.values(), strict=True):
        assert isinstance(answer, Answer)
        assert in_payment_order_to_proto(answer.finding) == list(records)
    assert sum("member_revision" in statement for statement in statements) == 1
    assert sum("coverage_run" in statement for statement in statements) == 2  # the children's runs, then the parents'


async def checked_in_database(url: str, members: Sequence[str]) -> tuple[list[Any], list[str]]:
    """Returns the answers of a process that has nothing in memory, and the statements that it executed."""
    statements: list[str] = []

    class Recording(Cursor):
        async def execute(self, query: Any, *args: Any, **kwargs: Any) -> Any:
            statements.append(str(query))
            return await super().execute(query, *args, **kwargs)

    async def record(connection: Connection) -> None:
        connection.cursor_factory = Recording

    database = Database(url)
    database.on_connect = record
    await database.open()
    try:
        questions = [Question(UUID(member), to_day(date_from_proto(date(ON)))) for member in members]
        call = Call("a-call", system("test"), system_clock, None, "")
        return list(await check_many(core_on(database), call, questions)), statements
    finally:
        await database.close()


# -------------------------------------------------------------------------------------------------- the command line


def test_the_command_line_says_who_pays_first_and_why(server_address: str, cover: DoubleCover) -> None:
    parents = Parents(cover)
    for words in (["why"], ["explain", "coverage"]):
        shown = typed(server_address, *words, parents.child, "--on", ON, COLUMNS="250")
        assert shown.code == 0, shown.err
        first, second = (
            shown.out.index(f"pays {when}: family of {who}")
            for when, who in (("first", parents.b), ("next", parents.a))
        )
        assert first < second
        assert "(the policy before has covered its primary longer)" in shown.out
        alone = typed(server_address, *words, parents.a, "--on", ON, COLUMNS="250")
        assert alone.code == 0, alone.err
        assert "pays" not in alone.out


def test_every_rule_has_words() -> None:
    rules = set(coverage_pb2.PaymentRule.values())
    assert set(PAYS_NEXT) == rules - {coverage_pb2.PAYMENT_RULE_UNSPECIFIED, coverage_pb2.PAYMENT_RULE_SAME_POLICY}
