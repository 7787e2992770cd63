"""Change requests of many callers that share transactions: kills lose none of them, and an invalid one fails alone."""

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import psycopg

from affilia.enrollment.v1 import change_request_service_pb2 as request_pb
from tests.conftest import ServerProcess
from tests.support.calls import Family, admin, failure_of, new_id, without_token
from tests.support.channels import connected_to

GROUPS = 24
KILL_AFTER = 200
MAX_SUBMITS = 4000

Answers = dict[str, request_pb.SubmitChangeRequestResponse]


def families(channel: grpc.Channel) -> list[Family]:
    """Stores a contract and members, of whom each is the primary of another group."""
    first = Family(channel, requester=admin()).set_up()
    others = [Family(channel, **{**first.ids(), "primary": new_id()}, requester=admin()) for _ in range(GROUPS - 1)]
    for each in others:
        each.store(each.primary)
        each.born(each.primary, "1980-06-01")
    return [first, *others]


def test_sigkill_among_shared_transactions_loses_and_repeats_nothing(tmp_path: Path, own_database_url: str) -> None:
    server = ServerProcess(tmp_path / "killed", "--database-url", own_database_url)
    with connected_to(server.address) as channel:
        sent, answers = submit_until_killed(families(channel), server)
    assert KILL_AFTER <= len(answers) < MAX_SUBMITS

    stored = stored_requests(own_database_url)
    assert max(stored.values()) == 1
    assert answers.keys() <= stored.keys() <= sent.keys()
    with psycopg.connect(own_database_url) as connection:
        ((writes,),) = connection.execute("SELECT count(*) FROM write_log").fetchall()
    assert writes < len(stored), "no transaction was shared"

    server = ServerProcess(tmp_path / "next", "--database-url", own_database_url)
    with connected_to(server.address) as channel:
        stub = Family(channel).requests
        for request_id, request in sent.items():
            repeated = stub.SubmitChangeRequest(request)
            if request_id in answers:
                assert without_token(repeated) == without_token(answers[request_id])
    assert stored_requests(own_database_url) == Counter(sent.keys())
    assert server.stop() == 0


def submit_until_killed(
    groups: list[Family], server: ServerProcess
) -> tuple[dict[str, request_pb.SubmitChangeRequestRequest], Answers]:
    """Submits to all groups concurrently until the server is killed. Returns the sent requests, and the answers."""
    sent: dict[str, request_pb.SubmitChangeRequestRequest] = {}
    answers: Answers = {}
    enough = threading.Event()

    def work(family: Family) -> None:
        for n in range(MAX_SUBMITS // GROUPS):
            request = family.request(family.enroll(family.plus if n % 2 else family.base, "2026-01-01"))
            sent[request.request_id] = request
            try:
                answers[request.request_id] = family.requests.SubmitChangeRequest(request, timeout=120)
            except grpc.RpcError:
                return
            if len(answers) >= KILL_AFTER:
                enough.set()

    with ThreadPoolExecutor(GROUPS) as threads:
        done = [threads.submit(work, family) for family in groups]
        assert enough.wait(300), "too few answers"
        server.kill()
        for each in done:
            each.result()
    return sent, answers


def stored_requests(url: str) -> Counter[str]:
    """Returns how often each change request is stored, by request id."""
    with psycopg.connect(url) as connection:
        rows = connection.execute("SELECT document->>'request_id' FROM change_request").fetchall()
    return Counter(request_id for (request_id,) in rows)


def test_a_malformed_override_among_valid_requests_fails_alone(server: ServerProcess) -> None:
    with connected_to(server.address) as channel:
        malformed, unknown, *others = families(channel)
        requests = [family.request(family.enroll(family.base, "2026-01-01")) for family in others]
        overriding = ["ADULT", "COMMITMENT_NOT_ELAPSED"]
        valid = unknown.request(unknown.enroll(unknown.base, "2026-01-01"), overridden_rules=[*overriding, "NO_RULE"])
        bad = malformed.request(malformed.enroll(malformed.base, "2026-01-01"), overridden_rules=["NOT_OFFERED"])
        submit = (
            malformed.requests.SubmitChangeRequest
        )  # in threads, because only blocking calls are retried if rejected
        with ThreadPoolExecutor(GROUPS) as threads:
            calls = [threads.submit(submit, request) for request in (*requests, valid)]
            failed = threads.submit(failure_of, submit, bad).result()
            *done, of_valid = [call.result() for call in calls]
        assert failed.code == grpc.StatusCode.INVALID_ARGUMENT
        assert failed.violations.keys() == {"overridden_rules[0]"}
        assert of_valid.change_request.unknown_rules == ["NO_RULE"]
        assert [answer.group.revision for answer in (*done, of_valid)] == [1] * (GROUPS - 1)
