"""The requester of a change, derived from the token of the command line's caller."""

import pytest
import typer

from affilia.enrollment.v1 import change_request_pb2
from affilia_cli.requesters import Claims, claims_of, requester_of
from tests.support.calls import new_id
from tests.support.identities import token

PRIMARY = new_id()
ADMIN, MEMBER = change_request_pb2.REQUESTER_ROLE_ADMIN, change_request_pb2.REQUESTER_ROLE_MEMBER


def test_a_token_says_who_its_bearer_is() -> None:
    assert claims_of(token("admin", "zoë")) == Claims("admin", "zoë")
    assert claims_of(token("member", PRIMARY)) == Claims("member", PRIMARY)


@pytest.mark.parametrize(
    "text", ["", "opaque", "a.b.c", "a.W10.c", "a.bnVsbA.c", "..", "\N{BLACK STAR}.\N{BLACK STAR}."]
)
def test_other_tokens_say_nothing(text: str) -> None:
    assert claims_of(text) == Claims()


def test_admins_and_members_request_in_their_own_name() -> None:
    assert requester_of(Claims("admin", "ada"), "", "asked", PRIMARY) == change_request_pb2.Requester(
        role=ADMIN, requester_id="ada", reason="asked"
    )
    own = requester_of(Claims("member", PRIMARY), "", "", "another")
    assert (own.role, own.requester_id) == (MEMBER, PRIMARY)


@pytest.mark.parametrize("claims", [Claims("admin", "ada"), Claims("member", PRIMARY)])
def test_another_admin_is_rejected_with_the_reason(claims: Claims) -> None:
    with pytest.raises(typer.BadParameter, match="--admin is not allowed with the token of"):
        requester_of(claims, "grace", "asked", PRIMARY)


@pytest.mark.parametrize("claims", [Claims(), Claims("service", "portal")])
def test_services_and_dev_callers_name_an_admin_or_act_for_the_primary(claims: Claims) -> None:
    named = requester_of(claims, "grace", "asked", PRIMARY)
    assert (named.role, named.requester_id) == (ADMIN, "grace")
    own = requester_of(claims, "", "", PRIMARY)
    assert (own.role, own.requester_id) == (MEMBER, PRIMARY)


def test_an_admin_needs_a_reason() -> None:
    with pytest.raises(typer.BadParameter, match="--reason is required"):
        requester_of(Claims("admin", "ada"), "", "", PRIMARY)
