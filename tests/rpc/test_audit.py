"""The audit log: who wrote, and what admins read; and what the application's role cannot do with what was recorded."""

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import grpc
import psycopg
import pytest

from affilia.catalog.v1 import member_pb2, member_service_pb2
from affilia.catalog.v1.member_service_pb2_grpc import MemberServiceStub
from affilia.eligibility.v1 import eligibility_internal_service_pb2
from affilia.eligibility.v1.eligibility_internal_service_pb2_grpc import EligibilityInternalServiceStub
from storage.privileges import PRIVILEGES
from storage.tables import metadata
from tests.conftest import ServerProcess, a_database
from tests.support.calls import Family, new_id
from tests.support.guarded import application_url, guarded_server
from tests.support.identities import FLAGS, VARIABLES, as_, channel_of

Entry = tuple[str, str, str, dict[str, str], str]


class Audited:
    """A server that asks for tokens, and its log."""

    def __init__(self, server: ServerProcess, url: str) -> None:
        self.channel: Any = grpc.insecure_channel(server.address)
        self.internal: Any = grpc.insecure_channel(server.internal_address)
        self.url = url

    def family(self) -> Family:
        return Family(channel_of(self.channel, as_("admin", "ada"))).set_up()

    def entries(self, of: str) -> list[Entry]:
        """Kind of caller, subject, method, ids and outcome of every entry that names an id, in order."""
        with psycopg.connect(self.url) as connection:
            rows = connection.execute(
                "SELECT caller_kind, subject, method, ids, outcome FROM audit_entry"
                " WHERE ids::text LIKE %s ORDER BY entry_key",
                [f"%{of}%"],
            ).fetchall()
        return [(row[0], row[1], row[2].rpartition("/")[2], row[3], row[4]) for row in rows]


@pytest.fixture(scope="module")
def audited(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Audited]:
    """On a database of its own, of which the owner reads."""
    with guarded_server(tmp_path_factory.mktemp("audited")) as (server, owner_url):
        yield Audited(server, owner_url)


def test_every_write_is_entered_once_with_the_ids_that_it_names_and_nothing_else(audited: Audited) -> None:
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
    assert audited.entries("Melusine") == []


def test_a_write_that_fails_or_is_not_allowed_is_entered_with_its_reason(audited: Audited) -> None:
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


def test_a_write_that_the_policy_refuses_is_entered(audited: Audited) -> None:
    member_id = new_id()
    members: Any = MemberServiceStub(channel_of(audited.channel, as_("member", member_id)))
    with pytest.raises(grpc.RpcError):
        members.EraseMember(member_service_pb2.EraseMemberRequest(request_id=new_id(), member_id=member_id))
    with psycopg.connect(audited.url) as connection:
        rows = connection.execute("SELECT method, outcome FROM audit_entry WHERE subject = %s", [member_id]).fetchall()
    assert [(row[0].rpartition("/")[2], row[1]) for row in rows] == [("EraseMember", "NOT_ALLOWED")]


def test_a_write_that_came_too_late_is_not_entered_as_done(audited: Audited) -> None:
    family = audited.family()
    family.submit(family.enroll(family.base, "2026-01-01"))
    stale = family.request(family.enroll(family.plus, "2026-06-01"), expected_revision=7)
    with pytest.raises(grpc.RpcError):
        family.requests.SubmitChangeRequest(stale)
    (entry,) = audited.entries(stale.request_id)
    assert entry[4] == "REVISION_MISMATCH"


def test_what_admins_read_is_entered_and_what_others_read_is_not(audited: Audited) -> None:
    family = audited.family()
    family.submit(family.enroll(family.base, "2026-01-01"))
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
        {"key.contract_id": family.contract_id, "key.primary_id": family.primary},
        "OK",
    )


def test_writes_on_the_internal_listener_are_entered_too(audited: Audited) -> None:
    claims: Any = EligibilityInternalServiceStub(audited.internal)
    request = eligibility_internal_service_pb2.ReverseAccumulatorsRequest(application_id=new_id())
    with pytest.raises(grpc.RpcError):
        claims.ReverseAccumulators(request)
    (entry,) = audited.entries(request.application_id)
    assert entry[:3] == ("SYSTEM", "loopback", "ReverseAccumulators")


def test_without_a_token_nothing_is_entered(audited: Audited) -> None:
    members: Any = MemberServiceStub(audited.channel)
    request = member_service_pb2.RecordFactsRequest(request_id=new_id(), member_id=new_id(), birth=member_pb2.Birth())
    with pytest.raises(grpc.RpcError):
        members.RecordFacts(request)
    assert audited.entries(request.request_id) == []


# ------------------------------------------------------------------------------------------------- database role


def test_every_table_has_its_privileges_said() -> None:
    assert set(PRIVILEGES) == {*metadata.tables, "alembic_version"}


RECORDED = [
    "contract_revision",
    "member_revision",
    "change_request",
    "enrollment_revision",
    "enrollment_period",
    "enrollment_difference",
    "event",
    "premium_price",
    "premium_stretch",
    "premium_invoice_mark",
    "accumulator_application",
    "accumulator_reversal",
    "accumulator_entry",
    "audit_entry",
]


@pytest.mark.parametrize("table", RECORDED)
def test_the_applications_role_can_neither_change_nor_remove_what_was_recorded(own_url: str, table: str) -> None:
    with psycopg.connect(own_url, autocommit=True) as connection:
        for statement in (
            f"DELETE FROM {table}",
            f"TRUNCATE {table}",
            f"UPDATE {table} SET {list(metadata.tables[table].columns)[-1].name} = NULL",
            f"ALTER TABLE {table} ADD COLUMN x integer",
            f"DROP TABLE {table}",
            f"GRANT ALL ON {table} TO PUBLIC",
            f"ALTER TABLE {table} DISABLE TRIGGER ALL",
        ):
            if statement.startswith("GRANT"):
                connection.execute(statement)  # PostgreSQL warns, and grants nothing
                continue
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(statement)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("SELECT FROM audit_entry")


@pytest.fixture(scope="module")
def own_url(postgres_url: str) -> Iterator[str]:
    """A database of its own, as the application's role."""
    with a_database(postgres_url) as url:
        yield application_url(url)


def test_a_server_refuses_a_role_that_owns_the_tables(own_database_url: str, tmp_path_factory: Any) -> None:
    folder = tmp_path_factory.mktemp("owner")
    with pytest.raises(RuntimeError, match="AFFILIA_MIGRATION_URL"):
        ServerProcess(folder, *FLAGS, "--database-url", own_database_url, environment=VARIABLES)
