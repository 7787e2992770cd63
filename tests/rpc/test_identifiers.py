"""Identifiers of members: each belongs to one member, and an erasure frees those of the erased member."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import psycopg
import pytest

from affilia.catalog.v1 import condition_pb2, member_pb2
from affilia.catalog.v1 import member_service_pb2 as pb
from affilia.catalog.v1.member_service_pb2_grpc import MemberServiceStub
from tests.conftest import ServerProcess
from tests.support.calls import Failure, days, decoded, failure_of, new_id, without_token
from tests.support.channels import connected_to
from tests.support.guarded import guarded_server
from tests.support.identities import as_
from tests.support.searching import tables_with

ALREADY_EXISTS, INVALID_ARGUMENT = grpc.StatusCode.ALREADY_EXISTS, grpc.StatusCode.INVALID_ARGUMENT
ACTIVE = condition_pb2.EMPLOYMENT_STATUS_ACTIVE


def a_number() -> tuple[str, str]:
    return "payroll", new_id()


def upsert(member_id: str, *identifiers: tuple[str, str], **more: Any) -> pb.UpsertMemberRequest:
    listed = [member_pb2.Identifier(system=system, value=value) for system, value in identifiers]
    member = member_pb2.Member(member_id=member_id, kind=member_pb2.MEMBER_KIND_PERSON, identifiers=listed)
    return pb.UpsertMemberRequest(**{"request_id": new_id(), "member": member, **more})


def named(request: pb.UpsertMemberRequest, name: str) -> pb.UpsertMemberRequest:
    request.member.display_name = name
    return request


def identifiers_of(members: Any, member_id: str, **how: Any) -> list[tuple[str, str]]:
    found = members.GetMember(pb.GetMemberRequest(member_id=member_id, **how)).member
    return [(identifier.system, identifier.value) for identifier in found.identifiers]


@pytest.fixture
def members(server_channel: grpc.Channel) -> Any:
    return MemberServiceStub(server_channel)


def test_identifiers_are_stored_in_order_and_replaced_as_a_whole(members: Any) -> None:
    member_id, first, second, third = new_id(), a_number(), a_number(), ("badge", new_id())
    stored = members.UpsertMember(upsert(member_id, second, third, first)).member
    in_order = sorted([first, second, third])
    assert [(i.system, i.value) for i in stored.identifiers] == in_order
    assert identifiers_of(members, member_id) == in_order
    members.UpsertMember(upsert(member_id, second))
    assert identifiers_of(members, member_id) == [second]
    assert identifiers_of(members, member_id, as_of=stored.recorded_at) == in_order
    members.UpsertMember(upsert(member_id))
    assert identifiers_of(members, member_id) == []


def test_recording_facts_keeps_identifiers(members: Any) -> None:
    member_id, number = new_id(), a_number()
    members.UpsertMember(upsert(member_id, number))
    members.RecordFacts(pb.RecordFactsRequest(request_id=new_id(), member_id=member_id, birth=member_pb2.Birth()))
    assert identifiers_of(members, member_id) == [number]


def test_an_identifier_belongs_to_one_member_until_it_is_removed(members: Any) -> None:
    owner, other, number, kept = new_id(), new_id(), a_number(), a_number()
    members.UpsertMember(upsert(owner, number))
    members.UpsertMember(upsert(other, kept))
    failure = failure_of(members.UpsertMember, upsert(other, ("aaa", new_id()), number))
    assert (failure.code, failure.reason) == (ALREADY_EXISTS, "IDENTIFIER_TAKEN")
    assert failure.facts == {"system": number[0], "value": number[1], "member_id": owner}
    assert identifiers_of(members, other) == [kept]
    members.UpsertMember(upsert(other, ("elsewhere", number[1])))
    members.UpsertMember(upsert(owner))
    members.UpsertMember(upsert(other, number))
    assert identifiers_of(members, other) == [number]
    assert failure_of(members.UpsertMember, upsert(owner, number)).facts["member_id"] == other


def test_a_repeated_upsert_returns_the_first_response_after_its_identifier_moved(members: Any) -> None:
    first, second, number = new_id(), new_id(), a_number()
    request = upsert(first, number)
    answer = without_token(members.UpsertMember(request))
    members.UpsertMember(upsert(first))
    members.UpsertMember(upsert(second, number))
    assert without_token(members.UpsertMember(request)) == answer
    assert identifiers_of(members, second) == [number]


@pytest.mark.parametrize(
    "system", ["", " ", " payroll", "payroll ", "pay\0roll", "pay\nroll", "pay\u00a0roll", "x" * 61]
)
def test_systems_are_printable_and_not_blank(members: Any, system: str) -> None:
    failure = failure_of(members.UpsertMember, upsert(new_id(), (system, new_id())))
    assert (failure.code, list(failure.violations)) == (INVALID_ARGUMENT, ["member.identifiers[0].system"])


@pytest.mark.parametrize("value", ["", " ", "7 ", "\t7", "7\0", "7\u200b8", "\u20287", "7" * 101])
def test_values_are_printable_and_not_blank(members: Any, value: str) -> None:
    failure = failure_of(members.UpsertMember, upsert(new_id(), a_number(), ("payroll", value)))
    assert (failure.code, list(failure.violations)) == (INVALID_ARGUMENT, ["member.identifiers[1].value"])


def test_a_member_has_at_most_twenty_different_identifiers(members: Any) -> None:
    numbers = [a_number() for _ in range(21)]
    failure = failure_of(members.UpsertMember, upsert(new_id(), *numbers))
    assert (failure.code, list(failure.violations)) == (INVALID_ARGUMENT, ["member.identifiers"])
    member_id = new_id()
    members.UpsertMember(upsert(member_id, *numbers[:20]))
    assert identifiers_of(members, member_id) == sorted(numbers[:20])
    failure = failure_of(members.UpsertMember, upsert(member_id, numbers[0], numbers[1], numbers[0]))
    assert (failure.code, list(failure.violations)) == (INVALID_ARGUMENT, ["member.identifiers[2]"])


def test_quotes_percent_signs_and_other_scripts_are_ordinary_characters(members: Any) -> None:
    member_id = new_id()
    odd = sorted((f"'; --{n}%_\\", f'社員 {new_id()} "é"') for n in range(3))
    members.UpsertMember(upsert(member_id, *odd))
    assert identifiers_of(members, member_id) == odd


# ------------------------------------------------------------------------------------- concurrent writes


def outcomes(members: Any, requests: list[pb.UpsertMemberRequest]) -> list[Failure | None]:
    """Sends requests at the same time, and returns how each ended; None: it succeeded."""

    def send(request: pb.UpsertMemberRequest) -> Failure | None:
        try:
            members.UpsertMember(request)
        except grpc.RpcError as error:
            return decoded(error)
        return None

    with ThreadPoolExecutor(len(requests)) as pool:
        return list(pool.map(send, requests))


def test_of_concurrent_upserts_with_one_identifier_exactly_one_succeeds(members: Any) -> None:
    number, ids = a_number(), [new_id() for _ in range(8)]
    ended = outcomes(members, [upsert(member_id, a_number(), number) for member_id in ids])
    (winner,) = (member_id for member_id, failure in zip(ids, ended, strict=True) if failure is None)
    losers = [failure for failure in ended if failure is not None]
    assert {(failure.reason, failure.facts["member_id"]) for failure in losers} == {("IDENTIFIER_TAKEN", winner)}
    assert number in identifiers_of(members, winner)


def test_members_that_exchange_identifiers_concurrently_do_not_deadlock(members: Any) -> None:
    first, second = new_id(), new_id()
    numbers = [a_number() for _ in range(10)]
    for _ in range(10):
        members.UpsertMember(upsert(first, *numbers[:5]))
        members.UpsertMember(upsert(second, *numbers[5:]))
        ended = outcomes(members, [upsert(first, *numbers[5:]), upsert(second, *reversed(numbers[:5]))])
        assert {failure.reason for failure in ended if failure is not None} == {"IDENTIFIER_TAKEN"}
        for member_id in (first, second):
            members.UpsertMember(upsert(member_id))


def test_an_identifier_can_be_claimed_while_its_member_is_erased(members: Any) -> None:
    for _ in range(5):
        erased, number, claimants = new_id(), a_number(), [new_id() for _ in range(4)]
        members.UpsertMember(upsert(erased, number))
        with ThreadPoolExecutor(1) as pool:
            erasure = pool.submit(
                members.EraseMember, pb.EraseMemberRequest(request_id=new_id(), member_id=erased), timeout=60
            )
            ended: list[Failure | None] = []
            while None not in ended:
                ended = outcomes(members, [upsert(member_id, number) for member_id in claimants])
                assert {failure.reason for failure in ended if failure is not None} == {"IDENTIFIER_TAKEN"}
            assert erasure.result(60).HasField("erased_on")
        assert ended.count(None) == 1
        assert identifiers_of(members, claimants[ended.index(None)]) == [number]


# ------------------------------------------------------------------------------------- who sees what, and erasure


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[ServerProcess, str]]:
    """A server that requires tokens, and the connection string of the owner of its database."""
    with guarded_server(tmp_path_factory.mktemp("identifiers")) as running:
        yield running


def test_only_callers_who_may_read_members_are_told_who_has_an_identifier(guarded: tuple[ServerProcess, str]) -> None:
    owner, number = new_id(), a_number()
    with connected_to(guarded[0].address) as channel:
        members = MemberServiceStub(channel)
        members.UpsertMember(upsert(owner, number), metadata=as_("admin", "ada"))
        for caller, shown in (
            (as_("admin", "ada"), True),
            (as_("service", "hr-feed", "members.write", "members.read"), True),
            (as_("service", "hr-feed", "members.write"), False),
        ):
            failure = failure_of(members.UpsertMember, upsert(new_id(), number), caller)
            assert failure.reason == "IDENTIFIER_TAKEN"
            expected = {"system": number[0], "value": number[1]}
            assert failure.facts == (expected | {"member_id": owner} if shown else expected)


def test_an_erasure_frees_identifiers_and_leaves_no_value_that_looks_like_an_id(
    guarded: tuple[ServerProcess, str],
) -> None:
    erased, next_owner, early, late = new_id(), new_id(), a_number(), a_number()
    values = [early[1], late[1], *(new_id() for _ in range(3))]
    name, employer, attribute = values[2:]
    boss = as_("admin", "ada")
    with connected_to(guarded[0].address) as channel:
        members = MemberServiceStub(channel)
        request = upsert(erased, early)
        before = members.UpsertMember(request, metadata=boss).member.recorded_at
        members.UpsertMember(named(upsert(erased, late), name), metadata=boss)
        job = member_pb2.Employment(days=days("2026-01-01"), employer_id=employer, status=ACTIVE)
        badge = member_pb2.Attribute(days=days("2026-01-01"), name="BADGE", value=attribute)
        for kind in ({"employments": {"items": [job]}}, {"attributes": {"items": [badge]}}):
            facts = pb.RecordFactsRequest(request_id=new_id(), member_id=erased, **kind)
            members.RecordFacts(facts, metadata=boss)
        assert set(tables_with(guarded[1], *values)) == set(values)
        members.EraseMember(pb.EraseMemberRequest(request_id=new_id(), member_id=erased), metadata=boss)
        assert tables_with(guarded[1], *values) == {}
        for as_of in (None, before):
            found = members.GetMember(pb.GetMemberRequest(member_id=erased, as_of=as_of), metadata=boss).member
            assert not found.identifiers
        assert not members.UpsertMember(request, metadata=boss).member.identifiers
        members.UpsertMember(upsert(next_owner, early, late), metadata=boss)
        assert failure_of(members.UpsertMember, upsert(erased, early), boss).reason == "MEMBER_ERASED"
    with psycopg.connect(guarded[1]) as connection:
        rows = connection.execute(
            "SELECT DISTINCT member_id::text FROM member_identifier WHERE value = ANY(%s)", [[early[1], late[1]]]
        ).fetchall()
    assert rows == [(next_owner,)]
