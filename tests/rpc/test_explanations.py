"""Explanations: violations with their facts, simulations, choices, and decisions that the facts no longer support."""

from google.protobuf.message import Message

from affilia.catalog.v1 import condition_pb2, contract_pb2, member_pb2, member_service_pb2, pricing_pb2
from affilia.enrollment.v1 import change_request_pb2, change_request_service_pb2, enrollment_query_service_pb2
from affilia.type.v1 import membership_type_pb2
from tests.scenarios.enrollment_messages import date, span
from tests.support.calls import Family, admin, failure_of, new_id

NEEDS_PLUS = "OPTION_NEEDS_PLUS"
BRACKET = "SALARY_BRACKET"


def bracketed(family: Family) -> contract_pb2.Contract:
    """PLUS requires a salary of the primary; the option requires PLUS."""
    contract = family.contract()
    plus, option = contract.versions[0].modules[1], contract.versions[0].modules[2]
    salary = condition_pb2.SalaryCondition(subject=condition_pb2.SUBJECT_PRIMARY, min_minor=4_000_000)
    plus.rules.add(code=BRACKET, condition=condition_pb2.Condition(salary=salary))
    on_plus = condition_pb2.EnrolledOnCondition(subject=condition_pb2.SUBJECT_SELF, module_ids=[family.plus])
    del option.rules[:]
    option.rules.add(code=NEEDS_PLUS, condition=condition_pb2.Condition(enrolled_on=on_plus))
    return contract


def earn(family: Family, *salaries: tuple[str, str | None, int]) -> None:
    request = member_service_pb2.RecordFactsRequest(request_id=new_id(), member_id=family.primary)
    for first, last, yearly in salaries:
        request.employments.items.add(
            days=span(first, last),
            employer_id="ACME",
            status=condition_pb2.EMPLOYMENT_STATUS_ACTIVE,
            salary=member_pb2.Salary(yearly_minor=yearly, currency_code="EUR"),
        )
    request.employments.SetInParent()
    family.members.RecordFacts(request)


def recomputes(family: Family) -> list[change_request_pb2.Recompute]:
    """Returns all recomputes of the family, once none is waiting."""
    request = change_request_service_pb2.ListRecomputesRequest(group_id=family.group().group_id)
    while True:
        page = family.requests.ListRecomputes(request)
        if not page.waiting_count:
            return list(page.recomputes)


def test_a_violation_names_its_facts_and_the_missing_ones(family: Family) -> None:
    family.amend(bracketed(family))
    answer = family.submit(family.enroll(family.plus, "2026-03-01"), family.enroll(family.option, "2026-03-01"))
    needs, bracket = answer.change_request.violations
    assert (needs.rule_code, bracket.rule_code) == (NEEDS_PLUS, BRACKET)
    assert list(needs.days) == [span("2026-03-01", "2026-03-01")]
    (cause,) = needs.chain
    assert (cause.rule_code, cause.module_id, cause.on) == (BRACKET, family.plus, date("2026-03-01"))
    assert [m.kind for m in cause.missing_facts] == [change_request_pb2.FACT_KIND_SALARY]
    assert not bracket.chain
    assert "salary unknown" in bracket.message


def test_a_recompute_reports_every_decision_that_the_facts_no_longer_support(family: Family) -> None:
    family.amend(bracketed(family))
    earn(family, ("2020-01-01", None, 5_000_000))
    submitted = family.submit(family.enroll(family.plus, "2026-03-01"), family.enroll(family.option, "2026-03-01"))
    earn(family, ("2020-01-01", "2026-09-14", 5_000_000), ("2026-09-15", None, 3_800_000))
    done = recomputes(family)[-1]
    assert (done.state, done.revision) == (change_request_pb2.RECOMPUTE_STATE_DONE, 2)
    assert family.group().cause.recompute_id == done.recompute_id
    unmet = {(u.change_index, u.module_id): u for u in done.unmet_enrolls}
    assert unmet.keys() == {(0, family.plus), (1, family.option)}
    for enroll in unmet.values():
        assert enroll.change_request_id == submitted.change_request.change_request_id
        assert list(enroll.days) == list(enroll.newly_unmet) == [span("2026-09-15", None)]
    (reason,) = unmet[1, family.option].reasons
    assert (reason.rule_code, [c.rule_code for c in reason.chain]) == (NEEDS_PLUS, [BRACKET])


def test_a_dry_run_reports_what_would_change_and_stores_nothing(family: Family) -> None:
    family.submit(family.enroll(family.option, "2026-03-01"))
    request = change_request_service_pb2.RequestRecomputeRequest(
        request_id=new_id(), group_id=family.group().group_id, dry_run=True
    )
    answer = family.requests.RequestRecompute(request)
    assert not answer.differences
    assert not answer.unmet_enrolls
    assert recomputes(family) == []
    whole_contract = change_request_service_pb2.RequestRecomputeRequest(
        request_id=new_id(), contract_id=family.contract_id, dry_run=True
    )
    assert set(failure_of(family.requests.RequestRecompute, whole_contract).violations) == {"dry_run"}


def test_simulating_stores_nothing_and_needs_no_group(family: Family) -> None:
    simulated = family.requests.SimulateChangeRequest(
        change_request_service_pb2.SimulateChangeRequestRequest(
            requester=admin(), group=family.key, changes=[family.enroll(family.base, "2026-01-01")]
        )
    )
    assert simulated.verdict == change_request_pb2.VERDICT_APPROVED
    assert not simulated.periods_before
    assert [p.module_id for p in simulated.periods_after] == [family.base]
    unknown = enrollment_query_service_pb2.GetEnrollmentGroupRequest(key=family.key)
    assert failure_of(family.queries.GetEnrollmentGroup, unknown).reason == "GROUP_UNKNOWN"


def choose(family: Family, **more: object) -> dict[str, change_request_pb2.Choice]:
    request = change_request_service_pb2.ListAvailableChoicesRequest(
        key=family.key, member_id=family.child, on=date("2026-03-01")
    )
    for name, value in more.items():
        if isinstance(value, Message):
            getattr(request, name).CopyFrom(value)
        else:
            setattr(request, name, value)
    return {choice.module_id: choice for choice in family.requests.ListAvailableChoices(request).choices}


def test_choices_report_what_is_allowed_and_why_or_from_when_not(family: Family) -> None:
    family.submit(family.enroll(family.base, "2026-01-01", child=True))
    found = choose(family)
    assert list(found) == [family.base, family.plus, family.option]
    assert (found[family.base].enrolled, found[family.base].allowed) == (True, True)
    assert (found[family.plus].enrolled, found[family.plus].allowed) == (False, True)
    option = found[family.option]
    assert not option.allowed
    assert [reason.rule_code for reason in option.reasons] == ["ADULT"]
    assert not option.HasField("first_allowed_later")
    soon = choose(family, on=date("2032-01-01"))[family.option]
    assert soon.first_allowed_later == date("2033-06-01")
    assert choose(family, on=date("2024-12-31")) == {}


def test_choices_of_a_new_member_use_the_given_membership_type(family: Family) -> None:
    only_partners = family.contract()
    only_partners.versions[0].modules[1].membership_types.append(membership_type_pb2.MEMBERSHIP_TYPE_PARTNER)
    family.amend(only_partners)
    as_child = choose(family)[family.plus]
    assert [r.code for r in as_child.reasons] == [change_request_pb2.VIOLATION_CODE_NOT_OFFERED]
    assert choose(family, membership_type=membership_type_pb2.MEMBERSHIP_TYPE_PARTNER)[family.plus].allowed


def test_differences_carry_cause_and_reason(family: Family) -> None:
    change = family.enroll(family.base, "2026-01-01")
    change.reason_code, change.note = "NEW_HIRE", "began on the second"
    first = family.submit(change, requester=admin("called us"))
    family.submit(family.leave("2027-01-01"))
    request = enrollment_query_service_pb2.DiffRevisionsRequest(
        group_id=first.group.group_id, from_revision=0, to_revision=2
    )
    (difference,) = family.queries.DiffRevisions(request).differences
    hired, left = difference.causes
    assert (hired.revision, hired.reason_code, hired.note) == (1, "NEW_HIRE", "began on the second")
    assert hired.cause.change_request_id == first.change_request.change_request_id
    assert hired.requester_reason == "called us"
    assert (left.revision, left.reason_code) == (2, "")


def test_the_cost_of_a_choice_agrees_with_its_simulation(family: Family) -> None:
    contract = bracketed(family)
    del contract.versions[0].modules[1].rules[:]
    contract.versions[0].pricing.age_grid.SetInParent()
    for n, module in enumerate(contract.versions[0].modules):
        grid = pricing_pb2.AgeGridRow(
            beneficiary_types=[membership_type_pb2.MEMBERSHIP_TYPE_PRIMARY], min_age=0, monthly_minor=1_000 << n
        )
        module.pricing.age_grid.standard.append(grid)
    family.amend(contract)
    # The option requires PLUS; from June on the primary is on BASE, and an earlier request still asks for the option.
    enrolls = [(family.plus, "2026-02-01"), (family.option, "2026-02-01"), (family.base, "2026-06-01")]
    family.submit(*(family.enroll(module, first) for module, first in enrolls), requester=admin())
    paid = {}
    for on in ("2026-03-01", "2026-07-01"):
        listed = family.requests.ListAvailableChoices(
            change_request_service_pb2.ListAvailableChoicesRequest(
                key=family.key, member_id=family.primary, on=date(on)
            )
        )
        for choice in listed.choices:
            would = family.requests.SimulateChangeRequest(
                change_request_service_pb2.SimulateChangeRequestRequest(
                    requester=admin(),
                    group=family.key,
                    changes=[family.enroll(choice.module_id, on)],
                    cost_on=date(on),
                )
            )
            assert choice.cost == would.cost
            paid[on, choice.module_id] = choice.cost.after.overall.untaxed_minor
    base, plus, option = (1_000 << n for n in range(3))
    assert paid == {
        ("2026-03-01", family.base): base,
        ("2026-03-01", family.plus): plus + option,
        ("2026-03-01", family.option): plus + option,
        ("2026-07-01", family.base): base,
        ("2026-07-01", family.plus): plus + option,
        ("2026-07-01", family.option): base,
    }
