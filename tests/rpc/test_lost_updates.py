"""Updates of members that lose nothing: etags, and facts of some days."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import pytest

from affilia.catalog.v1 import catalog_service_pb2, condition_pb2, member_pb2
from affilia.catalog.v1 import member_service_pb2 as pb
from affilia.catalog.v1.member_service_pb2_grpc import MemberServiceStub
from tests.scenarios.enrollment_messages import date
from tests.support.calls import Failure, Family, days, decoded, failure_of, new_id, without_token

ABORTED, INVALID_ARGUMENT = grpc.StatusCode.ABORTED, grpc.StatusCode.INVALID_ARGUMENT
ACTIVE, LEAVE = condition_pb2.EMPLOYMENT_STATUS_ACTIVE, condition_pb2.EMPLOYMENT_STATUS_LEAVE


@pytest.fixture
def members(server_channel: grpc.Channel) -> Any:
    return MemberServiceStub(server_channel)


def upsert(member_id: str, name: str = "", **more: Any) -> pb.UpsertMemberRequest:
    member = member_pb2.Member(member_id=member_id, kind=member_pb2.MEMBER_KIND_PERSON, display_name=name)
    return pb.UpsertMemberRequest(**{"request_id": new_id(), "member": member, **more})


def facts(member_id: str, **more: Any) -> pb.RecordFactsRequest:
    return pb.RecordFactsRequest(**{"request_id": new_id(), "member_id": member_id, **more})


def born(member_id: str, on: str, **more: Any) -> pb.RecordFactsRequest:
    return facts(member_id, birth=member_pb2.Birth(born_on=date(on)), **more)


def an_attribute(name: str, value: str, first: str | None = None, last: str | None = None) -> member_pb2.Attribute:
    return member_pb2.Attribute(days=days(first, last), name=name, value=value)


def attributes(*items: member_pb2.Attribute) -> member_pb2.Attributes:
    return member_pb2.Attributes(items=items)


def cleared(name: str, first: str | None = None, last: str | None = None) -> pb.ClearedDays:
    return pb.ClearedDays(days=days(first, last), name=name)


def read(members: Any, member_id: str) -> pb.GetMemberResponse:
    found: pb.GetMemberResponse = members.GetMember(pb.GetMemberRequest(member_id=member_id))
    return found


@pytest.fixture
def member_id(members: Any) -> str:
    member_id = new_id()
    members.UpsertMember(upsert(member_id))
    return member_id


# ------------------------------------------------------------------------------------- etags


def test_every_write_of_a_member_returns_a_new_etag_and_reads_return_the_same(members: Any) -> None:
    member_id = new_id()
    seen: list[str] = []
    for request in (
        upsert(member_id),
        born(member_id, "1980-06-01"),
        facts(member_id, spans=True, attributes=attributes(an_attribute("A", "1"))),
        upsert(member_id, "Ada"),
    ):
        if isinstance(request, pb.UpsertMemberRequest):
            seen.append(members.UpsertMember(request).member.etag)
        else:
            seen.append(members.RecordFacts(request).etag)
        assert read(members, member_id).member.etag == seen[-1]
        listed = members.BatchGetMembers(pb.BatchGetMembersRequest(member_ids=[member_id])).members
        assert [each.member.etag for each in listed] == [seen[-1]]
    assert len(set(seen)) == 4
    assert all(0 < len(etag) <= 24 for etag in seen)


def test_members_in_the_same_revision_have_different_etags(members: Any) -> None:
    etags = {members.UpsertMember(upsert(new_id())).member.etag for _ in range(10)}
    assert len(etags) == 10


def test_a_past_state_has_the_etag_that_it_had(members: Any, member_id: str) -> None:
    before = read(members, member_id).member
    members.RecordFacts(born(member_id, "1980-06-01"))
    past = members.GetMember(pb.GetMemberRequest(member_id=member_id, as_of=before.recorded_at)).member
    assert past.etag == before.etag


def test_a_stale_etag_is_aborted_with_the_current_one(members: Any, member_id: str) -> None:
    stale = read(members, member_id).member.etag
    current = members.RecordFacts(born(member_id, "1980-06-01", etag=stale)).etag
    for call, request in (
        (members.UpsertMember, upsert(member_id, "Ada", etag=stale)),
        (members.RecordFacts, born(member_id, "1990-06-01", etag=stale)),
        (members.RecordFacts, born(member_id, "1990-06-01", etag="\"'; %")),
    ):
        failure = failure_of(call, request)
        assert (failure.code, failure.reason) == (ABORTED, "ETAG_MISMATCH")
        assert failure.facts == {"member_id": member_id, "current_etag": current}
    unchanged = read(members, member_id)
    assert (unchanged.member.etag, unchanged.member.display_name) == (current, "")
    assert unchanged.facts.born_on == date("1980-06-01")
    members.UpsertMember(upsert(member_id, "Ada", etag=current))


def test_an_etag_of_a_member_that_does_not_exist_is_never_current(members: Any) -> None:
    member_id = new_id()
    failure = failure_of(members.UpsertMember, upsert(member_id, etag="abc"))
    assert (failure.code, failure.reason) == (ABORTED, "ETAG_MISMATCH")
    assert failure.facts == {"member_id": member_id, "current_etag": ""}
    assert failure_of(members.RecordFacts, born(member_id, "1980-06-01", etag="abc")).reason == "MEMBER_UNKNOWN"


def test_an_erased_member_is_reported_as_erased_whatever_the_etag(members: Any, member_id: str) -> None:
    before = read(members, member_id).member.etag
    members.EraseMember(pb.EraseMemberRequest(request_id=new_id(), member_id=member_id))
    assert read(members, member_id).member.etag != before
    assert failure_of(members.UpsertMember, upsert(member_id, etag=before)).reason == "MEMBER_ERASED"
    assert failure_of(members.RecordFacts, born(member_id, "1980-06-01", etag=before)).reason == "MEMBER_ERASED"


def test_a_retry_returns_the_first_response_although_its_etag_is_now_stale(members: Any, member_id: str) -> None:
    etag = read(members, member_id).member.etag
    named = upsert(member_id, "Ada", etag=etag)
    first = members.UpsertMember(named)
    dated = born(member_id, "1980-06-01", etag=first.member.etag)
    second = members.RecordFacts(dated)
    members.RecordFacts(born(member_id, "1981-06-01"))
    assert without_token(members.UpsertMember(named)) == without_token(first)
    assert without_token(members.RecordFacts(dated)) == without_token(second)


def ended(send: Callable[[Any], Any], requests: list[Any]) -> list[Failure | None]:
    """Sends requests at the same time, and returns how each ended; None: it succeeded."""

    def outcome(request: Any) -> Failure | None:
        try:
            send(request)
        except grpc.RpcError as error:
            return decoded(error)
        return None

    with ThreadPoolExecutor(len(requests)) as pool:
        return list(pool.map(outcome, requests))


def test_of_concurrent_writes_with_the_same_etag_exactly_one_succeeds(members: Any, member_id: str) -> None:
    for _ in range(5):
        etag = read(members, member_id).member.etag
        failures = ended(members.RecordFacts, [born(member_id, f"198{n}-06-01", etag=etag) for n in range(6)])
        current = read(members, member_id).member.etag
        assert failures.count(None) == 1
        losers = [failure for failure in failures if failure]
        assert {(each.reason, each.facts["current_etag"]) for each in losers} == {("ETAG_MISMATCH", current)}


def test_contracts_have_the_same_protection(family: Family) -> None:
    stale, current = (family.amend(family.contract()).etag for _ in range(2))
    one = catalog_service_pb2.GetContractRequest(contract_id=family.contract_id)
    assert family.catalog.GetContract(one).contract.etag == current
    every = catalog_service_pb2.ListContractsRequest(page_size=200)
    listed: dict[str, str] = {}
    while not listed or every.page_token:
        page = family.catalog.ListContracts(every)
        listed |= {contract.contract_id: contract.etag for contract in page.contracts}
        every.page_token = page.next_page_token
    assert listed[family.contract_id] == current
    amend = catalog_service_pb2.AmendContractRequest(
        request_id=new_id(), contract_id=family.contract_id, versions=family.contract().versions, etag=stale
    )
    failure = failure_of(family.catalog.AmendContract, amend)
    assert (failure.code, failure.reason) == (ABORTED, "ETAG_MISMATCH")
    assert failure.facts == {"contract_id": family.contract_id, "current_etag": current}


# ------------------------------------------------------------------------------------- facts of some days


def test_two_systems_never_overwrite_each_others_facts(members: Any, member_id: str) -> None:
    payroll = facts(
        member_id, spans=True, attributes=attributes(an_attribute("LEVEL", "A", "2026-01-01", "2026-06-30"))
    )
    academy = facts(member_id, spans=True, attributes=attributes(an_attribute("STUDENT", "YES", "2026-02-01")))
    promotion = facts(member_id, spans=True, attributes=attributes(an_attribute("LEVEL", "B", "2026-04-01")))
    assert ended(members.RecordFacts, [payroll, academy]) == [None, None]
    members.RecordFacts(promotion)
    assert list(read(members, member_id).facts.attributes) == [
        an_attribute("LEVEL", "A", "2026-01-01", "2026-03-31"),
        an_attribute("LEVEL", "B", "2026-04-01"),
        an_attribute("STUDENT", "YES", "2026-02-01"),
    ]


def test_employments_with_other_employers_and_cleared_days(members: Any, member_id: str) -> None:
    def job(employer: str, status: Any, first: str, last: str | None = None) -> member_pb2.Employment:
        return member_pb2.Employment(days=days(first, last), employer_id=employer, status=status)

    members.RecordFacts(
        facts(
            member_id,
            employments=member_pb2.Employments(
                items=[job("ACME", ACTIVE, "2020-01-01"), job("B", ACTIVE, "2021-01-01")]
            ),
        )
    )
    update = facts(
        member_id,
        spans=True,
        employments=member_pb2.Employments(items=[job("ACME", LEAVE, "2026-03-01", "2026-03-31")]),
        cleared=[cleared("ACME", "2027-01-01"), cleared("B", None, "2021-12-31"), cleared("UNKNOWN")],
    )
    members.RecordFacts(update)
    expected = [
        job("ACME", ACTIVE, "2020-01-01", "2026-02-28"),
        job("B", ACTIVE, "2022-01-01"),
        job("ACME", LEAVE, "2026-03-01", "2026-03-31"),
        job("ACME", ACTIVE, "2026-04-01", "2026-12-31"),
    ]
    assert list(read(members, member_id).facts.employments) == expected
    update.request_id = new_id()
    members.RecordFacts(update)
    assert list(read(members, member_id).facts.employments) == expected


def test_addresses_and_regimes_have_no_names(members: Any, member_id: str) -> None:
    home = member_pb2.Address(days=days("2026-01-01"), country_code="FR", postal_code="75001")
    moved = member_pb2.Address(days=days("2026-07-01"), country_code="FR", postal_code="67000")
    regime = member_pb2.HealthRegimeSpan(days=days("2026-07-01"), regime=member_pb2.HEALTH_REGIME_ALSACE_MOSELLE)
    for item in (home, moved):
        members.RecordFacts(facts(member_id, spans=True, addresses=member_pb2.Addresses(items=[item])))
    members.RecordFacts(facts(member_id, spans=True, health_regimes=member_pb2.HealthRegimes(items=[regime])))
    nothing = member_pb2.HealthRegimes()
    members.RecordFacts(facts(member_id, spans=True, health_regimes=nothing, cleared=[cleared("", "2027-01-01")]))
    found = read(members, member_id).facts
    home.days.CopyFrom(days("2026-01-01", "2026-06-30"))
    regime.days.CopyFrom(days("2026-07-01", "2026-12-31"))
    assert (list(found.addresses), list(found.health_regimes)) == ([home, moved], [regime])


def test_an_update_that_changes_no_fact_is_recorded_like_any_other(members: Any, member_id: str) -> None:
    level = attributes(an_attribute("LEVEL", "A"))
    first = members.RecordFacts(facts(member_id, spans=True, attributes=level))
    again = members.RecordFacts(facts(member_id, spans=True, attributes=level))
    assert again.etag != first.etag
    assert list(read(members, member_id).facts.attributes) == list(level.items)


LEVEL = attributes(an_attribute("LEVEL", "A", "2026-01-01", "2026-06-30"))
NOTHING = attributes()
NO_HOME = member_pb2.Addresses()


@pytest.mark.parametrize(
    ("more", "fields"),
    [
        ({"birth": member_pb2.Birth(born_on=date("1980-06-01")), "spans": True}, ["spans"]),
        ({"attributes": LEVEL, "cleared": [cleared("ROLE")]}, ["cleared"]),
        ({"attributes": NOTHING, "spans": True}, ["attributes"]),
        ({"addresses": NO_HOME, "spans": True}, ["addresses"]),
        ({"spans": True, "cleared": [cleared("ROLE")]}, ["facts"]),
        ({"attributes": LEVEL, "spans": True, "cleared": [cleared("LEVEL", "2026-06-30")]}, ["cleared[0].days"]),
        ({"attributes": NOTHING, "spans": True, "cleared": [cleared("")]}, ["cleared[0].name"]),
        ({"addresses": NO_HOME, "spans": True, "cleared": [cleared("HOME")]}, ["cleared[0].name"]),
        ({"attributes": NOTHING, "spans": True, "cleared": [pb.ClearedDays(name="A")]}, ["cleared[0].days"]),
        (
            {"attributes": NOTHING, "spans": True, "cleared": [cleared("A", "2026-02-01", "2026-01-01")]},
            ["cleared[0].days.last_on"],
        ),
        ({"attributes": NOTHING, "spans": True, "cleared": [cleared("A\0")]}, ["cleared[0].name"]),
        ({"attributes": NOTHING, "spans": True, "cleared": [cleared("A")] * 201}, ["cleared"]),
        (
            {"attributes": attributes(an_attribute("A", "1"), an_attribute("A", "2")), "spans": True},
            ["attributes.items[1].days"],
        ),
    ],
)
def test_invalid_updates_name_the_field(members: Any, member_id: str, more: dict[str, Any], fields: list[str]) -> None:
    failure = failure_of(members.RecordFacts, facts(member_id, **more))
    assert (failure.code, list(failure.violations)) == (INVALID_ARGUMENT, fields)
    assert read(members, member_id).facts == member_pb2.MemberFacts()


def test_the_result_has_at_most_as_many_facts_as_a_request(members: Any, member_id: str) -> None:
    def some(first: int, count: int) -> member_pb2.Attributes:
        return attributes(*(an_attribute(f"N{n:03}", "x") for n in range(first, first + count)))

    members.RecordFacts(facts(member_id, spans=True, attributes=some(0, 500)))
    before = read(members, member_id)
    failure = failure_of(members.RecordFacts, facts(member_id, spans=True, attributes=some(500, 1)))
    assert (failure.code, list(failure.violations)) == (INVALID_ARGUMENT, ["attributes"])
    assert read(members, member_id) == before
    members.RecordFacts(facts(member_id, spans=True, attributes=some(500, 1), cleared=[cleared("N000")]))
    assert len(read(members, member_id).facts.attributes) == 500
