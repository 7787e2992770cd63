"""Describes facts and their values in words, for explanations. The words never contain a member's name."""

from datetime import date

from domain.currencies import amount_in_words
from domain.fact_changes import FactName, FactValue
from domain.members import Address, Employment, FactKind, HealthRegime

KINDS_IN_WORDS = {
    FactKind.DATE_OF_BIRTH: "date of birth",
    FactKind.DATE_OF_DEATH: "date of death",
    FactKind.ADDRESS: "address",
    FactKind.EMPLOYMENT: "employment",
    FactKind.SALARY: "salary",
    FactKind.ATTRIBUTE: "attribute",
    FactKind.HEALTH_REGIME: "health regime",
}


def fact_in_words(fact: FactName) -> str:
    """Returns the name of a fact, such as "date of birth" or "employment with ACME"."""
    kind = KINDS_IN_WORDS[fact.kind]
    if not fact.name:
        return kind
    return f"{kind} {fact.name}" if fact.kind is FactKind.ATTRIBUTE else f"{kind} with {fact.name}"


def value_in_words(value: FactValue | None) -> str:
    """Returns the value of a fact without the name of the fact, or "unknown" if there is none."""
    match value:
        case None:
            return "unknown"
        case date():
            return value.isoformat()
        case Address(_, country_code, postal_code):
            return f"{country_code} {postal_code}".strip()
        case Employment(_, _, status, salary):
            paid = f", {amount_in_words(salary.yearly_minor, salary.currency_code)} a year" if salary else ""
            return f"{status.lower()}{paid}"
        case HealthRegime():
            return value.lower().replace("_", " ")
        case _:
            return value
