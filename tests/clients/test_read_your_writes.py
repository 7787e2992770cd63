"""Reads of a client see what it wrote: they carry the newest token that says so."""

import threading
from datetime import date

import grpc

from affilia.catalog.v1.member_pb2 import Birth
from affilia.catalog.v1.member_service_pb2 import RecordFactsRequest
from affilia.eligibility.v1.eligibility_check_service_pb2 import EligibilityCheck
from affilia_client import Client
from affilia_client.consistency import ConsistencyTokens
from affilia_client.dates import date_to_proto
from affilia_client.methods import SERVICES, Method
from affilia_client.testing import Affilia
from tests.support.calls import Family

METHODS: dict[str, Method] = {method.python_name: method for methods in SERVICES.values() for method in methods}


def carried(affilia: Affilia, method: str) -> list[str]:
    return [each.request.consistency_token for each in affilia.received(method)]  # type: ignore[attr-defined]


def submit(family: Family, client: Client) -> str:
    """The token of an enrollment from 2026 on."""
    request = family.request(family.enroll(family.base, "2026-01-01"))
    return client.changes.submit_change_request(request).consistency_token


def test_eligibility_knows_at_once_what_was_enrolled(family: Family, affilia: Affilia, client: Client) -> None:
    check = EligibilityCheck(member_id=family.primary, date=date_to_proto(date(2026, 2, 1)))
    token = submit(family, client)
    client.members.record_facts(family_birth(family))  # its token says nothing to eligibility
    assert client.eligibility.check_eligibility(check=check).covered
    assert carried(affilia, "check_eligibility") == [token]


def family_birth(family: Family) -> RecordFactsRequest:
    return RecordFactsRequest(member_id=family.primary, birth=Birth(born_on=date_to_proto(date(1980, 6, 1))))


def test_reads_carry_nothing_before_the_first_write(family: Family, affilia: Affilia, client: Client) -> None:
    client.catalog.get_contract(contract_id=family.contract_id)
    assert carried(affilia, "get_contract") == [""]


def test_a_token_of_the_callers_goes_first(family: Family, affilia: Affilia, client: Client) -> None:
    first = client.members.record_facts(family_birth(family)).consistency_token
    newest = submit(family, client)
    client.catalog.get_contract(contract_id=family.contract_id, consistency_token=first)
    client.catalog.get_contract(contract_id=family.contract_id)
    assert carried(affilia, "get_contract") == [first, newest]


def test_it_can_be_switched_off(family: Family, affilia: Affilia) -> None:
    with affilia.client(read_your_writes=False) as client:
        submit(family, client)
        client.catalog.get_contract(contract_id=family.contract_id)
    assert carried(affilia, "get_contract") == [""]


def test_a_token_that_the_server_does_not_know_is_dropped(family: Family, affilia: Affilia, client: Client) -> None:
    """As after a database was made anew: a client that lives on must not fail for ever."""
    token = submit(family, client)
    refused = grpc.StatusCode.INVALID_ARGUMENT
    affilia.fail("get_contract", refused, "TOKEN_INVALID", facts={"field": "consistency_token"})
    for _ in range(2):
        assert client.catalog.get_contract(contract_id=family.contract_id).contract.contract_id == family.contract_id
    assert carried(affilia, "get_contract") == [token, "", ""]


def test_what_applies_amounts_waits_for_the_enrollment_and_not_for_other_amounts() -> None:
    tokens = ConsistencyTokens()
    for name in ("submit_change_request", "apply_accumulators"):
        method = METHODS[name]
        tokens.learn(method, method.response(consistency_token=name))
    assert tokens.token_for(METHODS["apply_accumulators"]) == "submit_change_request"
    assert tokens.token_for(METHODS["get_accumulators"]) == "apply_accumulators"


def test_threads_may_write_and_read_at_once() -> None:
    tokens, write, read = ConsistencyTokens(), METHODS["record_facts"], METHODS["get_member"]

    def work(n: int) -> None:
        for i in range(300):
            tokens.learn(write, write.response(consistency_token=f"{n}-{i}"))
            assert tokens.token_for(read)
            tokens.learn(METHODS["upsert_member"], METHODS["upsert_member"].response(consistency_token="x"))

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert tokens.token_for(read)
