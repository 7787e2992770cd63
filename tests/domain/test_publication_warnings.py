"""Warnings about contracts whose coverage doesn't end with a death."""

import pytest

from domain.catalog.contract import Contract
from domain.membership import MembershipType
from domain.publishing.warnings import MAX_WARNINGS, WarningCode, contract_warnings
from domain.rules.conditions import Age, Alive, AllOf, AnyOf, Condition, Negation, Subject
from tests.support.builders import a_contract, a_module, a_rule, a_span, a_version

ALIVE, ADULT = Alive(Subject.SELF), Age(Subject.SELF, 18, None)
LIVING = a_rule("LIVING", ALIVE)
PRIMARY, CHILD, PET = MembershipType.PRIMARY, MembershipType.CHILD, MembershipType.PET


def fields(contract: Contract) -> list[str]:
    warnings = contract_warnings(contract)
    assert {warning.code for warning in warnings} <= {WarningCode.NOT_LIMITED_TO_LIFE}
    return [warning.field for warning in warnings]


def test_each_module_without_a_rule_of_its_own_or_its_version_is_warned_about() -> None:
    earlier = a_version(a_module("a"), a_module("b", rules=[LIVING]), a_module("c"), days=a_span(last_on="2026-12-31"))
    later = a_version(a_module("a"), a_module("b"), days=a_span("2027-01-01"), rules=[LIVING])
    assert fields(a_contract(earlier, later)) == ["versions[0].modules[0]", "versions[0].modules[2]"]


@pytest.mark.parametrize(
    ("condition", "is_enough"),
    [
        (ALIVE, True),
        (AllOf((ADULT, ALIVE)), True),
        (AnyOf((ALIVE, AllOf((ALIVE, ADULT)))), True),
        (AllOf((AnyOf((ALIVE,)), ADULT)), True),
        (ADULT, False),
        (Alive(Subject.PRIMARY), False),
        (AnyOf((ALIVE, ADULT)), False),
        (AllOf((ADULT, AnyOf((ALIVE, ADULT)))), False),
        (Negation(ALIVE), False),
        (Negation(Negation(ALIVE)), False),
    ],
)
def test_a_rule_counts_if_its_condition_is_true_only_for_the_living(condition: Condition, is_enough: bool) -> None:
    assert (fields(a_contract(a_version(rules=[a_rule(condition=condition)]))) == []) == is_enough


def test_every_type_that_the_module_admits_needs_such_a_rule() -> None:
    of_primaries = a_rule("A", ALIVE, applies_to=[PRIMARY])
    of_children = a_rule("B", ALIVE, applies_to=[CHILD, PET])
    family = a_module("family", membership_types=[PRIMARY, CHILD], rules=[of_children])
    everyone = a_module("everyone", rules=[of_children])
    assert fields(a_contract(a_version(family, everyone, rules=[of_primaries]))) == ["versions[0].modules[1]"]


def test_the_number_of_warnings_is_limited_and_the_last_one_counts_the_rest() -> None:
    modules = [a_module(str(n)) for n in range(MAX_WARNINGS + 3)]
    assert len(contract_warnings(a_contract(a_version(*modules[:MAX_WARNINGS])))) == MAX_WARNINGS
    warnings = contract_warnings(a_contract(a_version(*modules)))
    assert len(warnings) == MAX_WARNINGS
    assert "3 more modules" in warnings[-1].message
    assert "more" not in warnings[-2].message
