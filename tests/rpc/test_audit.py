"""The audit log: writes, reads of admins, and denied calls, each found by every id that it names."""

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import grpc
import psycopg
import pytest

from affilia.catalog.v1 import member_pb2, member_service_pb2
from affilia.catalog.v1.member_service_pb2_grpc import MemberServiceStub
from affilia.eligibility.v1 import eligibility_check_service_pb2, eligibility_internal_service_pb2
from affilia.eligibility.v1.eligibility_check_service_pb2_grpc import EligibilityCheckServiceStub
from affilia.eligibility.v1.eligibility_internal_service_pb2_grpc import EligibilityInternalServiceStub
from affilia.enrollment.v1.enrollment_query_service_pb2_grpc import EnrollmentQueryServiceStub
from tests.conftest import ServerProcess
from tests.scenarios.enrollment_messages import date
from tests.support.calls import Family, admin, new_id
from tests.support.channels import connected_to
from tests.support.feeds import NOW, Filter, watch_request
from tests.support.guarded import guarded_server
from tests.support.identities import as_, channel_of

Entry = tuple[str, str, str, dict[str, str], str]


class Audited:
    """A server that requires tokens, and its audit log."""

    def __init__(self, server: ServerProcess, url: str) -> None:
        self.channel: Any = connected_to(server.address)
        self.internal: Any = connected_to(server.internal_address)
        self.url = url

    def family(self) -> Family:
        return Family(channel_of(self.channel, as_("admin", "ada")), requester=admin(name="ada")).set_up()

    def entries(self, of: str) -> list[Entry]:
        """Returns kind of caller, subject, method, ids and outcome of every entry that names an id, in order."""
        with psycopg.connect(self.url) as connection:
            rows = connection.execute(
                "SELECT caller_kind, subject, method, ids, outcome FROM audit_entry"
                " JOIN audit_entry_id USING (entry_key) WHERE named_id = %s ORDER BY entry_key",
                [of],
            ).fetchall()
        return [(row[0], row[1], row[2].rpartition("/")[2], row[3], row[4]) for row in rows]


@pytest.fixture(scope="module")
def audited(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Audited]:
    """On its own database, whose audit log the owner reads."""
    with guarded_server(tmp_path_factory.mktemp("audited")) as (server, owner_url):
        yield Audited(server, owner_url)


def test_every_write_is_audited_once_with_exactly_the_ids_that_it_names(audited: Audited) -> None:
    family, request_id = audited.family(), new_id()
    office = channel_of(audited.channel, as_("service", "office", "members.write"))
    members: Any = MemberServiceStub(office)
    member = member_pb2.Member(
        member_id=family.child, kind=member_pb2.MEMBER_KIND_PERSON, display_name="Melusine Unverwechselbar"
    )
    for _ in range(2):
        members.UpsertMember(member_service_pb2.UpsertMemberRequest(request_id=request_id, member=member))
    ids = {"request_id": request_id, "member.member_id": family.child}
    assert audited.entries(request_id) == [("SERVICE", "office", "UpsertMember", ids, "OK")] * 2
    with psycopg.connect(audited.url) as connection:
        assert connection.execute("SELECT FROM audit_entry e WHERE e::text LIKE '%Melusine%'").fetchall() == []


def test_a_write_that_fails_or_is_denied_is_audited_with_its_reason(audited: Audited) -> None:
    stranger = new_id()
    for caller, outcome in ((as_("service", "office", "members.write"), "MEMBER_UNKNOWN"), (as_("admin", "ada"), None)):
        members: Any = MemberServiceStub(channel_of(audited.channel, caller))
        request = member_service_pb2.RecordFactsRequest(
            request_id=new_id(), member_id=stranger, birth=member_pb2.Birth()
        )
        with pytest.raises(grpc.RpcError):
            members.RecordFacts(request)
        assert audited.entries(request.request_id)[0][-1] == (outcome or "MEMBER_UNKNOWN")
    family = audited.family()
    other: Any = Family(channel_of(audited.channel, as_("member", str(uuid4()))), **family.ids())
    wanted = family.request(family.enroll(family.base, "2026-01-01"))
    with pytest.raises(grpc.RpcError):
        other.requests.SubmitChangeRequest(wanted)
    (entry,) = audited.entries(wanted.request_id)
    assert (entry[0], entry[2], entry[4]) == ("MEMBER", "SubmitChangeRequest", "NOT_ALLOWED")


def test_a_write_that_the_access_policy_denies_is_audited(audited: Audited) -> None:
    member_id = new_id()
    members: Any = MemberServiceStub(channel_of(audited.channel, as_("member", member_id)))
    with pytest.raises(grpc.RpcError):
        members.EraseMember(member_service_pb2.EraseMemberRequest(request_id=new_id(), member_id=member_id))
    with psycopg.connect(audited.url) as connection:
        rows = connection.execute("SELECT method, outcome FROM audit_entry WHERE subject = %s", [member_id]).fetchall()
    assert [(row[0].rpartition("/")[2], row[1]) for row in rows] == [("EraseMember", "NOT_ALLOWED")]


def test_a_write_that_exceeds_its_deadline_is_not_audited_as_done(audited: Audited) -> None:
    family = audited.family()
    family.submit(family.enroll(family.base, "2026-01-01"))
    stale = family.request(family.enroll(family.plus, "2026-06-01"), expected_revision=7)
    with pytest.raises(grpc.RpcError):
        family.requests.SubmitChangeRequest(stale)
    (entry,) = audited.entries(stale.request_id)
    assert entry[4] == "REVISION_MISMATCH"


def test_reads_of_admins_are_audited_and_reads_of_others_are_not(audited: Audited) -> None:
    family = audited.family()
    submitted = family.submit(family.enroll(family.base, "2026-01-01"))
    before = len(audited.entries(family.primary))
    for caller in (as_("service", "app", "enrollment.read"), as_("member", family.primary)):
        Family(channel_of(audited.channel, caller), **family.ids()).group()
    assert len(audited.entries(family.primary)) == before
    family.group()
    *_, last = audited.entries(family.primary)
    assert last == (
        "ADMIN",
        "ada",
        "GetEnrollmentGroup",
        {
            "key.contract_id": family.contract_id,
            "key.primary_id": family.primary,
            "response.group.group_id": family.group().group_id,
            "response.group.cause.change_request_id": submitted.change_request.change_request_id,
        },
        "OK",
    )


def test_every_id_of_a_large_batch_is_audited(audited: Audited) -> None:
    family = audited.family()
    named = [new_id() for _ in range(999)] + [family.primary.upper()]
    checks = [eligibility_check_service_pb2.EligibilityCheck(member_id=id_, date=date("2026-03-01")) for id_ in named]
    eligibility: Any = EligibilityCheckServiceStub(channel_of(audited.channel, as_("admin", "mallory")))
    eligibility.BatchCheckEligibility(eligibility_check_service_pb2.BatchCheckEligibilityRequest(checks=checks))
    for number in (0, 50, 998, 999):
        (entry,) = [e for e in audited.entries(named[number]) if e[2] == "BatchCheckEligibility"]
        assert entry[1] == "mallory"
        assert entry[3][f"checks[{number}].member_id"] == named[number].lower()


def test_members_in_an_answer_to_an_admin_are_audited_even_if_the_request_does_not_name_them(audited: Audited) -> None:
    family = audited.family()
    family.submit(family.enroll(family.base, "2026-01-01"), family.enroll(family.base, "2026-01-01", child=True))
    family.group()
    entry = audited.entries(family.child)[-1]
    assert entry[2] == "GetEnrollmentGroup"
    assert family.child in entry[3].values()
    stub: Any = MemberServiceStub(channel_of(audited.channel, as_("admin", "lister")))
    listed = stub.ListMembers(member_service_pb2.ListMembersRequest(page_size=1000)).members
    assert all(audited.entries(member.member_id)[-1][1:3] == ("lister", "ListMembers") for member in listed)


def test_a_write_is_found_by_the_group_that_it_changed(audited: Audited) -> None:
    family = audited.family()
    wanted = family.request(family.enroll(family.base, "2026-01-01"))
    group = family.requests.SubmitChangeRequest(wanted).group
    assert [entry[2] for entry in audited.entries(group.group_id)][:1] == ["SubmitChangeRequest"]


def refused(call: Any, request: Any) -> grpc.StatusCode:
    with pytest.raises(grpc.RpcError) as failed:
        call(request)
    error: Any = failed.value
    code: grpc.StatusCode = error.code()
    return code


@pytest.mark.parametrize(("role", "scopes"), [("member", ()), ("service", ("catalog.read",))])
def test_a_denied_call_is_audited_with_its_ids(audited: Audited, role: str, scopes: tuple[str]) -> None:
    caller, victim, request_id = new_id(), new_id(), new_id()
    stub: Any = MemberServiceStub(channel_of(audited.channel, as_(role, caller, *scopes)))
    erasing = member_service_pb2.EraseMemberRequest(request_id=request_id, member_id=victim)
    assert refused(stub.EraseMember, erasing) == grpc.StatusCode.PERMISSION_DENIED
    getting = member_service_pb2.GetMemberRequest(member_id=victim)
    assert refused(stub.GetMember, getting) == grpc.StatusCode.PERMISSION_DENIED
    erase, get = audited.entries(victim)
    assert erase[1:] == (caller, "EraseMember", {"request_id": request_id, "member_id": victim}, "NOT_ALLOWED")
    assert get[1:] == (caller, "GetMember", {"member_id": victim}, "NOT_ALLOWED")


def test_a_malformed_request_is_audited_with_the_ids_that_can_be_parsed(audited: Audited) -> None:
    victim = new_id()
    channel = channel_of(audited.channel, as_("admin", "clumsy"))
    erasing = member_service_pb2.EraseMemberRequest(request_id="no id", member_id=victim)
    assert refused(MemberServiceStub(channel).EraseMember, erasing) == grpc.StatusCode.INVALID_ARGUMENT
    raw = channel.unary_unary("/affilia.catalog.v1.MemberService/EraseMember")
    for garbage in (b"\xff" * 9 + victim.encode() + b"\xff", b"\x0a\x7f" + victim.encode()):
        assert refused(raw, garbage) == grpc.StatusCode.INVALID_ARGUMENT
    entries = audited.entries(victim)
    assert [entry[3] for entry in entries] == [{"member_id": victim}, {"bytes[0]": victim}, {"bytes[0]": victim}]
    assert {entry[4] for entry in entries} == {"REQUEST_MALFORMED"}


def test_a_denied_call_is_audited_with_its_first_thousand_ids_and_a_count_of_the_rest(audited: Audited) -> None:
    caller, named = new_id(), [new_id() for _ in range(1200)]
    raw = channel_of(audited.channel, as_("member", caller)).unary_unary(
        "/affilia.catalog.v1.MemberService/ListMembers"
    )
    assert refused(raw, " ".join(named).encode()) == grpc.StatusCode.PERMISSION_DENIED
    with psycopg.connect(audited.url) as connection:
        row = connection.execute(
            "SELECT count(*), max(omitted_ids) FROM audit_entry JOIN audit_entry_id USING (entry_key)"
            " WHERE subject = %s",
            [caller],
        ).fetchone()
    assert row == (1000, 200)


def test_a_stream_of_an_admin_is_audited_with_its_ids_when_it_begins(audited: Audited) -> None:
    watched = new_id()
    queries: Any = EnrollmentQueryServiceStub(channel_of(audited.channel, as_("admin", "watcher")))
    request = watch_request(NOW, Filter(member_ids=[watched]))
    stream = queries.WatchEnrollments(request)
    next(stream)
    assert audited.entries(watched) == [
        ("ADMIN", "watcher", "WatchEnrollments", {"filter.member_ids[0]": watched}, "BEGUN")
    ]
    stream.cancel()


def test_the_search_by_id_uses_its_index(audited: Audited) -> None:
    with psycopg.connect(audited.url) as connection:
        plan = connection.execute(
            "EXPLAIN SELECT * FROM audit_entry JOIN audit_entry_id USING (entry_key) WHERE named_id = %s", [new_id()]
        ).fetchall()
    assert "audit_entry_id_pkey" in str(plan)


def test_writes_on_the_internal_listener_are_audited(audited: Audited) -> None:
    claims: Any = EligibilityInternalServiceStub(audited.internal)
    request = eligibility_internal_service_pb2.ReverseAccumulatorsRequest(application_id=new_id())
    with pytest.raises(grpc.RpcError):
        claims.ReverseAccumulators(request)
    (entry,) = audited.entries(request.application_id)
    assert entry[:3] == ("SYSTEM", "loopback", "ReverseAccumulators")


def test_calls_without_a_token_are_not_audited(audited: Audited) -> None:
    members: Any = MemberServiceStub(audited.channel)
    request = member_service_pb2.RecordFactsRequest(request_id=new_id(), member_id=new_id(), birth=member_pb2.Birth())
    with pytest.raises(grpc.RpcError):
        members.RecordFacts(request)
    assert audited.entries(request.request_id) == []
