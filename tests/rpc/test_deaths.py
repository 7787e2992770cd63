"""Deaths over the wire: coverage ends on the day of the death, and comes back if the recorded date was wrong."""

from typing import Any

import grpc
import pytest

from affilia.catalog.v1 import (
    catalog_service_pb2,
    condition_pb2,
    contract_pb2,
    member_pb2,
    member_service_pb2,
)
from affilia.enrollment.v1 import change_request_pb2
from affilia.history.v1 import fact_change_pb2, history_entry_pb2, history_service_pb2
from affilia.history.v1.history_service_pb2_grpc import HistoryServiceStub
from affilia.type.v1.date_span_pb2 import DateSpan
from tests.rpc.test_explanations import recomputes
from tests.scenarios.enrollment_messages import date, span
from tests.support.calls import Failure, Family, failure_of, new_id
from tests.support.insured import Insured
from tests.support.waiting import wait_until

DIED = "2026-03-10"
NOT_LIMITED = catalog_service_pb2.PUBLICATION_WARNING_CODE_NOT_LIMITED_TO_LIFE


def alive(subject: str = "SELF") -> condition_pb2.Condition:
    number = condition_pb2.Subject.Value(f"SUBJECT_{subject}")
    return condition_pb2.Condition(alive=condition_pb2.AliveCondition(subject=number))


def limited_to_life(contract: contract_pb2.Contract) -> contract_pb2.Contract:
    for version in contract.versions:
        version.rules.add(code="ALIVE", condition=alive())
    return contract


def record(family: Family, member_id: str, died_on: str | None, **more: Any) -> member_service_pb2.RecordFactsRequest:
    death = member_pb2.Death(died_on=date(died_on) if died_on else None)
    return member_service_pb2.RecordFactsRequest(request_id=new_id(), member_id=member_id, death=death, **more)


def die(family: Family, member_id: str, died_on: str | None) -> None:
    family.members.RecordFacts(record(family, member_id, died_on))
    recomputes(family)


def facts_of(family: Family, member_id: str, **how: Any) -> member_pb2.MemberFacts:
    return family.members.GetMember(member_service_pb2.GetMemberRequest(member_id=member_id, **how)).facts


def covered(family: Family, member_id: str) -> list[DateSpan]:
    """Returns the days on which a member is enrolled on BASE."""
    return [each.days for each in family.group().periods if each.member_id == member_id]


@pytest.fixture
def insured(server_channel: grpc.Channel, internal: grpc.Channel) -> Insured:
    """A family on BASE from 2026-01-01; every module requires a living member."""
    insured = Insured(server_channel, internal).set_up()
    insured.family.amend(limited_to_life(insured.contract()))
    insured.submit(
        insured.family.enroll(insured.family.base, "2026-01-01"),
        insured.family.enroll(insured.family.base, "2026-01-01", child=True),
    )
    return insured


@pytest.fixture
def living(insured: Insured) -> Family:
    return insured.family


def test_coverage_ends_on_the_day_of_the_death(living: Family) -> None:
    die(living, living.child, DIED)
    assert covered(living, living.child) == [span("2026-01-01", DIED)]
    assert covered(living, living.primary) == [span("2026-01-01", None)]
    assert facts_of(living, living.child).died_on == date(DIED)


def test_eligibility_follows_a_death_and_its_deletion(insured: Insured) -> None:
    child = insured.family.child
    die(insured.family, child, DIED)
    wait_until(lambda: insured.reason("2026-03-11", child) == "COVERAGE_ENDED", "the day after the death isn't covered")
    assert insured.reason(DIED, child) == "COVERED"
    die(insured.family, child, None)
    wait_until(lambda: insured.reason("2026-03-11", child) == "COVERED", "the day after is covered again")


def test_a_corrected_date_moves_the_end_and_a_deleted_one_reinstates(living: Family) -> None:
    die(living, living.child, DIED)
    die(living, living.child, "2026-04-02")
    assert covered(living, living.child) == [span("2026-01-01", "2026-04-02")]
    die(living, living.child, None)
    assert covered(living, living.child) == [span("2026-01-01", None)]
    assert not facts_of(living, living.child).HasField("died_on")
    assert covered(living, living.primary) == [span("2026-01-01", None)]


def test_an_enrollment_after_the_death_is_rejected(living: Family) -> None:
    die(living, living.child, DIED)
    later = living.submit(living.enroll(living.plus, "2026-05-01", child=True)).change_request
    assert [violation.rule_code for violation in later.violations] == ["ALIVE"]
    assert not later.violations[0].missing_facts


def test_a_member_without_a_date_of_birth_is_alive_and_none_is_before_it(living: Family) -> None:
    living.born(living.child, None)
    recomputes(living)
    assert covered(living, living.child) == [span("2026-01-01", None)]
    living.born(living.child, "2026-02-01")
    recomputes(living)
    assert covered(living, living.child) == [span("2026-02-01", None)]


def test_a_rule_can_require_that_the_primary_is_alive(living: Family) -> None:
    contract = living.contract()
    contract.versions[0].modules[0].rules.add(code="PRIMARY_ALIVE", condition=alive("PRIMARY"))
    living.amend(contract)
    die(living, living.primary, DIED)
    assert covered(living, living.child) == [span("2026-01-01", DIED)]


def test_the_history_has_the_date_and_the_recompute(living: Family, server_channel: grpc.Channel) -> None:
    die(living, living.child, DIED)
    die(living, living.child, None)
    asked = history_service_pb2.ListHistoryRequest(member_id=living.child, kinds=[history_entry_pb2.HISTORY_KIND_FACT])
    deleted, recorded, *_ = HistoryServiceStub(server_channel).ListHistory(asked).entries
    change = fact_change_pb2.FactChange(member_id=living.child, kind=change_request_pb2.FACT_KIND_DATE_OF_DEATH)
    value = fact_change_pb2.FactValue(died_on=date(DIED))
    change.after.CopyFrom(value)
    assert list(recorded.fact.changes) == [change]
    change.ClearField("after")
    change.before.CopyFrom(value)
    assert list(deleted.fact.changes) == [change]
    assert recorded.summary == "Recorded: date of death."


def test_an_explanation_names_the_death_and_who_recorded_it(living: Family, server_channel: grpc.Channel) -> None:
    die(living, living.child, DIED)
    group = living.group()
    asked = history_service_pb2.ExplainDifferenceRequest(group_id=group.group_id, revision=group.revision)
    (run,) = HistoryServiceStub(server_channel).ExplainDifference(asked, timeout=120).runs
    (decisive,) = run.decisive_inputs
    assert (run.days, decisive.fact.kind) == (span("2026-03-11", None), change_request_pb2.FACT_KIND_DATE_OF_DEATH)
    assert decisive.fact.changes[0].after.died_on == date(DIED)
    (rule,) = run.failed_rules
    (fact,) = rule.facts
    assert (rule.rule_code, fact.value.died_on, fact.actor.subject) == ("ALIVE", date(DIED), "dev")
    assert rule.summary.startswith(f"ALIVE: alive; died on {DIED}, recorded by dev on ")


def test_erasing_a_member_deletes_the_date_of_death(living: Family) -> None:
    die(living, living.child, DIED)
    at = living.members.GetMember(member_service_pb2.GetMemberRequest(member_id=living.child)).member.recorded_at
    living.members.EraseMember(member_service_pb2.EraseMemberRequest(request_id=new_id(), member_id=living.child))
    assert facts_of(living, living.child) == facts_of(living, living.child, as_of=at) == member_pb2.MemberFacts()
    assert covered(living, living.child) == [span("2026-01-01", DIED)]


# ------------------------------------------------------------------------------------------------- bad input


def rejected(family: Family, request: member_service_pb2.RecordFactsRequest) -> Failure:
    before = facts_of(family, request.member_id)
    failure = failure_of(family.members.RecordFacts, request)
    assert failure.code == grpc.StatusCode.INVALID_ARGUMENT
    assert facts_of(family, request.member_id) == before
    return failure


def test_a_death_before_the_birth_is_rejected(living: Family) -> None:
    assert list(rejected(living, record(living, living.child, "2015-05-31")).violations) == ["death.died_on"]
    die(living, living.child, "2015-06-01")


def test_a_birth_after_the_death_is_rejected(living: Family) -> None:
    die(living, living.child, DIED)
    birth = member_pb2.Birth(born_on=date("2026-03-11"))
    request = member_service_pb2.RecordFactsRequest(request_id=new_id(), member_id=living.child, birth=birth)
    assert list(rejected(living, request).violations) == ["birth.born_on"]


def test_a_date_of_death_has_no_days(living: Family) -> None:
    assert list(rejected(living, record(living, living.child, DIED, spans=True)).violations) == ["spans"]
    cleared = [member_service_pb2.ClearedDays(days=span("2026-01-01", None))]
    assert list(rejected(living, record(living, living.child, DIED, cleared=cleared)).violations) == ["cleared"]


def test_a_date_that_does_not_exist_is_rejected(living: Family) -> None:
    request = record(living, living.child, DIED)
    request.death.died_on.day = 32
    assert list(rejected(living, request).violations) == ["death.died_on"]


@pytest.mark.parametrize("subject", ["ANY_MEMBER", "EVERY_MEMBER", "UNSPECIFIED"])
def test_only_self_or_the_primary_can_be_required_to_be_alive(family: Family, subject: str) -> None:
    contract = Family(family.channel).contract()
    contract.versions[0].rules.add(code="ALIVE", condition=alive(subject))
    request = catalog_service_pb2.PublishContractRequest(request_id=new_id(), contract=contract)
    failure = failure_of(family.catalog.PublishContract, request)
    assert failure.code == grpc.StatusCode.INVALID_ARGUMENT
    assert list(failure.violations) == ["contract.versions[0].rules[0].condition.alive.subject"]


# -------------------------------------------------------------------------------------------------- warnings


def fields(warnings: Any) -> list[str]:
    assert {warning.code for warning in warnings} <= {NOT_LIMITED}
    return [warning.field for warning in warnings]


def test_every_call_that_publishes_warns_about_modules_that_are_not_limited_to_life(family: Family) -> None:
    new = Family(family.channel)
    contract = new.contract()
    contract.versions[0].modules[1].rules.add(code="ALIVE", condition=alive())
    publish = catalog_service_pb2.PublishContractRequest(request_id=new_id(), contract=contract)
    expected = ["versions[0].modules[0]", "versions[0].modules[2]"]
    published = new.catalog.PublishContract(publish)
    assert fields(published.warnings) == expected
    assert new.base in published.warnings[0].message

    amend = catalog_service_pb2.AmendContractRequest(
        request_id=new_id(),
        contract_id=new.contract_id,
        versions=limited_to_life(new.contract()).versions,
        etag=published.contract.etag,
    )
    assert not new.catalog.AmendContract(amend).warnings

    version = new.contract().versions[0]
    version.days.CopyFrom(span("2027-01-01", None))
    add = catalog_service_pb2.AddContractVersionRequest(
        request_id=new_id(), contract_id=new.contract_id, version=version
    )
    added = new.catalog.AddContractVersion(add)
    assert fields(added.warnings) == [f"versions[1].modules[{n}]" for n in range(3)]

    assert new.catalog.PublishContract(publish).warnings == published.warnings
    assert not new.catalog.AmendContract(amend).warnings
    assert new.catalog.AddContractVersion(add).warnings == added.warnings
