"""Describes the rules of a contract, and finds the attributes that they depend on."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from affilia.catalog.v1 import condition_pb2 as pb
from affilia.catalog.v1.condition_pb2 import AttributeCondition, Condition, Rule, Subject
from affilia.type.v1.membership_type_pb2 import MembershipType
from affilia_views.money import money
from affilia_views.names import Names
from affilia_views.words import enum_word

SUBJECTS: "dict[Subject.ValueType, str]" = {
    pb.SUBJECT_SELF: "the member",
    pb.SUBJECT_PRIMARY: "the primary",
    pb.SUBJECT_ANY_MEMBER: "some enrolled member of the family",
    pb.SUBJECT_EVERY_MEMBER: "every member of the family",
}
AGE_ENDS = {
    pb.AGE_END_END_OF_MONTH: ", until the end of that month",
    pb.AGE_END_END_OF_YEAR: ", until the end of that year",
}
CALENDAR_ENDS = {pb.CALENDAR_END_END_OF_MONTH: ", for the rest of the month"}
CALENDAR_STARTS = {
    pb.CALENDAR_START_FIRST_OF_MONTH: ", from the first day of that month",
    pb.CALENDAR_START_FIRST_OF_NEXT_MONTH: ", from the first day of the next month",
}


def attributes_of(condition: Condition) -> list[str]:
    """Returns the attributes that a condition checks and the values it accepts, in the order of the condition."""
    return list(dict.fromkeys(_in_words(leaf, negated=negated) for leaf, negated in _leaves(condition)))


def _leaves(condition: Condition, *, negated: bool = False) -> Iterator[tuple[AttributeCondition, bool]]:
    """Yields the conditions on attributes, and whether each is negated."""
    match condition.WhichOneof("kind"):
        case "attribute":
            yield condition.attribute, negated
        case "negation":
            yield from _leaves(condition.negation, negated=not negated)
        case "all_of" | "any_of" as kind:
            for inner in getattr(condition, kind).conditions:
                yield from _leaves(inner, negated=negated)


def _in_words(leaf: AttributeCondition, *, negated: bool) -> str:
    whom = Subject.Name(leaf.subject).removeprefix("SUBJECT_").lower().replace("_", " ")
    return f"attribute {leaf.name} of {whom} is {'not ' if negated else ''}{' or '.join(leaf.values)}"


def rule_words(rule: Rule, names: Names, currency_code: str) -> str:
    """Returns what a rule requires, of whom, and what the contract says about it."""
    types = types_words(rule.applies_to)
    about = f" ({rule.description.rstrip('.')})" if rule.description else ""
    requires = condition_words(rule.condition, names, currency_code)
    return f"{rule.code}{f', for {types}' if types else ''}: {requires}{about}"


def types_words(types: "Sequence[MembershipType.ValueType]") -> str:
    """Returns membership types such as `partner or child`. Empty if all are allowed."""
    return " or ".join(enum_word(MembershipType, each) for each in types)


def condition_words(condition: Condition, names: Names, currency_code: str) -> str:
    """Returns what a condition requires. Amounts are in the currency of the contract."""
    kind = condition.WhichOneof("kind")
    match kind:
        case "all_of" | "any_of":
            inner = [condition_words(each, names, currency_code) for each in getattr(condition, kind).conditions]
            return inner[0] if len(inner) == 1 else f"({(' and ' if kind == 'all_of' else ' or ').join(inner)})"
        case "negation":
            return f"not ({condition_words(condition.negation, names, currency_code)})"
        case "salary":
            return _salary(condition.salary, currency_code)
        case "enrolled_on":
            modules = " or ".join(map(names.module, condition.enrolled_on.module_ids)) or "any module"
            return f"{SUBJECTS.get(condition.enrolled_on.subject, 'unknown')} is enrolled on {modules}"
    words = LEAVES.get(kind or "")
    return words(getattr(condition, kind or "")) if words else "a condition that this version of affilia doesn't know"


def _salary(salary: pb.SalaryCondition, currency_code: str) -> str:
    limits = [
        f"{label} {money(getattr(salary, name), currency_code)}"
        for label, name in (("at least", "min_minor"), ("less than", "max_minor"))
        if salary.HasField(name)  # type: ignore[arg-type]
    ]
    return (
        f"{_whom(salary)} earns {' and '.join(limits) or 'a salary'}{' a year' if limits else ''}{_at_sponsor(salary)}"
        f"{CALENDAR_ENDS.get(salary.lasts_until, '')}"
    )


def _age(age: pb.AgeCondition) -> str:
    limits = [f"at least {age.min_years}"] if age.HasField("min_years") else []
    limits += [f"under {age.max_years}"] if age.HasField("max_years") else []
    calendar = CALENDAR_STARTS.get(age.begins, "") + AGE_ENDS.get(age.lasts_until, "")
    known = f"{' and '.join(limits)} years old{calendar}" if limits else "of a known age"
    return f"{_whom(age)} is {known}"


def _employment(employment: pb.EmploymentCondition) -> str:
    statuses = " or ".join(enum_word(pb.EmploymentStatus, each) for each in employment.statuses)
    is_employed = f"is employed{f' ({statuses})' if statuses else ''}"
    return f"{_whom(employment)} {is_employed}{_at_sponsor(employment)}{CALENDAR_ENDS.get(employment.lasts_until, '')}"


def _tenure(tenure: pb.TenureCondition) -> str:
    length = f"has been employed for {tenure.min_days} days"
    return f"{_whom(tenure)} {length}{_at_sponsor(tenure)}{CALENDAR_STARTS.get(tenure.begins, '')}"


def _residence(residence: pb.ResidenceCondition) -> str:
    where = f" in {' or '.join(residence.country_codes)}" if residence.country_codes else ""
    code = f" at a postal code {' or '.join(f'{each}…' for each in residence.postal_prefixes)}"
    return (
        f"{_whom(residence)} lives{where}{code if residence.postal_prefixes else ''}"
        f"{CALENDAR_ENDS.get(residence.lasts_until, '')}"
    )


def _attribute(attribute: AttributeCondition) -> str:
    values = " or ".join(attribute.values)
    return f"attribute {attribute.name} of {_whom(attribute)} is {values}{CALENDAR_ENDS.get(attribute.lasts_until, '')}"


def _whom(condition: Any) -> str:
    return SUBJECTS.get(condition.subject, "unknown")


def _at_sponsor(condition: Any) -> str:
    return " by the sponsor" if condition.same_sponsor else ""


LEAVES: dict[str, Callable[[Any], str]] = {
    "age": _age,
    "employment": _employment,
    "tenure": _tenure,
    "residence": _residence,
    "attribute": _attribute,
    "alive": lambda alive: f"{_whom(alive)} is alive",
}
"""How conditions are described that need neither names nor a currency, by their field."""
