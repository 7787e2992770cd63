"""Recomputes: merged, retried, failed and requested again; of a whole contract; concurrent with other writes."""

import random
import threading
from pathlib import Path

import grpc
import psycopg

from affilia.enrollment.v1 import change_request_pb2, change_request_service_pb2, enrollment_query_service_pb2
from storage.postgres.embedded import EmbeddedPostgres
from tests.conftest import ServerProcess
from tests.support.calls import Family, admin, decoded, new_id
from tests.support.channels import connected_to
from tests.support.feeds import BEGINNING, RECOMPUTE_FAILED, RECOMPUTE_RETRIED, next_events, watching
from tests.support.waiting import wait_until

WAITING = change_request_pb2.RECOMPUTE_STATE_WAITING
DONE = change_request_pb2.RECOMPUTE_STATE_DONE
FAILED = change_request_pb2.RECOMPUTE_STATE_FAILED


def of_group(family: Family) -> change_request_service_pb2.ListRecomputesResponse:
    return family.requests.ListRecomputes(
        change_request_service_pb2.ListRecomputesRequest(group_id=family.group().group_id)
    )


def wait_until_none_waits(family: Family) -> change_request_service_pb2.ListRecomputesResponse:
    def settled() -> change_request_service_pb2.ListRecomputesResponse | None:
        page = of_group(family)
        return None if page.waiting_count else page

    return wait_until(settled, "no recompute waits")


def ask(family: Family) -> change_request_pb2.Recompute:
    request = change_request_service_pb2.RequestRecomputeRequest(request_id=new_id(), group_id=family.group().group_id)
    return family.requests.RequestRecompute(request).recompute


def test_a_recompute_that_changes_nothing_makes_no_revision(family: Family) -> None:
    family.submit(family.enroll(family.base, "2026-01-01"))
    asked = ask(family)
    (done,) = wait_until_none_waits(family).recomputes
    assert (done.recompute_id, done.state, done.trigger) == (
        asked.recompute_id,
        DONE,
        change_request_pb2.RECOMPUTE_TRIGGER_ADMIN,
    )
    assert not done.HasField("revision")
    assert family.group().revision == 1


def test_repeating_a_request_returns_the_same_recompute(family: Family) -> None:
    family.submit(family.enroll(family.base, "2026-01-01"))
    request = change_request_service_pb2.RequestRecomputeRequest(request_id=new_id(), group_id=family.group().group_id)
    first = family.requests.RequestRecompute(request).recompute
    wait_until_none_waits(family)
    assert family.requests.RequestRecompute(request).recompute.recompute_id == first.recompute_id
    assert len(of_group(family).recomputes) == 1


def test_after_facts_in_quick_succession_the_last_one_applies(family: Family) -> None:
    family.submit(family.enroll(family.option, "2026-01-01"))
    for born_on in (None, "2020-01-01", None, "1990-01-01", None):
        family.born(family.primary, born_on)
    wait_until_none_waits(family)
    assert not family.group().periods
    family.born(family.primary, "1990-01-01")
    wait_until_none_waits(family)
    assert len(family.group().periods) == 1


def test_a_failing_recompute_is_retried_then_fails_and_can_be_requested_again(tmp_path: Path) -> None:
    server = ServerProcess(tmp_path, "--recompute-pauses", "0.05,0.1")
    with connected_to(server.address) as channel:
        family = Family(channel).set_up()
        family.submit(family.enroll(family.base, "2026-01-01", child=True))
        embedded = EmbeddedPostgres(tmp_path)
        with psycopg.connect(embedded.url, autocommit=True) as behind:
            # What no caller can do: the facts of a member of the group are gone.
            behind.execute("ALTER TABLE member_revision RENAME TO member_revision_away")
            behind.execute("CREATE VIEW member_revision AS SELECT * FROM member_revision_away WHERE false")
            behind.execute("GRANT SELECT ON member_revision TO PUBLIC")
            ask(family)
            (failed,) = wait_until_none_waits(family).recomputes
            assert (failed.state, failed.failed_attempts) == (FAILED, 3)
            assert of_group(family).failed_count == 1
            with watching(channel, BEGINNING) as call:
                _, *events = next_events(call, 4)
            assert [event.type for event in events] == [RECOMPUTE_RETRIED, RECOMPUTE_RETRIED, RECOMPUTE_FAILED]
            attempts = [event.failed_recompute for event in events]
            assert [attempt.failed_attempts for attempt in attempts] == [1, 2, 3]
            assert [attempt.HasField("next_attempt_at") for attempt in attempts] == [True, True, False]
            assert {attempt.recompute_id for attempt in attempts} == {failed.recompute_id}
            behind.execute("DROP VIEW member_revision")
            behind.execute("ALTER TABLE member_revision_away RENAME TO member_revision")
        ask(family)
        page = wait_until_none_waits(family)
        assert [r.state for r in page.recomputes] == [FAILED, DONE]
    assert server.stop() == 0


def test_the_recompute_of_a_contract_resumes_after_a_kill(tmp_path: Path) -> None:
    groups = 150
    server = ServerProcess(tmp_path)
    with connected_to(server.address) as channel:
        family = Family(channel).set_up()
        for _ in range(groups):
            other = Family(channel, contract_id=family.contract_id, base=family.base)
            other.store(other.primary)
            other.submit(other.enroll(family.base, "2026-01-01"))
        without_base = family.contract()
        del without_base.versions[0].modules[0]
        family.amend(without_base)
        server.kill()
    server = ServerProcess(tmp_path)
    with connected_to(server.address) as channel:
        again = Family(channel, **family.ids())
        wait_until(lambda: not progress(again).waiting_count, "all groups are recomputed")
        assert progress(again).failed_count == 0
        request = enrollment_query_service_pb2.ListEnrollmentGroupsRequest(
            contract_id=family.contract_id, page_size=1000
        )
        found = again.queries.ListEnrollmentGroups(request).groups
        assert [(g.revision, len(g.periods)) for g in found] == [(2, 0)] * groups
    server.stop()


def progress(family: Family) -> change_request_service_pb2.ListRecomputesResponse:
    return family.requests.ListRecomputes(
        change_request_service_pb2.ListRecomputesRequest(contract_id=family.contract_id, page_size=1)
    )


def test_concurrent_writes_of_all_kinds_leave_a_complete_and_consistent_history(family: Family) -> None:
    families = [family]
    for _ in range(3):
        other = Family(
            family.channel, family.contract_id, family.base, family.plus, family.option, new_id(), family.child
        )
        other.store(other.primary)
        other.born(other.primary, "1980-06-01")
        families.append(other)
    for each in families:
        each.submit(each.enroll(each.base, "2026-01-01"), each.enroll(each.base, "2026-01-01", child=True))
    unexpected: list[str] = []

    def work(seed: int) -> None:
        draw = random.Random(seed)
        for _ in range(25):
            each = draw.choice(families)
            try:
                one_of_everything(each, draw)
            except grpc.RpcError as error:
                failure = decoded(error)
                if failure.reason not in ("ETAG_MISMATCH", "REVISION_MISMATCH"):
                    unexpected.append(f"{failure.code} {failure.reason}")

    threads = [threading.Thread(target=work, args=[seed]) for seed in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not unexpected
    for each in families:
        wait_until_none_waits(each)
        settled = each.group()
        dry = each.requests.RequestRecompute(
            change_request_service_pb2.RequestRecomputeRequest(
                request_id=new_id(), group_id=settled.group_id, dry_run=True
            )
        )
        assert not dry.differences
        revisions = each.queries.ListRevisions(
            enrollment_query_service_pb2.ListRevisionsRequest(group_id=settled.group_id, page_size=1000)
        ).revisions
        assert [r.revision for r in revisions] == list(range(1, settled.revision + 1))
        instants = [r.recorded_at.ToNanoseconds() for r in revisions]
        assert instants == sorted(set(instants))


def one_of_everything(family: Family, draw: random.Random) -> None:
    """Makes a submit, a fact, an amendment, a recompute, or a submit that expects a revision."""
    module = draw.choice([family.base, family.plus, family.option])
    day = f"{draw.randint(2026, 2030)}-{draw.randint(1, 12):02}-01"
    match draw.randrange(6):
        case 0 | 1:
            family.submit(family.enroll(module, day), requester=admin(), accept_consequences=True)
        case 2:
            family.born(draw.choice([family.primary, family.child]), draw.choice(["1980-01-01", "2010-05-05", None]))
        case 3:
            contract = family.contract()
            contract.versions[0].modules[2].commitment_months = draw.randint(1, 3)
            if draw.random() < 0.5:
                del contract.versions[0].modules[1]
            family.amend(contract)
        case 4:
            ask(family)
        case 5:
            seen = family.group().revision
            family.submit(family.leave(day, module_id=module), requester=admin(), expected_revision=seen)
