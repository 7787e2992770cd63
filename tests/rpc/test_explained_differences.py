"""ExplainDifference over the wire: what decided a revision, who recorded it, and what each caller can see of it."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import grpc
import psycopg
import pytest
from psycopg.types.json import Jsonb

from affilia.catalog.v1 import condition_pb2, contract_pb2, member_service_pb2
from affilia.enrollment.v1 import change_request_pb2
from affilia.enrollment.v1.change_request_service_pb2_grpc import ChangeRequestServiceStub
from affilia.history.v1 import explanation_pb2, history_entry_pb2, history_service_pb2
from affilia.history.v1.history_service_pb2_grpc import HistoryServiceStub
from affilia.type.v1 import actor_pb2
from tests.conftest import ServerProcess
from tests.rpc.test_explanations import recomputes
from tests.scenarios.enrollment_messages import date, span
from tests.support.calls import Family, admin, failure_of, new_id
from tests.support.channels import connected_to
from tests.support.guarded import guarded_server
from tests.support.identities import Metadata, as_, channel_of, everything

BOSS = as_("admin", "ada")
HR_FEED = {"kind": "SERVICE", "subject": "hr-feed", "on_behalf_of": ""}
UNDER_26 = condition_pb2.Condition(age=condition_pb2.AgeCondition(subject=condition_pb2.SUBJECT_SELF, max_years=26))
ADULT = condition_pb2.Condition(age=condition_pb2.AgeCondition(subject=condition_pb2.SUBJECT_SELF, min_years=18))
DATE_OF_BIRTH, ATTRIBUTE = change_request_pb2.FACT_KIND_DATE_OF_BIRTH, change_request_pb2.FACT_KIND_ATTRIBUTE


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[ServerProcess, str]]:
    """A server that requires tokens, and the connection string of its database's owner."""
    with guarded_server(tmp_path_factory.mktemp("guarded")) as server:
        yield server


@pytest.fixture(scope="module")
def public(guarded: tuple[ServerProcess, str]) -> Iterator[grpc.Channel]:
    with connected_to(guarded[0].address) as channel:
        yield channel


@pytest.fixture
def family(public: grpc.Channel) -> Family:
    """A family set up by an admin; a service submits its change requests, in the name of members and admins."""
    made = Family(channel_of(public, BOSS)).set_up()
    made.requests = ChangeRequestServiceStub(channel_of(public, everything()))
    return made


def with_rule(family: Family, module_id: str, code: str, condition: condition_pb2.Condition) -> contract_pb2.Contract:
    contract = family.contract()
    module = next(each for each in contract.versions[0].modules if each.module_id == module_id)
    del module.rules[:]
    module.rules.add(code=code, condition=condition)
    return contract


def explain(
    family: Family, public: grpc.Channel, revision: int, caller: Metadata = BOSS, **which: str
) -> list[explanation_pb2.ExplainedRun]:
    request = history_service_pb2.ExplainDifferenceRequest(group_id=family.group().group_id, revision=revision, **which)
    return list(HistoryServiceStub(channel_of(public, caller)).ExplainDifference(request, timeout=120).runs)


def attribute_facts(family: Family, member_id: str, **attributes: str) -> None:
    request = member_service_pb2.RecordFactsRequest(request_id=new_id(), member_id=member_id)
    request.attributes.SetInParent()
    for name, value in attributes.items():
        request.attributes.items.add(days=span(None, None), name=name, value=value)
    family.members.RecordFacts(request)


@pytest.fixture
def corrected(family: Family, guarded: tuple[ServerProcess, str]) -> Family:
    """A family whose child lost days in revision 2, because hr-feed corrected the date of birth."""
    family.amend(with_rule(family, family.plus, "CHILD_AGE", UNDER_26))
    family.born(family.child, "2001-03-01")
    family.submit(family.enroll(family.base, "2026-01-01"), family.enroll(family.plus, "2026-01-01", child=True))
    family.born(family.child, "2000-03-01")
    assert recomputes(family)[-1].revision == 2
    with psycopg.connect(guarded[1]) as owner:
        owner.execute(
            "UPDATE member_revision SET actor = %s WHERE (member_id, revision) ="
            " (SELECT member_id, max(revision) FROM member_revision WHERE member_id = %s GROUP BY member_id)",
            [Jsonb(HR_FEED), family.child],
        )
    return family


def recorded_at(family: Family, member_id: str) -> datetime:
    answer = family.members.GetMember(member_service_pb2.GetMemberRequest(member_id=member_id))
    return answer.member.recorded_at.ToDatetime(tzinfo=UTC)


def test_a_corrected_birth_date_is_explained_down_to_who_recorded_it_and_when(
    corrected: Family, public: grpc.Channel
) -> None:
    (run,) = explain(corrected, public, 2)
    instant = recorded_at(corrected, corrected.child)
    assert (run.member_id, run.module_id, run.gained) == (corrected.child, corrected.plus, False)
    assert run.days == span("2026-03-01", "2027-02-28")
    (decisive,) = run.decisive_inputs
    assert (decisive.fact.member_id, decisive.fact.kind) == (corrected.child, DATE_OF_BIRTH)
    (change,) = decisive.fact.changes
    assert (change.before.born_on, change.after.born_on) == (date("2001-03-01"), date("2000-03-01"))
    assert (decisive.actor.kind, decisive.actor.subject) == (actor_pb2.ACTOR_KIND_SERVICE, "hr-feed")
    assert decisive.recorded_at.ToDatetime(tzinfo=UTC) == instant
    (rule,) = run.failed_rules
    (fact,) = rule.facts
    assert (fact.value.born_on, fact.value_before.born_on) == (date("2000-03-01"), date("2001-03-01"))
    assert (fact.actor.subject, fact.recorded_at) == ("hr-feed", decisive.recorded_at)
    assert rule.summary == (
        f"CHILD_AGE: under 26; date of birth 2000-03-01, recorded by hr-feed on {instant.date()}; before: 2001-03-01."
    )
    assert run.summary == (
        f"Lost from 2026-03-01 to 2027-02-28: date of birth of member {corrected.child} changed"
        f" from 2001-03-01 to 2000-03-01, recorded by hr-feed on {instant.date()}."
    )


def test_values_recorded_again_keep_the_origin_of_the_first_recording(corrected: Family, public: grpc.Channel) -> None:
    first = recorded_at(corrected, corrected.child)
    attribute_facts(corrected, corrected.child, colour="red")
    corrected.amend(corrected.contract())  # without the rule, the days come back
    assert recomputes(corrected)[-1].revision == 3
    corrected.amend(with_rule(corrected, corrected.plus, "CHILD_AGE", UNDER_26))
    assert recomputes(corrected)[-1].revision == 4
    (run,) = explain(corrected, public, 4)
    assert [each.WhichOneof("input") for each in run.decisive_inputs] == ["contract"]
    (fact,) = run.failed_rules[0].facts
    assert fact.recorded_at.ToDatetime(tzinfo=UTC) == first
    assert fact.value == fact.value_before
    assert "before:" not in run.failed_rules[0].summary


def test_an_amended_rule_is_decisive(family: Family, public: grpc.Channel) -> None:
    family.submit(family.enroll(family.base, "2026-01-01"), family.enroll(family.plus, "2026-01-01", child=True))
    family.amend(with_rule(family, family.plus, "ADULTS", ADULT))
    assert recomputes(family)[-1].revision == 2
    (run,) = explain(family, public, 2)
    (decisive,) = run.decisive_inputs
    assert decisive.contract.contract_id == family.contract_id
    assert decisive.contract.days == span("2025-01-01", None)
    assert decisive.contract.kind == history_entry_pb2.CHANGE_KIND_CHANGED
    assert decisive.HasField("recorded_at")
    assert [rule.rule_code for rule in run.failed_rules] == ["ADULTS"]
    assert run.summary.startswith("Lost from 2026-01-01 to 2033-05-31: contract version from 2025-01-01 changed")


def test_a_request_is_decisive_for_its_changes_and_its_consequences(family: Family, public: grpc.Channel) -> None:
    on_plus = condition_pb2.EnrolledOnCondition(subject=condition_pb2.SUBJECT_SELF, module_ids=[family.plus])
    needs_plus = condition_pb2.Condition(enrolled_on=on_plus)
    family.amend(with_rule(family, family.option, "NEEDS_PLUS", needs_plus))
    family.submit(family.enroll(family.plus, "2026-01-01"), family.enroll(family.option, "2026-01-01"))
    answer = family.submit(family.leave("2026-06-01", module_id=family.plus), accept_consequences=True)
    assert answer.change_request.revision == 2
    runs = explain(family, public, 2)
    assert {run.module_id for run in runs} == {family.plus, family.option}
    for run in runs:
        (decisive,) = run.decisive_inputs
        assert decisive.change_request_id == answer.change_request.change_request_id
        assert decisive.recorded_at == answer.change_request.recorded_at
        assert (run.days, run.gained, list(run.failed_rules)) == (span("2026-06-01", None), False, [])
    assert {run.module_id for run in explain(family, public, 2, module_id=family.option)} == {family.option}
    assert explain(family, public, 2, member_id=family.child) == []


def test_the_first_revision_is_decided_by_its_request(family: Family, public: grpc.Channel) -> None:
    answer = family.submit(family.enroll(family.base, "2026-01-01"))
    (run,) = explain(family, public, 1)
    assert run.gained
    assert [each.change_request_id for each in run.decisive_inputs] == [answer.change_request.change_request_id]


def test_two_facts_that_only_matter_together_are_both_decisive(family: Family, public: grpc.Channel) -> None:
    def has(name: str, value: str) -> condition_pb2.Condition:
        subject = condition_pb2.SUBJECT_SELF
        return condition_pb2.Condition(
            attribute=condition_pb2.AttributeCondition(subject=subject, name=name, values=[value])
        )

    either = condition_pb2.ConditionList(conditions=[has("site", "n"), has("colour", "red")])
    family.amend(with_rule(family, family.plus, "EITHER", condition_pb2.Condition(any_of=either)))
    attribute_facts(family, family.child, site="n", colour="red", shape="round")
    family.submit(family.enroll(family.base, "2026-01-01"), family.enroll(family.plus, "2026-01-01", child=True))
    attribute_facts(family, family.child, site="s")
    assert recomputes(family)[-1].revision == 2
    (run,) = explain(family, public, 2)
    assert [each.fact.attribute_name for each in run.decisive_inputs] == ["colour", "site"]
    (rule,) = run.failed_rules
    seen = {fact.name: (fact.value_before.attribute, fact.value.attribute) for fact in rule.facts}
    assert seen == {"site": ("n", "s"), "colour": ("red", "")}


def test_what_erased_facts_decided_is_incomplete(family: Family, public: grpc.Channel) -> None:
    family.amend(with_rule(family, family.plus, "CHILD_AGE", UNDER_26))
    family.born(family.child, "2001-03-01")
    spring = family.enroll(family.plus, "2026-02-01", "2026-05-31", child=True)
    family.submit(family.enroll(family.base, "2026-01-01"), spring)
    family.born(family.child, "2000-03-01")
    assert recomputes(family)[-1].revision == 2
    assert not explain(family, public, 2)[0].is_incomplete
    erase = member_service_pb2.EraseMemberRequest(request_id=new_id(), member_id=family.child)
    family.members.EraseMember(erase, timeout=120)
    (run,) = explain(family, public, 2)
    assert run.is_incomplete
    assert run.days == span("2026-03-01", "2026-05-31")
    assert list(run.failed_rules) == []
    assert run.summary == (
        "Lost from 2026-03-01 to 2026-05-31: the cause is no longer on record; no recorded inputs changed."
    )


def texts_of(runs: list[explanation_pb2.ExplainedRun]) -> str:
    return "\n".join(map(str, runs))


@pytest.mark.parametrize("kind", ["member", "service"])
def test_callers_who_cannot_read_facts_see_the_rule_and_the_kind_of_fact(
    kind: str, corrected: Family, public: grpc.Channel
) -> None:
    caller = as_("member", corrected.primary) if kind == "member" else as_("service", "crm", "enrollment.read")
    runs = explain(corrected, public, 2, caller)
    (rule,) = runs[0].failed_rules
    assert (rule.rule_code, rule.summary) == ("CHILD_AGE", "CHILD_AGE depends on date of birth.")
    assert list(rule.facts) == [explanation_pb2.SeenFact(member_id=corrected.child, kind=DATE_OF_BIRTH)]
    (decisive,) = runs[0].decisive_inputs
    assert (decisive.fact.kind, list(decisive.fact.changes)) == (DATE_OF_BIRTH, [])
    assert decisive.actor.kind == actor_pb2.ACTOR_KIND_SERVICE
    for year in (2000, 2001):
        assert f"year: {year}" not in texts_of(runs)
        assert f"{year}-03-01" not in texts_of(runs)
    assert ("hr-feed" in texts_of(runs)) == (kind == "service")


def test_a_service_that_can_read_members_sees_facts(corrected: Family, public: grpc.Channel) -> None:
    caller = as_("service", "crm", "enrollment.read", "members.read")
    assert explain(corrected, public, 2, caller) == explain(corrected, public, 2)


def test_a_member_sees_their_own_facts(family: Family, public: grpc.Channel) -> None:
    family.submit(family.enroll(family.option, "2026-01-01"))
    family.born(family.primary, "2010-06-01")
    assert recomputes(family)[-1].revision == 2
    (run,) = explain(family, public, 2, as_("member", family.primary))
    (fact,) = run.failed_rules[0].facts
    assert fact.value.born_on == date("2010-06-01")
    assert fact.actor.subject == run.decisive_inputs[0].actor.subject == ""


def test_explaining_needs_a_group_of_ones_own_or_a_scope(corrected: Family, public: grpc.Channel) -> None:
    def failed(caller: Metadata, **changed: Any) -> tuple[grpc.StatusCode, str]:
        fields = {"group_id": corrected.group().group_id, "revision": 2, **changed}
        stub = HistoryServiceStub(channel_of(public, caller))
        failure = failure_of(stub.ExplainDifference, history_service_pb2.ExplainDifferenceRequest(**fields))
        return failure.code, failure.reason

    denied = grpc.StatusCode.PERMISSION_DENIED
    assert failed(as_("member", corrected.child))[0] == denied
    assert failed(as_("member", corrected.primary), group_id=new_id())[0] == denied
    assert failed(as_("service", "checks", "eligibility.read"))[0] == denied
    assert failed(BOSS, group_id=new_id()) == (grpc.StatusCode.NOT_FOUND, "GROUP_UNKNOWN")
    assert failed(BOSS, revision=3) == (grpc.StatusCode.NOT_FOUND, "REVISION_UNKNOWN")
    assert failed(BOSS, revision=2**31 - 1) == (grpc.StatusCode.NOT_FOUND, "REVISION_UNKNOWN")
    assert failed(BOSS, revision=0)[0] == grpc.StatusCode.INVALID_ARGUMENT
    assert failed(BOSS, member_id="nobody")[0] == grpc.StatusCode.INVALID_ARGUMENT


def test_a_rejected_request_between_revisions_is_not_decisive(family: Family, public: grpc.Channel) -> None:
    family.submit(family.enroll(family.base, "2026-01-01"))
    rejected = family.submit(family.enroll(family.option, "2026-01-01", child=True), requester=admin())
    assert rejected.change_request.verdict == change_request_pb2.VERDICT_REJECTED
    family.submit(family.enroll(family.option, "2026-01-01"))
    (run,) = explain(family, public, 2)
    assert rejected.change_request.change_request_id not in texts_of([run])
