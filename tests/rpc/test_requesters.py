"""Requesters agree with callers: members and admins act in their own name, everyone else says in whose."""

from collections.abc import Iterator
from typing import Any

import grpc
import pytest

from affilia.enrollment.v1 import change_request_pb2 as pb
from affilia.enrollment.v1 import change_request_service_pb2 as service_pb
from tests.conftest import ServerProcess
from tests.support.calls import Family, admin, decoded, new_id
from tests.support.channels import connected_to
from tests.support.guarded import guarded_server
from tests.support.identities import Metadata, as_, channel_of

MEMBER, ADMIN, MIGRATION = pb.REQUESTER_ROLE_MEMBER, pb.REQUESTER_ROLE_ADMIN, pb.REQUESTER_ROLE_MIGRATION
SERVICE = as_("service", "portal", "enrollment.read", "enrollment.write", "enrollment.administer")
ME, SOMEONE = "the primary", "someone else"
"""Replaced by the id of the family's primary, and by an unknown id."""


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with guarded_server(tmp_path_factory.mktemp("guarded")) as (server, _):
        yield server


@pytest.fixture(scope="module")
def insured(guarded: ServerProcess) -> Iterator[Family]:
    """A family with an enrollment, on the channel of an admin."""
    with connected_to(guarded.address) as channel:
        family = Family(channel_of(channel, as_("admin", "ada")), requester=admin(name="")).set_up()
        family.submit(family.enroll(family.base, "2026-01-01"))
        yield family


@pytest.fixture(scope="module")
def public(guarded: ServerProcess) -> Iterator[grpc.Channel]:
    with connected_to(guarded.address) as channel:
        yield channel


def outcomes(channel: Any, family: Family, requester: pb.Requester) -> tuple[str, str]:
    """Simulates and submits a change. Returns the recorded requester id and the field of the violation."""
    caller = Family(channel, **family.ids(), requester=requester)
    submitting = caller.request(caller.enroll(caller.plus, "2026-05-01"))
    simulating = service_pb.SimulateChangeRequestRequest(
        requester=requester, group=submitting.group, changes=submitting.changes
    )
    try:
        caller.requests.SimulateChangeRequest(simulating)
        simulated = ""
    except grpc.RpcError as error:
        simulated = _violated(error)
    try:
        recorded = caller.requests.SubmitChangeRequest(submitting).change_request.requester.requester_id
        submitted = ""
    except grpc.RpcError as error:
        recorded, submitted = "", _violated(error)
    assert simulated == submitted
    return recorded, submitted


def _violated(error: grpc.RpcError) -> str:
    failure = decoded(error)
    assert (failure.code, failure.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "REQUEST_MALFORMED")
    (field,) = failure.violations
    return str(field)


@pytest.mark.parametrize(
    ("kind", "role", "requester_id", "recorded", "violated"),
    [
        ("member", MEMBER, ME, ME, ""),
        ("member", MEMBER, "", ME, ""),
        ("member", MEMBER, SOMEONE, "", "requester.requester_id"),
        ("member", MEMBER, "no id", "", "requester.requester_id"),
        ("member", ADMIN, ME, "", "requester.role"),
        ("member", ADMIN, "", "", "requester.role"),
        ("admin", ADMIN, "ada", "ada", ""),
        ("admin", ADMIN, "", "ada", ""),
        ("admin", ADMIN, "bob", "", "requester.requester_id"),
        ("admin", ADMIN, "Ada", "", "requester.requester_id"),
        ("admin", MEMBER, ME, "", "requester.role"),
        ("admin", MEMBER, "", "", "requester.role"),
        ("service", MEMBER, ME, ME, ""),
        ("service", MEMBER, "", "", "requester.requester_id"),
        ("service", MEMBER, SOMEONE, "", "requester.requester_id"),
        ("service", ADMIN, "anyone", "anyone", ""),
        ("service", ADMIN, "", "", "requester.requester_id"),
        ("member", MIGRATION, ME, "", "requester.role"),
        ("admin", MIGRATION, "ada", "", "requester.role"),
        ("service", MIGRATION, "ES", "", "requester.role"),
    ],
)
def test_a_requester_must_agree_with_the_caller(
    public: grpc.Channel, insured: Family, kind: str, role: Any, requester_id: str, recorded: str, violated: str
) -> None:
    callers: dict[str, Metadata] = {
        "member": as_("member", insured.primary),
        "admin": as_("admin", "ada"),
        "service": SERVICE,
    }
    ids = {ME: insured.primary, SOMEONE: new_id()}
    requester = pb.Requester(role=role, requester_id=ids.get(requester_id, requester_id), reason="a test")
    expected = (ids.get(recorded, recorded), violated)
    assert outcomes(channel_of(public, callers[kind]), insured, requester) == expected


@pytest.mark.parametrize(("role", "requester_id"), [(MEMBER, ME), (ADMIN, "anyone")])
def test_a_caller_of_a_dev_server_requests_as_anyone(family: Family, role: Any, requester_id: str) -> None:
    family.submit(family.enroll(family.base, "2026-01-01"))
    named = family.primary if requester_id == ME else requester_id
    requester = pb.Requester(role=role, requester_id=named, reason="a test")
    assert outcomes(family.channel, family, requester) == (named, "")
    requester.requester_id = ""
    assert outcomes(family.channel, family, requester) == ("", "requester.requester_id")


def test_a_member_may_write_their_id_in_upper_case(public: grpc.Channel, insured: Family) -> None:
    requester = pb.Requester(role=MEMBER, requester_id=insured.primary.upper())
    recorded, violated = outcomes(channel_of(public, as_("member", insured.primary)), insured, requester)
    assert (recorded.lower(), violated) == (insured.primary, "")


def test_a_request_of_an_admin_is_the_same_with_and_without_their_name(insured: Family) -> None:
    request = insured.request(insured.enroll(insured.plus, "2026-08-01"))
    first = insured.requests.SubmitChangeRequest(request)
    request.requester.requester_id = "ada"
    again = insured.requests.SubmitChangeRequest(request)
    assert again.change_request == first.change_request


def test_a_stranger_is_not_allowed_even_if_the_requester_disagrees(public: grpc.Channel, insured: Family) -> None:
    stranger = Family(channel_of(public, as_("member", new_id())), **insured.ids(), requester=admin())
    with pytest.raises(grpc.RpcError) as raised:
        stranger.submit(stranger.enroll(stranger.plus, "2026-05-01"))
    assert decoded(raised.value).code == grpc.StatusCode.PERMISSION_DENIED
