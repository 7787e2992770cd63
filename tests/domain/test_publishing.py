"""Checks of contracts: what is rejected, and that everything else can be published. `test_price_checks.py` covers
prices.
"""

from collections.abc import Callable
from dataclasses import replace

import pytest

from domain.catalog.contract import Contract, LimitKind, LimitUnit, ServiceType, TermStart
from domain.catalog.prices import Scheme, StaticTableRow, VersionPricing
from domain.days import Span
from domain.enrollment.verdicts import ViolationCode
from domain.members import EmploymentStatus
from domain.membership import MembershipType
from domain.publishing.contracts import contract_violations
from domain.rules.conditions import (
    Age,
    AgeEnd,
    Alive,
    AllOf,
    AnyOf,
    CalendarStart,
    Condition,
    Employed,
    EnrolledOn,
    HasAttribute,
    Negation,
    Residence,
    SalaryRange,
    Subject,
    Tenure,
)
from tests.support.builders import (
    ADULT,
    a_contract,
    a_discount,
    a_grid,
    a_limit,
    a_module,
    a_module_pricing,
    a_rule,
    a_span,
    a_version,
    an_id,
)

CHILD, PARTNER, PRIMARY = MembershipType.CHILD, MembershipType.PARTNER, MembershipType.PRIMARY
ALL_2026 = a_span("2026-01-01", "2026-12-31")
FROM_2027 = a_span("2027-01-01")
CONDITION = "versions[0].rules[0].condition"


def faults(contract: Contract) -> list[str]:
    """Returns the paths of all violations in order. Comparing lists makes sure that none is reported twice."""
    return sorted(violation.field for violation in contract_violations(contract))


def with_condition(condition: Condition) -> Contract:
    return a_contract(a_version(rules=[a_rule(condition=condition)]))


# ------------------------------------------------------------------------------------------------- what may be


def test_the_contract_of_the_enrollment_example_can_be_published() -> None:
    base = a_module(
        "BASE",
        slot="base",
        rules=[a_rule("EMPLOYED", Employed(Subject.PRIMARY, (EmploymentStatus.ACTIVE,), True))],
    )
    base_plus = a_module(
        "BASE_PLUS",
        slot="base",
        commitment_months=12,
        rules=[a_rule("SALARY_BRACKET", SalaryRange(Subject.PRIMARY, 4_000_000, None, True))],
    )
    option = a_module(
        "OPTION",
        service_type=ServiceType.OPTION,
        rules=[a_rule("NEEDS_BASE_PLUS", EnrolledOn(Subject.SELF, (base_plus.module_id,)))],
    )
    child_age = a_rule("CHILD_AGE", Age(Subject.SELF, None, 25), applies_to=[CHILD])
    needs_primary = a_rule("NEEDS_PRIMARY", EnrolledOn(Subject.PRIMARY, ()), applies_to=[PARTNER, CHILD])
    version = a_version(base, base_plus, option, rules=[child_age, needs_primary])
    assert faults(a_contract(version)) == []


def test_versions_that_follow_each_other_can_be_published_and_the_last_can_be_open() -> None:
    assert faults(a_contract(a_version(days=ALL_2026), a_version(days=FROM_2027))) == []
    assert faults(a_contract(a_version(days=ALL_2026))) == []


def test_a_module_can_depend_on_itself_and_two_modules_on_each_other() -> None:
    on_option = a_rule("ON_OPTION", EnrolledOn(Subject.SELF, (an_id("base"), an_id("option"))))
    on_base = a_rule("ON_BASE", EnrolledOn(Subject.ANY_MEMBER, (an_id("base"),)))
    version = a_version(a_module("base", rules=[on_option]), a_module("option", rules=[on_base]))
    assert faults(a_contract(version)) == []


def test_a_rule_can_name_a_module_that_only_another_version_lists() -> None:
    rule = a_rule("HAD_OLD", EnrolledOn(Subject.SELF, (an_id("old"),)))
    earlier = a_version(a_module("old"), days=ALL_2026)
    later = a_version(a_module("new", rules=[rule]), days=FROM_2027)
    assert faults(a_contract(earlier, later)) == []


def test_the_same_rule_code_in_two_versions_is_the_same_rule() -> None:
    earlier, later = a_version(days=ALL_2026, rules=[a_rule()]), a_version(days=FROM_2027, rules=[a_rule()])
    assert faults(a_contract(earlier, later)) == []


def test_every_combination_of_facts_of_self_and_primary_can_be_negated() -> None:
    leaves: tuple[Condition, ...] = (
        Age(Subject.SELF, 18, 19),
        SalaryRange(Subject.PRIMARY, 0, 1, False),
        Employed(Subject.SELF, (), True),
        Tenure(Subject.PRIMARY, 0, False),
        Residence(Subject.SELF, ("FR", "BE"), ("75",)),
        HasAttribute(Subject.PRIMARY, "GRADE", ("A",)),
        Alive(Subject.SELF),
    )
    assert faults(with_condition(Negation(AllOf((AnyOf(leaves), Negation(ADULT)))))) == []


def test_modules_of_one_slot_can_carry_the_same_limit_code_also_across_versions() -> None:
    limits = [a_limit(), a_limit(LimitKind.BENEFIT, "DENTAL", unit=LimitUnit.VISITS, family_amount=5)]
    low, high = a_module("low", slot="base", limits=limits), a_module("high", slot="base", limits=limits)
    assert faults(a_contract(a_version(low, high, days=ALL_2026), a_version(low, days=FROM_2027))) == []


@pytest.mark.parametrize("zone", ["UTC", "Europe/Brussels", "America/Argentina/Buenos_Aires"])
def test_time_zones_of_the_iana_list_are_known(zone: str) -> None:
    assert faults(a_contract(time_zone=zone)) == []


@pytest.mark.parametrize(("month", "day"), [(1, 1), (1, 31), (2, 28), (4, 30), (12, 31)])
def test_a_term_can_start_on_any_day_of_every_year(month: int, day: int) -> None:
    assert faults(a_contract(term_start=TermStart(month, day))) == []


# -------------------------------------------------------------------------------------------------- the header


def test_an_unknown_country_is_rejected() -> None:
    assert faults(a_contract(country_code="XX")) == ["country_code"]


def test_an_unknown_currency_is_rejected() -> None:
    assert faults(a_contract(currency_code="EURO")) == ["currency_code"]


@pytest.mark.parametrize("zone", ["", "Mars/Olympus", "Europe", "../../etc/passwd", "/etc/localtime", "zone.tab"])
def test_an_unknown_time_zone_is_rejected(zone: str) -> None:
    assert faults(a_contract(time_zone=zone)) == ["time_zone"]


@pytest.mark.parametrize("zone", ["localtime", "posixrules", "Factory", "right/UTC", "posix/UTC"])
def test_a_time_zone_that_depends_on_the_machine_is_rejected(zone: str) -> None:
    assert faults(a_contract(time_zone=zone)) == ["time_zone"]


@pytest.mark.parametrize(("month", "day"), [(2, 29), (2, 30), (4, 31), (11, 31)])
def test_a_term_start_that_some_year_lacks_is_rejected(month: int, day: int) -> None:
    assert faults(a_contract(term_start=TermStart(month, day))) == ["term_start.day"]


# ------------------------------------------------------------------------------------------------ the versions


def test_a_contract_without_versions_is_rejected() -> None:
    assert faults(replace(a_contract(), versions=())) == ["versions"]


def test_a_version_without_a_first_day_is_rejected() -> None:
    assert faults(a_contract(a_version(days=a_span(None, "2026-12-31")))) == ["versions[0].days.first_on"]


def test_a_later_version_without_a_first_day_is_one_violation() -> None:
    contract = a_contract(a_version(days=ALL_2026), a_version(days=a_span(None)))
    assert faults(contract) == ["versions[1].days.first_on"]


@pytest.mark.parametrize(
    ("later", "what"),
    [
        (a_span("2027-01-02"), "leaves a gap after the previous version"),
        (a_span("2026-12-31"), "overlaps the previous version"),
        (a_span("2026-01-01"), "overlaps the previous version"),
        (a_span("2025-01-01", "2025-12-31"), "must be later than the start of the previous version"),
    ],
)
def test_versions_with_a_gap_an_overlap_or_out_of_order_are_rejected(later: Span, what: str) -> None:
    contract = a_contract(a_version(days=ALL_2026), a_version(days=later))
    (violation,) = contract_violations(contract)
    assert (violation.field, violation.description) == ("versions[1].days.first_on", what)


def test_an_open_version_that_is_not_the_last_is_rejected() -> None:
    assert faults(a_contract(a_version(), a_version(days=FROM_2027))) == ["versions[0].days.last_on"]


def test_a_module_listed_twice_in_a_version_is_rejected() -> None:
    assert faults(a_contract(a_version(a_module(), a_module()))) == ["versions[0].modules[1].module_id"]


def test_a_module_that_changes_its_slot_is_rejected() -> None:
    earlier = a_version(a_module(slot="base"), days=ALL_2026)
    later = a_version(a_module(slot=None), days=FROM_2027)
    assert faults(a_contract(earlier, later)) == ["versions[1].modules[0].slot"]


def test_a_membership_type_named_twice_is_rejected() -> None:
    module = a_module(membership_types=[PRIMARY, CHILD, PRIMARY])
    assert faults(a_contract(a_version(module))) == ["versions[0].modules[0].membership_types"]


def test_a_capability_named_twice_is_rejected() -> None:
    module = a_module(capabilities=["DENTAL", "VISION", "DENTAL"])
    assert faults(a_contract(a_version(module))) == ["versions[0].modules[0].capabilities"]


# --------------------------------------------------------------------------------------------------- the rules


def test_a_rule_code_used_twice_in_a_version_is_rejected() -> None:
    assert faults(a_contract(a_version(rules=[a_rule(), a_rule()]))) == ["versions[0].rules[1].code"]


def test_a_rule_code_used_by_the_version_and_a_module_is_rejected() -> None:
    version = a_version(a_module(rules=[a_rule()]), rules=[a_rule()])
    assert faults(a_contract(version)) == ["versions[0].modules[0].rules[0].code"]


def test_a_rule_code_used_by_two_modules_of_a_version_is_rejected() -> None:
    version = a_version(a_module("base", rules=[a_rule()]), a_module("option", rules=[a_rule()]))
    assert faults(a_contract(version)) == ["versions[0].modules[1].rules[0].code"]


@pytest.mark.parametrize(
    "code",
    [
        "NOT_OFFERED",
        "BACKDATING_LIMIT",
        "OUTSIDE_CONTRACT",
        "MEMBERSHIP_TYPE_CONFLICT",
        "COMMITMENT_NOT_ELAPSED",
        "CONSEQUENCES_NOT_ACCEPTED",
        "RULE_NOT_SATISFIED",
        *ViolationCode,
    ],
)
def test_a_rule_with_a_reserved_code_is_rejected(code: str) -> None:
    assert faults(a_contract(a_version(rules=[a_rule(str(code))]))) == ["versions[0].rules[0].code"]


def test_a_rule_that_applies_twice_to_a_type_is_rejected() -> None:
    version = a_version(rules=[a_rule(applies_to=[CHILD, CHILD])])
    assert faults(a_contract(version)) == ["versions[0].rules[0].applies_to"]


def test_a_rule_that_names_a_module_of_no_version_is_rejected() -> None:
    named = EnrolledOn(Subject.SELF, (an_id("base"), an_id("elsewhere")))
    assert faults(with_condition(named)) == [f"{CONDITION}.enrolled_on.module_ids[1]"]


@pytest.mark.parametrize("subject", Subject)
def test_a_negated_enrollment_is_rejected(subject: Subject) -> None:
    nested = AllOf((AnyOf((Negation(EnrolledOn(subject, ())),)),))
    path = f"{CONDITION}.all_of.conditions[0].any_of.conditions[0].negation.enrolled_on"
    assert faults(with_condition(nested)) == [path]


@pytest.mark.parametrize("subject", [Subject.ANY_MEMBER, Subject.EVERY_MEMBER])
def test_a_negated_fact_of_anybody_but_self_or_primary_is_rejected(subject: Subject) -> None:
    assert faults(with_condition(Negation(Age(subject, 18, None)))) == [f"{CONDITION}.negation.age.subject"]


def test_a_negation_applies_to_everything_below_it_even_through_another_negation() -> None:
    condition = Negation(AllOf((ADULT, Negation(Employed(Subject.ANY_MEMBER, (), False)))))
    path = f"{CONDITION}.negation.all_of.conditions[1].negation.employment.subject"
    assert faults(with_condition(condition)) == [path]


def nested(depth: int, wrap: Callable[[Condition], Condition]) -> Condition:
    condition: Condition = ADULT
    for _ in range(depth - 1):
        condition = wrap(condition)
    return condition


def test_conditions_can_nest_at_most_sixteen_levels() -> None:
    assert faults(with_condition(nested(16, Negation))) == []
    assert faults(with_condition(nested(17, Negation))) == [f"{CONDITION}{'.negation' * 16}"]
    assert faults(with_condition(nested(16, lambda inner: AllOf((inner,))))) == []
    assert faults(with_condition(nested(17, lambda inner: AllOf((inner,))))) == [
        f"{CONDITION}{'.all_of.conditions[0]' * 16}"
    ]


@pytest.mark.parametrize(("empty", "name"), [(AllOf(()), "all_of"), (AnyOf(()), "any_of")])
def test_an_empty_combination_is_rejected(empty: Condition, name: str) -> None:
    assert faults(with_condition(empty)) == [f"{CONDITION}.{name}.conditions"]


@pytest.mark.parametrize(("least", "most"), [(18, 18), (18, 17)])
def test_an_age_range_without_an_age_is_rejected(least: int, most: int) -> None:
    assert faults(with_condition(Age(Subject.SELF, least, most))) == [f"{CONDITION}.age.max_years"]


def test_an_age_limit_that_is_not_set_cannot_be_aligned() -> None:
    aligned = Age(Subject.SELF, None, None, AgeEnd.END_OF_MONTH, CalendarStart.FIRST_OF_MONTH)
    assert faults(with_condition(aligned)) == [f"{CONDITION}.age.begins", f"{CONDITION}.age.lasts_until"]
    assert not faults(with_condition(Age(Subject.SELF, 18, 26, AgeEnd.END_OF_YEAR, CalendarStart.FIRST_OF_NEXT_MONTH)))


@pytest.mark.parametrize(("least", "most"), [(100, 100), (100, 99)])
def test_a_salary_range_without_a_salary_is_rejected(least: int, most: int) -> None:
    condition = SalaryRange(Subject.SELF, least, most, False)
    assert faults(with_condition(condition)) == [f"{CONDITION}.salary.max_minor"]


def test_a_residence_in_an_unknown_country_is_rejected() -> None:
    condition = Residence(Subject.SELF, ("FR", "XX", "ZZ"), ())
    paths = [f"{CONDITION}.residence.country_codes[1]", f"{CONDITION}.residence.country_codes[2]"]
    assert faults(with_condition(condition)) == paths


def test_rules_of_modules_are_checked_as_those_of_versions_are() -> None:
    module = a_module(rules=[a_rule(condition=AnyOf((ADULT, AllOf(()))))])
    path = "versions[0].modules[0].rules[0].condition.any_of.conditions[1].all_of.conditions"
    assert faults(a_contract(a_version(module))) == [path]


# -------------------------------------------------------------------------------------------------- the limits


def test_a_limit_without_an_amount_is_rejected() -> None:
    module = a_module(limits=[a_limit(individual_amount=None)])
    assert faults(a_contract(a_version(module))) == ["versions[0].modules[0].limits[0]"]


def test_a_limit_of_zero_is_a_limit() -> None:
    assert faults(a_contract(a_version(a_module(limits=[a_limit(individual_amount=0)])))) == []


def test_a_benefit_without_a_name_is_rejected() -> None:
    module = a_module(limits=[a_limit(LimitKind.BENEFIT), a_limit(LimitKind.BENEFIT)])
    paths = ["versions[0].modules[0].limits[0].benefit", "versions[0].modules[0].limits[1].benefit"]
    assert faults(a_contract(a_version(module))) == paths


@pytest.mark.parametrize("kind", [LimitKind.DEDUCTIBLE, LimitKind.OUT_OF_POCKET_MAX])
def test_a_benefit_name_on_another_kind_of_limit_is_rejected(kind: LimitKind) -> None:
    module = a_module(limits=[a_limit(kind, "DENTAL")])
    assert faults(a_contract(a_version(module))) == ["versions[0].modules[0].limits[0].benefit"]


def test_a_limit_code_twice_on_a_module_is_rejected() -> None:
    module = a_module(limits=[a_limit(), a_limit(individual_amount=5)])
    assert faults(a_contract(a_version(module))) == ["versions[0].modules[0].limits[1]"]


def test_a_limit_code_on_modules_of_two_slots_is_rejected() -> None:
    version = a_version(
        a_module("base", slot="base", limits=[a_limit()]),
        a_module("dental", slot="dental", limits=[a_limit()]),
        a_module("base_plus", slot="base", limits=[a_limit()]),
    )
    assert faults(a_contract(version)) == ["versions[0].modules[1].limits[0]"]


def test_a_module_without_a_slot_is_a_slot_of_its_own_for_limit_codes() -> None:
    version = a_version(a_module("base", limits=[a_limit()]), a_module("option", limits=[a_limit()]))
    assert faults(a_contract(version)) == ["versions[0].modules[1].limits[0]"]


def test_a_slot_named_like_a_modules_id_is_another_slot() -> None:
    standing_alone = a_module("base", limits=[a_limit()])
    in_a_slot = a_module("option", slot=str(standing_alone.module_id), limits=[a_limit()])
    assert faults(a_contract(a_version(standing_alone, in_a_slot))) == ["versions[0].modules[1].limits[0]"]


def test_a_limit_code_on_modules_of_two_slots_is_rejected_also_across_versions() -> None:
    earlier = a_version(a_module("base", slot="base", limits=[a_limit()]), days=ALL_2026)
    later = a_version(a_module("dental", slot="dental", limits=[a_limit()]), days=FROM_2027)
    assert faults(a_contract(earlier, later)) == ["versions[1].modules[0].limits[0]"]


def test_a_limit_code_counted_in_two_units_is_rejected() -> None:
    dental = a_limit(LimitKind.BENEFIT, "DENTAL")
    earlier = a_version(a_module(limits=[dental]), days=ALL_2026)
    later = a_version(a_module(limits=[replace(dental, unit=LimitUnit.VISITS)]), days=FROM_2027)
    assert faults(a_contract(earlier, later)) == ["versions[1].modules[0].limits[0].unit"]


# -------------------------------------------------------------------------------------------------- everything


def test_ten_violations_are_reported_together() -> None:
    twice = a_module(
        "base",
        capabilities=["A", "A"],
        limits=[a_limit(individual_amount=None)],
        rules=[a_rule("NOT_OFFERED", AllOf((Negation(EnrolledOn(Subject.SELF, ())), Age(Subject.SELF, 9, 9))))],
    )
    version = a_version(twice, a_module("base"), days=a_span("2026-02-01"), rules=[a_rule(), a_rule()])
    contract = a_contract(
        a_version(days=a_span("2025-01-01", "2025-12-31")),
        version,
        country_code="XX",
        time_zone="Mars/Olympus",
    )
    assert faults(contract) == [
        "country_code",
        "time_zone",
        "versions[1].days.first_on",
        "versions[1].modules[0].capabilities",
        "versions[1].modules[0].limits[0]",
        "versions[1].modules[0].rules[0].code",
        "versions[1].modules[0].rules[0].condition.all_of.conditions[0].negation.enrolled_on",
        "versions[1].modules[0].rules[0].condition.all_of.conditions[1].age.max_years",
        "versions[1].modules[1].module_id",
        "versions[1].rules[1].code",
    ]


def test_pricing_violations_have_the_path_of_their_module() -> None:
    pricing = a_module_pricing(a_grid(), discounts=[a_discount(flat_minor=1), a_discount()])
    version = a_version(a_module(), a_module("option", pricing=pricing), pricing=VersionPricing(Scheme.AGE_GRID))
    assert faults(a_contract(version)) == ["versions[0].modules[1].pricing.discounts[1].amount"]


def test_table_violations_have_the_path_of_their_version() -> None:
    table = VersionPricing(Scheme.STATIC_TABLE, (StaticTableRow("CORE", 0, None, -1),))
    contract = a_contract(a_version(days=ALL_2026), a_version(days=FROM_2027, pricing=table))
    assert faults(contract) == ["versions[1].pricing.static_table.rows[0].monthly_minor"]


@pytest.mark.parametrize("subject", [Subject.ANY_MEMBER, Subject.EVERY_MEMBER])
def test_only_self_or_the_primary_can_be_required_to_be_alive(subject: Subject) -> None:
    assert faults(with_condition(Alive(subject))) == [f"{CONDITION}.alive.subject"]
    assert faults(with_condition(Negation(Alive(subject)))) == [f"{CONDITION}.negation.alive.subject"]
    assert faults(with_condition(AllOf((Alive(Subject.SELF), Alive(Subject.PRIMARY))))) == []
