"""After a restore, every call rejects tokens of lost writes immediately, and older tokens stay valid."""

from collections.abc import Iterator
from typing import Any

import grpc
import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from affilia.enrollment.v1 import change_request_service_pb2 as pb
from affilia_client.methods import SERVICES, Method
from server.tokens import Tokens
from tests.conftest import ServerProcess, a_database
from tests.rpc.test_identity import requests_of
from tests.rpc.test_projection import Servers, servers
from tests.support.calls import failure_of, new_id
from tests.support.channels import connected_to
from tests.support.insured import Insured

__all__ = ["servers"]

ON = "2026-03-01"
TAKING: dict[str, Method] = {
    method.name: method for methods in SERVICES.values() for method in methods if method.takes("consistency_token")
}


def of_internal(insured: Insured) -> dict[str, dict[str, Any]]:
    """Returns requests for the internal calls that take a token."""
    about = {"member_id": insured.family.primary}
    return {
        "GetMemberCoverage": {**about, "date": {"year": 2026, "month": 3, "day": 1}},
        "ApplyAccumulators": {
            **about,
            "application_id": new_id(),
            "group_id": insured.group_id,
            "service_date": {"year": 2026, "month": 3, "day": 1},
            "amounts": [{"code": "DEDUCTIBLE", "amount": 1}],
        },
        "ListAccumulatorApplications": about,
    }


def reason_of(insured: Insured, method: Method, fields: dict[str, Any], token: str) -> str:
    """Returns the reason of the failure of a call with a token, or OK."""
    channel = insured.internal if "Internal" in method.service else insured.family.channel
    call: Any = channel.unary_unary(
        method.path,
        request_serializer=method.request.SerializeToString,
        response_deserializer=method.response.FromString,
    )
    request = method.request(**fields, consistency_token=token)
    try:
        call(request, timeout=60)
    except grpc.RpcError:
        failure = failure_of(call, request)
        return f"{failure.code.name}/{failure.reason}"
    return "OK"


@pytest.fixture
def backup(servers: Servers, own_database_url: str, postgres_url: str) -> Iterator[tuple[Insured, str, str]]:
    """A family on a copy of a database, the token of a write that the copy has, and of one that it lacks."""
    first = servers.start()
    insured = servers.insured(first).set_up()
    insured.enroll("2026-01-01")
    insured.apply(ON, deductible=7)
    kept = insured.token
    ids = insured.family.ids()
    first.stop()
    with a_database(postgres_url, template=str(conninfo_to_dict(own_database_url)["dbname"])) as copy:
        second = servers.start()
        lost = servers.insured(second, **ids)
        lost.enroll("2027-01-01", module=lost.family.plus)
        second.stop()
        yield servers.insured(servers.start(url=copy), **ids), kept, lost.token


def test_every_call_rejects_a_lost_token_and_accepts_a_surviving_one(
    backup: tuple[Insured, str, str],
) -> None:
    insured, kept, lost = backup
    requests = {"ListMembers": {}, "ListContracts": {}, **requests_of(insured), **of_internal(insured)}
    assert TAKING.keys() <= requests.keys()
    for name, method in TAKING.items():
        assert reason_of(insured, method, requests[name], lost) == "FAILED_PRECONDITION/TOKEN_OF_ANOTHER_HISTORY", name
        assert "TOKEN" not in reason_of(insured, method, requests[name], kept), name


def test_a_token_beyond_the_state_of_the_database_is_rejected_immediately(
    servers: Servers, own_database_url: str
) -> None:
    """This holds even for a token of the current epoch, as after rows were restored manually."""
    insured = servers.insured(servers.start()).set_up()
    insured.enroll("2026-01-01")
    with psycopg.connect(own_database_url) as connection:
        key, epoch = connection.execute(
            "SELECT (SELECT token_key FROM deployment), epoch_id FROM history_epoch ORDER BY position DESC LIMIT 1"
        ).fetchone() or (b"", None)
    beyond = Tokens(bytes(key)).made("seen", {"v": 2, "epoch": epoch.hex, "key": 10**15})
    stranger = Tokens(bytes(key)).made("seen", {"v": 2, "epoch": new_id().replace("-", ""), "key": 1})
    requests = requests_of(insured)
    for token in (beyond, stranger):
        for name in ("CheckEligibility", "GetMember", "ListCoverage"):
            assert reason_of(insured, TAKING[name], requests[name], token).endswith("TOKEN_OF_ANOTHER_HISTORY")


def test_tokens_of_the_previous_release_are_checked_by_their_states(servers: Servers, own_database_url: str) -> None:
    insured = servers.insured(servers.start()).set_up()
    insured.enroll("2026-01-01")
    insured.apply(ON, deductible=7)
    group = insured.group_id
    with psycopg.connect(own_database_url) as connection:
        (key,) = connection.execute("SELECT token_key FROM deployment").fetchone() or (b"",)
    old = Tokens(bytes(key))
    requests = requests_of(insured)
    known: tuple[dict[str, Any], ...] = (
        {"policy": [group, 1]},
        {"usage": [group, 1]},
        {"contract": [insured.family.contract_id, 2]},
        {},
    )
    for states in known:
        insured.token = old.made("seen", {"v": 1, **states})
        assert insured.used(ON) == (7, 7)
    for name, number in (("policy", 99), ("usage", 99), ("contract", 99)):
        which = insured.family.contract_id if name == "contract" else group
        token = old.made("seen", {"v": 1, name: [which, number]})
        assert reason_of(insured, TAKING["CheckEligibility"], requests["CheckEligibility"], token).endswith(
            "TOKEN_OF_ANOTHER_HISTORY"
        )


def test_repeating_a_write_returns_a_token_that_reflects_it(servers: Servers) -> None:
    one = servers.insured(servers.start()).set_up()
    two = servers.insured(servers.start(), **one.family.ids())
    one.enroll("2026-01-01")
    application = one.application(ON, deductible=7)
    one.claims.ApplyAccumulators(application)
    two.token = two.claims.ApplyAccumulators(application).consistency_token
    assert two.used(ON) == (7, 7)


def test_a_dry_run_returns_no_token(server: ServerProcess, internal: Any) -> None:
    with connected_to(server.address) as channel:
        insured = Insured(channel, internal).set_up()
        insured.enroll("2026-01-01")
        request = pb.RequestRecomputeRequest(request_id=new_id(), group_id=insured.group_id, dry_run=True)
        assert insured.family.requests.RequestRecompute(request).consistency_token == ""
        request = pb.RequestRecomputeRequest(request_id=new_id(), group_id=insured.group_id)
        assert insured.family.requests.RequestRecompute(request).consistency_token
