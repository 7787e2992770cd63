"""A client's reads reflect its own writes, because they send its newest consistency token."""

import base64
import json
import threading
from datetime import date

import grpc
import pytest

from affilia.catalog.v1.member_pb2 import Birth
from affilia.catalog.v1.member_service_pb2 import RecordFactsRequest
from affilia.eligibility.v1.eligibility_check_service_pb2 import EligibilityCheck
from affilia_client import CallFailed, Client
from affilia_client.consistency import ConsistencyTokens
from affilia_client.dates import date_to_proto
from affilia_client.methods import SERVICES, Method
from affilia_client.testing import Affilia
from tests.support.calls import Family

METHODS: dict[str, Method] = {method.python_name: method for methods in SERVICES.values() for method in methods}


def carried(affilia: Affilia, method: str) -> list[str]:
    return [each.request.consistency_token for each in affilia.received(method)]  # type: ignore[attr-defined]


def submit(family: Family, client: Client) -> str:
    """Enrolls a member from 2026 on. Returns the consistency token of the write."""
    request = family.request(family.enroll(family.base, "2026-01-01"))
    return client.changes.submit_change_request(request).consistency_token


def test_eligibility_reflects_an_enrollment_given_the_token_of_a_later_write(
    family: Family, affilia: Affilia, client: Client
) -> None:
    check = EligibilityCheck(member_id=family.primary, date=date_to_proto(date(2026, 2, 1)))
    submit(family, client)
    newest = client.members.record_facts(family_birth(family)).consistency_token
    assert client.eligibility.check_eligibility(check=check).covered
    assert carried(affilia, "check_eligibility") == [newest]


def family_birth(family: Family) -> RecordFactsRequest:
    return RecordFactsRequest(member_id=family.primary, birth=Birth(born_on=date_to_proto(date(1980, 6, 1))))


def test_reads_send_no_token_before_the_first_write(family: Family, affilia: Affilia, client: Client) -> None:
    client.catalog.get_contract(contract_id=family.contract_id)
    assert carried(affilia, "get_contract") == [""]


def test_a_token_from_the_caller_takes_precedence(family: Family, affilia: Affilia, client: Client) -> None:
    first = client.members.record_facts(family_birth(family)).consistency_token
    newest = submit(family, client)
    client.catalog.get_contract(contract_id=family.contract_id, consistency_token=first)
    client.catalog.get_contract(contract_id=family.contract_id)
    assert carried(affilia, "get_contract") == [first, newest]


def test_reading_your_writes_can_be_disabled(family: Family, affilia: Affilia) -> None:
    with affilia.client(read_your_writes=False) as client:
        submit(family, client)
        client.catalog.get_contract(contract_id=family.contract_id)
    assert carried(affilia, "get_contract") == [""]


def test_a_token_that_the_server_rejects_is_dropped(family: Family, affilia: Affilia, client: Client) -> None:
    """For example after the database was recreated: a client that keeps running must not fail forever."""
    token = submit(family, client)
    refused = grpc.StatusCode.INVALID_ARGUMENT
    affilia.fail("get_contract", refused, "TOKEN_INVALID", facts={"field": "consistency_token"})
    for _ in range(2):
        assert client.catalog.get_contract(contract_id=family.contract_id).contract.contract_id == family.contract_id
    assert carried(affilia, "get_contract") == [token, "", ""]


def test_a_lost_write_is_reported_once_and_then_forgotten(family: Family, affilia: Affilia, client: Client) -> None:
    token = submit(family, client)
    affilia.fail(
        "get_contract",
        grpc.StatusCode.FAILED_PRECONDITION,
        "TOKEN_OF_ANOTHER_HISTORY",
        facts={"field": "consistency_token"},
    )
    with pytest.raises(CallFailed) as failed:
        client.catalog.get_contract(contract_id=family.contract_id)
    assert failed.value.reason == "TOKEN_OF_ANOTHER_HISTORY"
    assert client.catalog.get_contract(contract_id=family.contract_id).contract.contract_id == family.contract_id
    assert carried(affilia, "get_contract") == [token, ""]


def a_token(epoch: str, key: int) -> str:
    body = json.dumps({"v": 2, "epoch": epoch, "key": key}).encode()
    return base64.urlsafe_b64encode(bytes(16) + body).rstrip(b"=").decode()


@pytest.mark.parametrize(
    ("tokens", "newest"),
    [
        ([a_token("e", 2), a_token("e", 1)], a_token("e", 2)),  # the responses arrive in another order
        ([a_token("e", 1), a_token("e", 2)], a_token("e", 2)),
        ([a_token("e", 2), a_token("f", 1)], a_token("f", 1)),  # another epoch: keys can't be compared
        ([a_token("e", 2), "of another release"], "of another release"),
    ],
)
def test_the_newest_of_concurrent_writes_is_kept(tokens: list[str], newest: str) -> None:
    kept, response = ConsistencyTokens(), METHODS["record_facts"].response
    for token in tokens:
        kept.learn(response(consistency_token=token))
    assert kept.newest() == newest


def test_threads_can_write_and_read_concurrently() -> None:
    tokens, write = ConsistencyTokens(), METHODS["record_facts"]

    def work(n: int) -> None:
        for i in range(300):
            tokens.learn(write.response(consistency_token=a_token("e", i * 4 + n)))
            assert tokens.newest()

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert tokens.newest() == a_token("e", 299 * 4 + 3)
