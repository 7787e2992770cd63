"""What rules may not be published: told by path, every fault at once.

Only facts of SELF and PRIMARY can be negated, because enrollment must appear only positively: settling would
otherwise have no unique largest result (`enrollment.md`, section 3).
"""

from collections.abc import Iterator
from uuid import UUID

from domain.countries import is_country
from domain.enrollment.verdicts import ViolationCode
from domain.errors import FieldViolation
from domain.rules.conditions import (
    Age,
    AllOf,
    AnyOf,
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

DEEPEST = 16
OWN_CODES = frozenset(code.value for code in ViolationCode)

FIELD_OF: dict[type[Leaf], str] = {
    Age: "age",
    SalaryRange: "salary",
    Employed: "employment",
    Tenure: "tenure",
    Residence: "residence",
    HasAttribute: "attribute",
    EnrolledOn: "enrolled_on",
}


def rule_violations(rule: Rule, modules: frozenset[UUID], path: str) -> Iterator[FieldViolation]:
    """What is wrong with one rule; `modules` are all that the contract lists in any version."""
    if rule.code in OWN_CODES:
        yield FieldViolation(f"{path}.code", f"{rule.code} is a name of the system's own")
    if len(set(rule.applies_to)) < len(rule.applies_to):
        yield FieldViolation(f"{path}.applies_to", "names a type twice")
    yield from _condition(rule.condition, modules, f"{path}.condition", depth=1, negated=False)


def _condition(
    condition: Condition, modules: frozenset[UUID], path: str, *, depth: int, negated: bool
) -> Iterator[FieldViolation]:
    if depth > DEEPEST:
        yield FieldViolation(path, f"nests deeper than {DEEPEST}")
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
        yield FieldViolation(path, "an enrollment cannot be negated: only facts of SELF or PRIMARY can")
    elif negated and leaf.subject not in (Subject.SELF, Subject.PRIMARY):
        yield FieldViolation(f"{path}.subject", f"{leaf.subject} cannot be negated: only SELF or PRIMARY can")
    match leaf:
        case Age(_, least, most) if least is not None and most is not None and least >= most:
            yield FieldViolation(f"{path}.max_years", "is not above min_years")
        case SalaryRange(_, least, most, _) if least is not None and most is not None and least >= most:
            yield FieldViolation(f"{path}.max_minor", "is not above min_minor")
        case Residence(_, countries, _):
            for i, country in enumerate(countries):
                if not is_country(country):
                    yield FieldViolation(f"{path}.country_codes[{i}]", f"{country} is not an ISO 3166 code")
        case EnrolledOn(_, module_ids):
            for i, module_id in enumerate(module_ids):
                if module_id not in modules:
                    yield FieldViolation(f"{path}.module_ids[{i}]", "no version of the contract lists this module")
        case _:
            return
