"""A damaged record affects only what depends on it: in the feed, in recomputes, in checks and in premium runs.

Tests damage records with SQL, as a bug, a bad disk or a careless repair would.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import psycopg
import pytest
from psycopg.types.json import Jsonb

from affilia.eligibility.v1 import eligibility_check_service_pb2 as eligibility_pb
from affilia.enrollment.v1 import change_request_service_pb2
from affilia.enrollment.v1.change_request_pb2 import RECOMPUTE_STATE_FAILED
from tests.conftest import ServerProcess
from tests.rpc.test_premium_runs import DONE, a_run, ended, insured
from tests.scenarios.enrollment_messages import date
from tests.support.calls import Family, admin, failure_of, new_id
from tests.support.channels import connected_to
from tests.support.feeds import BEGINNING, Event, next_events, watching
from tests.support.insured import Insured
from tests.support.waiting import wait_until


@pytest.fixture
def damageable(tmp_path: Path, own_database_url: str) -> Iterator[tuple[ServerProcess, "psycopg.Connection[Any]"]]:
    """A server on its own database, and a connection with which the test damages records."""
    server = a_server(tmp_path, own_database_url)
    with psycopg.connect(own_database_url, autocommit=True) as connection:
        yield server, connection
    server.stop()


def a_server(folder: Path, url: str) -> ServerProcess:
    return ServerProcess(folder, "--database-url", url, "--recompute-pauses", "0.2,0.2")


def a_check(family: Family) -> eligibility_pb.CheckEligibilityRequest:
    check = eligibility_pb.EligibilityCheck(member_id=family.primary, date=date("2026-03-01"))
    return eligibility_pb.CheckEligibilityRequest(check=check)


def damage_requests(connection: "psycopg.Connection[Any]", family: Family) -> None:
    """Removes the requester from every change request of a family's group."""
    connection.execute(
        "UPDATE change_request SET document = document - 'requester' WHERE group_key ="
        " (SELECT group_key FROM enrollment_group WHERE primary_id = %s)",
        [family.primary],
    )


def feed(channel: grpc.Channel, count: int) -> list[Event]:
    with watching(channel, BEGINNING) as call:
        return next_events(call, count)


def test_a_damaged_change_request_does_not_stop_the_feed(
    damageable: tuple[ServerProcess, "psycopg.Connection[Any]"], tmp_path: Path, own_database_url: str
) -> None:
    """The revision is delivered with its periods, the rejection without its request; both are marked as incomplete."""
    server, connection = damageable
    with connected_to(server.address) as channel:
        victim, other = Family(channel).set_up(), Family(channel).set_up()
        victim.submit(victim.enroll(victim.base, "2026-01-01"))
        victim.submit(victim.enroll(victim.option, "2026-01-01", child=True))  # is rejected
        damage_requests(connection, victim)
        other.submit(other.enroll(other.base, "2026-01-01"))
        ids = other.ids()
    server.stop()
    server = a_server(tmp_path, own_database_url)
    with connected_to(server.address) as channel:
        again = Family(channel, **ids)
        again.submit(again.enroll(again.plus, "2027-01-01"))
        revised, rejected, *others = feed(channel, 4)
        assert (revised.incomplete, revised.policy_revision.revision) == (True, 1)
        assert revised.policy_revision.cause.change_request_id
        assert [period.module_id for period in revised.policy_revision.periods] == [victim.base]
        assert (rejected.incomplete, rejected.WhichOneof("detail")) == (True, None)
        assert [(e.incomplete, e.policy_revision.revision) for e in others] == [(False, 1), (False, 2)]
        request = a_check(victim)
        checks = Insured(channel, channel).checks
        wait_until(lambda: checks.CheckEligibility(request, timeout=60).records, "the enrollment is projected")
    server.stop()
    assert "event_incomplete" in server.log.read_text()


def test_damaged_groups_do_not_stop_other_recomputes(
    damageable: tuple[ServerProcess, "psycopg.Connection[Any]"],
) -> None:
    server, connection = damageable
    with connected_to(server.address) as channel:
        families = [Family(channel).set_up()]
        first = families[0]
        for _ in range(5):
            family = Family(channel, first.contract_id, first.base, first.plus, first.option)
            family.store(family.primary)
            family.born(family.primary, "1980-06-01")
            families.append(family)
        for family in families:
            family.submit(family.enroll(family.base, "2026-01-01"), requester=admin())
        damage_requests(connection, families[1])
        # Like after a change by another server: otherwise this one would use what it remembers of the group.
        connection.execute("UPDATE enrollment_group SET recorded_at = clock_timestamp()")
        first.amend(first.contract())
        states = "SELECT count(*) FILTER (WHERE done_at IS NOT NULL), count(*) FILTER (WHERE failed_at IS NOT NULL)"
        counted = f"{states} FROM recompute"
        wait_until(lambda: connection.execute(counted).fetchone() == (5, 1), "all recomputes are done or given up")
        failed = first.requests.ListRecomputes(
            change_request_service_pb2.ListRecomputesRequest(
                contract_id=first.contract_id, state=RECOMPUTE_STATE_FAILED
            )
        )
        assert [each.key.primary_id for each in failed.recomputes] == [families[1].primary]


def test_a_damaged_contract_affects_only_its_own_checks_until_it_is_repaired(
    damageable: tuple[ServerProcess, "psycopg.Connection[Any]"],
) -> None:
    server, connection = damageable
    with connected_to(server.address) as channel, connected_to(server.internal_address) as internal:
        victim, other = (Insured(channel, internal).set_up() for _ in range(2))
        for each in (victim, other):
            each.enroll("2026-01-01")
            assert each.reason("2026-03-01") == "COVERED"
        newest = "contract_id = %s ORDER BY revision DESC LIMIT 1"
        row = connection.execute(
            f"SELECT revision, document FROM contract_revision WHERE {newest}", [victim.family.contract_id]
        ).fetchone()
        assert row
        revision, document = row
        connection.execute(
            "INSERT INTO contract_revision VALUES (%s, %s, clock_timestamp(), %s)",
            [victim.family.contract_id, revision + 1, Jsonb({"contract_id": "nonsense"})],
        )
        question = a_check(victim.family)
        wait_until(lambda: not _answers(victim.checks, question), "the damaged contract is read")
        assert failure_of(victim.checks.CheckEligibility, question).code == grpc.StatusCode.INTERNAL
        other.enroll("2027-01-01", module=other.family.plus)
        assert other.reason("2027-03-01") == "COVERED"
        other.family.amend(other.contract(physio=11))
        third = Insured(channel, internal).set_up()
        third.enroll("2026-01-01")
        assert third.reason("2026-03-01") == "COVERED"
        connection.execute(
            "UPDATE contract_revision SET document = %s WHERE contract_id = %s AND revision = %s",
            [Jsonb(document), victim.family.contract_id, revision + 1],
        )
        wait_until(lambda: _answers(victim.checks, question), "the repaired contract is read")


def _answers(checks: Any, question: eligibility_pb.CheckEligibilityRequest) -> bool:
    try:
        checks.CheckEligibility(question, timeout=60)
    except grpc.RpcError:
        return False
    return True


def test_a_premium_run_with_damaged_parameters_does_not_stop_others(
    damageable: tuple[ServerProcess, "psycopg.Connection[Any]"],
) -> None:
    server, connection = damageable
    with connected_to(server.address) as channel:
        family = insured(channel)
        row = connection.execute("SELECT group_key FROM enrollment_group").fetchone()
        assert row
        with connection.transaction():
            connection.execute(
                "WITH run AS (INSERT INTO premium_run (run_id, fingerprint, first_month, last_month, parameters,"
                " stopped, policies, recorded_at) VALUES (%s, '', 24312, 24323, %s, false, 1, clock_timestamp())"
                " RETURNING run_key) INSERT INTO premium_run_part SELECT run_key, 0, %s, false, 0, 0, 0 FROM run",
                [new_id(), Jsonb(7), [row[0]]],
            )
        last = ended(channel, a_run(family)).run
        assert (last.state, last.done, last.failed) == (DONE, 1, 0)
        left = "SELECT count(*) FROM premium_run_part WHERE NOT done"
        wait_until(lambda: connection.execute(left).fetchone() == (0,), "all parts are done")
        failures = connection.execute("SELECT failure->>'reason' FROM premium_run_failure").fetchall()
        assert [reason for (reason,) in failures] == ["POLICY_NOT_COMPUTED"]
