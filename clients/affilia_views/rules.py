"""Finds the attributes that a rule of a contract depends on."""

from collections.abc import Iterator

from affilia.catalog.v1.condition_pb2 import AttributeCondition, Condition, Subject


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
