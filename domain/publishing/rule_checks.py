"""Checks the rules of a contract, and reports every violation by its path.

Only facts of SELF and PRIMARY can be negated. Enrollments can't, because settling has a unique largest result only if
rules depend on enrollments positively (`domain/enrollment/settling.py`).
"""

from collections.abc import Iterator
from uuid import UUID

from domain.countries import is_country
from domain.enrollment.verdicts import ViolationCode
from domain.errors import FieldViolation
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
    Leaf,
    Negation,
    Residence,
    Rule,
    SalaryRange,
    Subject,
    Tenure,
)

MAX_DEPTH = 16
OWN_CODES = frozenset(code.value for code in ViolationCode)

FIELD_OF: dict[type[Leaf], str] = {
    Age: "age",
    SalaryRange: "salary",
    Employed: "employment",
    Tenure: "tenure",
    Residence: "residence",
    HasAttribute: "attribute",
    Alive: "alive",
    EnrolledOn: "enrolled_on",
}


def rule_violations(rule: Rule, modules: frozenset[UUID], path: str) -> Iterator[FieldViolation]:
    """Yields what is wrong with one rule. `modules` are all modules that the contract lists in any version."""
    if rule.code in OWN_CODES:
        yield FieldViolation(f"{path}.code", f"{rule.code} is reserved; choose another code")
    if len(set(rule.applies_to)) < len(rule.applies_to):
        yield FieldViolation(f"{path}.applies_to", "must not repeat a type")
    yield from _condition(rule.condition, modules, f"{path}.condition", depth=1, negated=False)


def _condition(
    condition: Condition, modules: frozenset[UUID], path: str, *, depth: int, negated: bool
) -> Iterator[FieldViolation]:
    if depth > MAX_DEPTH:
        yield FieldViolation(path, f"must not nest deeper than {MAX_DEPTH} levels")
        return
    match condition:
        case AllOf(parts) | AnyOf(parts):
            name = "all_of" if isinstance(condition, AllOf) else "any_of"
            if not parts:
                yield FieldViolation(f"{path}.{name}.conditions", "needs at least one item")
            for i, part in enumerate(parts):
                inner = f"{path}.{name}.conditions[{i}]"
                yield from _condition(part, modules, inner, depth=depth + 1, negated=negated)
        case Negation(inner_condition):
            yield from _condition(inner_condition, modules, f"{path}.negation", depth=depth + 1, negated=True)
        case leaf:
            yield from _leaf(leaf, modules, f"{path}.{FIELD_OF[type(leaf)]}", negated=negated)


def _leaf(leaf: Leaf, modules: frozenset[UUID], path: str, *, negated: bool) -> Iterator[FieldViolation]:
    if negated and isinstance(leaf, EnrolledOn):
        yield FieldViolation(path, "must not be negated: only facts of SELF or PRIMARY can be")
    elif negated and leaf.subject not in (Subject.SELF, Subject.PRIMARY):
        yield FieldViolation(f"{path}.subject", f"must be SELF or PRIMARY in a negation, got {leaf.subject}")
    match leaf:
        case Alive(subject) if not negated and subject not in (Subject.SELF, Subject.PRIMARY):
            yield FieldViolation(f"{path}.subject", f"must be SELF or PRIMARY, got {subject}")
        case Age(_, low, high, lasts_until, begins):
            if low is None and begins is not CalendarStart.DAY:
                yield FieldViolation(f"{path}.begins", f"requires min_years, got {begins}")
            if high is None and lasts_until is not AgeEnd.BIRTHDAY:
                yield FieldViolation(f"{path}.lasts_until", f"requires max_years, got {lasts_until}")
            if low is not None and high is not None and low >= high:
                yield FieldViolation(f"{path}.max_years", f"must be greater than min_years ({low}), got {high}")
        case SalaryRange(_, low, high) if low is not None and high is not None and low >= high:
            yield FieldViolation(f"{path}.max_minor", f"must be greater than min_minor ({low}), got {high}")
        case Residence(_, countries):
            for i, country in enumerate(countries):
                if not is_country(country):
                    yield FieldViolation(
                        f"{path}.country_codes[{i}]", f"must be an ISO 3166-1 alpha-2 country code, got {country}"
                    )
        case EnrolledOn(_, module_ids):
            for i, module_id in enumerate(module_ids):
                if module_id not in modules:
                    yield FieldViolation(
                        f"{path}.module_ids[{i}]", f"must be a module of the contract, got {module_id}"
                    )
        case _:
            return
