"""Erasing a member with their periods: nothing reports when they were covered, and other histories stay complete."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import psycopg
import pytest

from affilia.catalog.v1 import member_service_pb2
from affilia.eligibility.v1 import eligibility_check_service_pb2
from affilia.enrollment.v1 import (
    change_request_service_pb2,
    enrollment_group_pb2,
    enrollment_query_service_pb2,
)
from affilia.premium.v1 import premium_computation_service_pb2
from affilia.premium.v1.premium_computation_service_pb2_grpc import PremiumComputationServiceStub
from affilia.pricing.v1 import insurance_cost_pb2
from domain.days import NO_DAYS, Days
from server.mapping.dates import span_from_proto
from tests.rpc.test_always_true import settled
from tests.rpc.test_costs import priced_contract
from tests.rpc.test_erasure_everywhere import Pair, erase, everything_read
from tests.scenarios.enrollment_messages import date, span
from tests.scenarios.ledger_messages import months
from tests.support.calls import Failure, Family, admin, failure_of, new_id
from tests.support.channels import connected_to
from tests.support.feeds import BEGINNING, events_in, everything, next_events, watching
from tests.support.guarded import application_url
from tests.support.insured import Insured
from tests.support.searching import tables_with

DAYS = ("2026-03-17", "2026-05-23", "2026-05-24")
"""The first and the last day of the child's period, as they are reported and as they are stored."""


@pytest.fixture
def pair(tmp_path: Path, own_database_url: str) -> Iterator[Pair]:
    running = Pair(tmp_path, own_database_url)
    yield running
    running.stop()


def refused(family: Family, member_id: str) -> Failure:
    request = member_service_pb2.EraseMemberRequest(request_id=new_id(), member_id=member_id, keep_periods=False)
    return failure_of(family.members.EraseMember, request)


def of_others(family: Family, group: enrollment_group_pb2.EnrollmentGroup) -> list[Any]:
    return [period for period in group.periods if period.member_id != family.child]


def history(insured: Insured) -> None:
    """Makes five revisions of a group, in which the child is enrolled, changes and leaves, and a rejection."""
    family = insured.family
    insured.submit(family.enroll(family.base, "2026-01-01"))
    insured.submit(family.enroll(family.base, "2026-03-17", "2026-05-23", child=True))
    insured.submit(
        family.enroll(family.plus, "2026-06-01"), family.enroll(family.plus, "2026-04-01", "2026-04-30", child=True)
    )
    insured.submit(family.enroll(family.option, "2026-03-17", "2026-05-23", child=True))  # rejected: for adults
    insured.submit(family.enroll(family.base, "2026-03-17", "2026-05-23", child=True))
    insured.submit(family.leave("2026-12-01", module_id=family.plus))


def test_removed_days_are_gone_from_every_table_and_server_and_others_stay(pair: Pair) -> None:
    internal = connected_to(pair.servers[0].internal_address)
    insured = Insured(pair.channels[0], internal).set_up()
    history(insured)
    family = insured.family
    before = {n: family.group(revision=n) for n in range(1, family.group().revision + 1)}
    assert len(before) == 5
    locator = insured.records("2026-03-20", family.child)[0].locator
    with watching(pair.channels[0], BEGINNING) as call:
        last = next_events(call, 6)[-1].event_id
    assert set(tables_with(pair.url, *DAYS)) == set(DAYS)

    erase(family, family.child, keep_periods=False)

    assert tables_with(pair.url, *DAYS) == {}
    for channel in pair.channels:
        seen = Family(channel, **family.ids())
        assert seen.group().revision == 5
        for n, group in before.items():
            assert list(seen.group(revision=n).periods) == of_others(family, group)
        answers = everything_read(channel, family, last)
        assert "day: 17" not in answers
        assert "day: 23" not in answers
        checks = Insured(channel, internal, **family.ids()).checks
        asked = eligibility_check_service_pb2.ListMemberCoverageRequest(
            member_id=family.child, days=span("2026-01-01", "2026-12-31")
        )
        assert not checks.ListMemberCoverage(asked).records
        check = eligibility_check_service_pb2.EligibilityCheck(member_id=family.child, date=date("2026-03-20"))
        request = eligibility_check_service_pb2.CheckEligibilityRequest(check=check)
        assert not checks.CheckEligibility(request).covered
        located = eligibility_check_service_pb2.GetCoverageRequest(locator=locator)
        assert failure_of(checks.GetCoverage, located).reason == "COVERAGE_UNKNOWN"
        assert always_true(seen, channel, last)
    internal.close()


def always_true(family: Family, channel: grpc.Channel, last: str) -> bool:
    """Asserts that revisions are the sum of their differences, replaying changes nothing, and the feed agrees."""
    group = family.group()
    days: dict[str, Days] = {}
    for n in range(1, group.revision + 1):
        request = enrollment_query_service_pb2.DiffRevisionsRequest(
            group_id=group.group_id, from_revision=n - 1, to_revision=n
        )
        for difference in family.queries.DiffRevisions(request).differences:
            gained, lost = (Days.of(*map(span_from_proto, spans)) for spans in (difference.gained, difference.lost))
            days[difference.enrollment_id] = (days.get(difference.enrollment_id, NO_DAYS) - lost) | gained
        assert settled(family.group(revision=n)) == {key: its for key, its in days.items() if its}
    dry = change_request_service_pb2.RequestRecomputeRequest(request_id=new_id(), group_id=group.group_id, dry_run=True)
    outcome = family.requests.RequestRecompute(dry)
    assert not outcome.differences
    assert not outcome.unmet_enrolls
    made = [
        event.policy_revision
        for event in events_in(everything(channel, BEGINNING, last))
        if event.HasField("policy_revision")
    ]
    assert [revision.revision for revision in made] == list(range(1, group.revision + 1))
    for revision in made:
        assert list(revision.periods) == list(family.group(revision=revision.revision).periods)
    return True


def test_the_group_can_still_be_changed_in_the_future(family: Family) -> None:
    family.submit(
        family.enroll(family.base, "2026-01-01"), family.enroll(family.base, "2026-03-17", "2026-05-23", child=True)
    )
    erase(family, family.child, keep_periods=False)
    later = family.submit(family.enroll(family.plus, "2027-01-01"))
    assert later.group.revision == 2
    assert {period.member_id for period in later.group.periods} == {family.primary}


def compute(family: Family, first: str, last: str) -> premium_computation_service_pb2.ComputePremiumsRequest:
    policy = insurance_cost_pb2.Policy(key=family.key)
    return premium_computation_service_pb2.ComputePremiumsRequest(
        request_id=new_id(), policy=policy, months=months(first, last)
    )


@pytest.fixture
def priced(family: Family) -> Family:
    """A family whose child was covered in February and March 2026, under a contract with prices."""
    family.amend(priced_contract(family))
    child = family.enroll(family.base, "2026-02-01", "2026-03-31", child=True)
    family.submit(family.enroll(family.base, "2026-01-01"), child, requester=admin())
    return family


def test_periods_with_premiums_are_not_removed(priced: Family) -> None:
    premiums: Any = PremiumComputationServiceStub(priced.channel)
    premiums.ComputePremiums(compute(priced, "2026-03", "2026-03"))
    failure = refused(priced, priced.child)
    assert (failure.code, failure.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "PERIODS_IN_USE")
    assert len(of_child(priced)) == 1


def test_premiums_of_other_months_stay_and_unknown_months_are_refused(priced: Family) -> None:
    premiums: Any = PremiumComputationServiceStub(priced.channel)
    premiums.ComputePremiums(compute(priced, "2026-05", "2026-06"))  # when the child was not covered
    erase(priced, priced.child, keep_periods=False)
    assert premiums.ComputePremiums(compute(priced, "2026-05", "2026-06")).offsets == 0
    # It is no longer known in which of the other months the child was covered.
    for call, request in (
        (premiums.ComputePremiums, compute(priced, "2026-02", "2026-02")),
        (
            premiums.PreviewPremiums,
            premium_computation_service_pb2.PreviewPremiumsRequest(
                policy=insurance_cost_pb2.Policy(key=priced.key), months=months("2026-02", "2026-02")
            ),
        ),
    ):
        failure = failure_of(call, request)
        assert (failure.reason, failure.facts["member_id"]) == ("MEMBER_ERASED", priced.child)


def of_child(family: Family) -> list[Any]:
    return [period for period in family.group().periods if period.member_id == family.child]


def test_periods_with_applications_are_not_removed(server_channel: grpc.Channel, internal: Any) -> None:
    insured = Insured(server_channel, internal).set_up()
    insured.enroll("2026-01-01")
    insured.enroll("2026-03-17", "2026-05-23", child=True)
    insured.apply("2026-04-01", insured.family.child, physio=1)
    assert refused(insured.family, insured.family.child).reason == "PERIODS_IN_USE"
    erase(insured.family, insured.family.child, keep_periods=True)
    assert refused(insured.family, insured.family.child).reason == "PERIODS_IN_USE"


def test_periods_can_be_removed_after_an_erasure_that_kept_them(family: Family) -> None:
    family.submit(
        family.enroll(family.base, "2026-01-01"), family.enroll(family.base, "2026-03-17", "2026-05-23", child=True)
    )
    first = erase(family, family.child)
    assert len(of_child(family)) == 1
    assert erase(family, family.child, keep_periods=False).erased_on == first.erased_on
    assert of_child(family) == []
    assert erase(family, family.child).erased_on == first.erased_on


# ------------------------------------------------------------------------------------------- the function itself


def test_the_database_function_checks_the_state_and_records_the_removal(pair: Pair) -> None:
    family = Family(pair.channels[0]).set_up()
    family.submit(
        family.enroll(family.base, "2026-01-01"), family.enroll(family.base, "2026-03-17", "2026-05-23", child=True)
    )
    with psycopg.connect(application_url(pair.url), autocommit=True) as role:
        erasing = "SELECT erase_member(%s, %s, %s, 'a call')"
        for member, day in ((family.primary, "today"), (family.primary, "9999-12-31"), (family.child, "1900-01-01")):
            with pytest.raises(psycopg.errors.RestrictViolation):
                role.execute(erasing, [member, day, False])
        for arguments in ((new_id(), "today", False), (family.child, None, False), (family.child, "today", None)):
            with pytest.raises(psycopg.errors.NoDataFound):
                role.execute(erasing, arguments)
        role.execute(erasing, [family.child, "today", False])
        role.execute(erasing, [family.child, "1900-01-01", False])
    with psycopg.connect(pair.url) as owner:
        rows = owner.execute(
            "SELECT method, outcome, database_role, ids->>'group_id[0]' FROM audit_entry"
            " JOIN audit_entry_id USING (entry_key) WHERE named_id = %s AND call_id = 'a call' ORDER BY entry_key",
            [family.child],
        ).fetchall()
        on = owner.execute("SELECT DISTINCT erased_on FROM erasure WHERE member_id = %s", [family.child]).fetchall()
    trace = ("/affilia.database/erase_member", "affilia_test_application", family.group().group_id)
    assert rows == [(trace[0], outcome, *trace[1:]) for outcome in ("OK", "ERASED_AGAIN")]
    assert len(on) == 1
