"""A failed call reports its status, its reason, its details and its id."""

import pickle
from uuid import uuid4

import grpc
import pytest

import affilia_client
from affilia_client import CallFailed, Client, FieldViolation, Invalid, NotFound
from affilia_client.errors import BY_CODE
from affilia_client.testing import Affilia

FAILURES = [code for code in grpc.StatusCode if code is not grpc.StatusCode.OK]


def test_an_unknown_id_is_reported(client: Client) -> None:
    contract_id = str(uuid4())
    with pytest.raises(NotFound) as failed:
        client.catalog.get_contract(contract_id=contract_id)
    assert (failed.value.reason, failed.value.facts) == ("CONTRACT_UNKNOWN", {"contract_id": contract_id})
    assert failed.value.call_id
    said = str(failed.value)
    assert said.startswith("NOT_FOUND/CONTRACT_UNKNOWN: ")
    assert said.endswith(f" (call {failed.value.call_id})")


def test_every_invalid_field_is_reported_once(client: Client) -> None:
    with pytest.raises(Invalid) as failed:
        client.enrollment.diff_revisions(group_id="mine", from_revision=-1)
    fields = {violation.field for violation in failed.value.violations}
    assert fields == {"group_id", "from_revision"}
    assert all(isinstance(violation, FieldViolation) for violation in failed.value.violations)
    for violation in failed.value.violations:
        assert str(failed.value).count(violation.description) == 1


@pytest.mark.parametrize("code", FAILURES, ids=lambda code: code.name)
def test_every_status_has_its_own_class(code: grpc.StatusCode, affilia: Affilia, client: Client) -> None:
    affilia.fail("get_member", code, "SOMETHING", facts={"member_id": "1"}, times=10)
    with pytest.raises(CallFailed) as failed:
        client.members.get_member(member_id=str(uuid4()))
    assert type(failed.value) is BY_CODE[code]
    assert type(failed.value).__name__ in affilia_client.__all__
    assert (failed.value.code, failed.value.reason, failed.value.facts) == (code, "SOMETHING", {"member_id": "1"})


def test_an_unreachable_server_is_unavailable() -> None:
    with Client("127.0.0.1:1") as client, pytest.raises(affilia_client.Unavailable) as failed:
        client.catalog.list_contracts()
    assert (failed.value.reason, failed.value.call_id) == ("", "")


def test_a_failure_can_be_pickled(client: Client) -> None:
    with pytest.raises(Invalid) as failed:
        client.enrollment.list_revisions()
    again = pickle.loads(pickle.dumps(failed.value))  # noqa: S301 (our own)
    assert type(again) is Invalid
    assert (str(again), again.violations) == (str(failed.value), failed.value.violations)
    assert len({again, failed.value}) == 2
