"""Conditions, facts and amounts in words."""

from datetime import date

import pytest

from domain.currencies import amount_in_words
from domain.days import Span
from domain.fact_changes import ALWAYS, FactName, FactValue
from domain.fact_wording import fact_in_words, value_in_words
from domain.members import Address, Employment, EmploymentStatus, FactKind, HealthRegime, Salary
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
from domain.rules.wording import Names, condition_in_words
from tests.support.builders import an_id

SELF, PRIMARY = Subject.SELF, Subject.PRIMARY
NAMES = Names({an_id("base"): "Base"}, "EUR")


@pytest.mark.parametrize(
    ("condition", "words"),
    [
        (Age(SELF, None, 26), "under 26"),
        (Age(SELF, 18, 26), "at least 18 and under 26"),
        (Age(PRIMARY, 18, None), "the primary is at least 18"),
        (Age(SELF, None, None), "of any known age"),
        (Age(SELF, None, 26, AgeEnd.END_OF_MONTH), "under 26 (until the end of that month)"),
        (Age(SELF, 18, None, begins=CalendarStart.FIRST_OF_MONTH), "at least 18 (from the first of that month)"),
        (SalaryRange(SELF, 5_000_050, None, True), "has a yearly salary of at least 50000.50 EUR from the sponsor"),
        (SalaryRange(PRIMARY, None, 100, False), "the primary has a yearly salary of less than 1.00 EUR"),
        (Employed(SELF, (), False), "employed"),
        (
            Employed(Subject.ANY_MEMBER, (EmploymentStatus.ACTIVE, EmploymentStatus.LEAVE), True),
            "any enrolled member is employed by the sponsor with status active or leave",
        ),
        (Tenure(SELF, 90, True), "has been employed by the sponsor for at least 90 days"),
        (Tenure(SELF, 90, False), "has been employed by the same employer for at least 90 days"),
        (Residence(SELF, ("FR", "DE"), ("57",)), "lives in FR or DE at a postal code starting with 57"),
        (Residence(SELF, (), ()), "lives at a known address"),
        (HasAttribute(SELF, "SITE", ("n", "s")), "has SITE n or s"),
        (HasAttribute(Subject.EVERY_MEMBER, "SITE", ()), "every enrolled member has any SITE"),
        (Alive(SELF), "alive"),
        (Alive(PRIMARY), "the primary is alive"),
        (Negation(Alive(SELF)), "not (alive)"),
        (EnrolledOn(SELF, (an_id("base"),)), "enrolled on Base"),
        (EnrolledOn(PRIMARY, (an_id("other"),)), f"the primary is enrolled on {an_id('other')}"),
        (EnrolledOn(SELF, ()), "enrolled on any module"),
        (Negation(HasAttribute(SELF, "SITE", ("n",))), "not (has SITE n)"),
        (AllOf((Age(SELF, 18, None),)), "at least 18"),
        (
            AllOf((Age(SELF, 18, None), AnyOf((Residence(SELF, ("FR",), ()), Employed(PRIMARY, (), False))))),
            "at least 18 and (lives in FR or the primary is employed)",
        ),
    ],
)
def test_a_condition_reads_as_what_it_requires(condition: Condition, words: str) -> None:
    assert condition_in_words(condition, NAMES) == words


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (None, "unknown"),
        (date(2000, 3, 1), "2000-03-01"),
        (Address(ALWAYS, "FR", "57000"), "FR 57000"),
        (Address(ALWAYS, "FR", ""), "FR"),
        (Employment(ALWAYS, "ACME", EmploymentStatus.ACTIVE, Salary(5_000_000, "EUR")), "active, 50000.00 EUR a year"),
        (Employment(Span(1, 2), "ACME", EmploymentStatus.LEAVE, None), "leave"),
        (HealthRegime.ALSACE_MOSELLE, "alsace moselle"),
        ("north", "north"),
    ],
)
def test_a_value_reads_without_the_name_of_its_fact(value: FactValue | None, words: str) -> None:
    assert value_in_words(value) == words


def test_a_fact_is_named_with_its_employer_or_attribute() -> None:
    assert fact_in_words(FactName(FactKind.DATE_OF_BIRTH)) == "date of birth"
    assert fact_in_words(FactName(FactKind.EMPLOYMENT, "ACME")) == "employment with ACME"
    assert fact_in_words(FactName(FactKind.ATTRIBUTE, "SITE")) == "attribute SITE"


def test_amounts_have_the_digits_of_their_currency() -> None:
    assert amount_in_words(125_000, "EUR") == "1250.00 EUR"
    assert amount_in_words(-5, "EUR") == "-0.05 EUR"
    assert amount_in_words(1250, "JPY") == "1250 JPY"
    assert amount_in_words(1250, "KWD") == "1.250 KWD"
