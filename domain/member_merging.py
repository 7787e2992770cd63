"""What a merge of two records of one person moves: facts and identifiers. Usage of limits is moved by
`storage/accumulators.py`.

Facts are merged by kind. Each attribute is a kind of its own, so that records with different attributes don't conflict.
All other facts of one kind, such as all addresses, are moved together, because addresses on different days of two
records don't tell which days are right.
"""

from dataclasses import dataclass, fields, replace
from enum import StrEnum

from domain.errors import FieldViolation
from domain.fact_spans import MAX_ATTRIBUTES
from domain.members import Attribute, Facts, Identifier

MAX_IDENTIFIERS = 20
MAX_LISTED = 20
"""The maximum number of conflicting kinds to list in an error."""


class KeptFacts(StrEnum):
    """Which facts remain where both records have different facts of one kind."""

    UNDECIDED = "UNDECIDED"
    FROM = "FROM"
    INTO = "INTO"


KINDS = {
    "born_on": "DATE_OF_BIRTH",
    "died_on": "DATE_OF_DEATH",
    "addresses": "ADDRESS",
    "employments": "EMPLOYMENT",
    "health_regimes": "HEALTH_REGIME",
}
"""The names of kinds, by field of `Facts`."""

NOT_MERGED_WHOLE = ("attributes", "erased_on")
"""Attributes are merged by name, and erased records can't be merged."""


@dataclass(frozen=True, slots=True)
class MergedFacts:
    """The facts of the remaining record, the kinds that come from the other one, and those on which the records
    conflict, all in order of kind.
    """

    facts: Facts
    moved: tuple[str, ...]
    conflicts: tuple[str, ...]


def merged_facts(of_from: Facts, of_into: Facts, keep: KeptFacts) -> MergedFacts:
    """Merges the facts of two records. Conflicts are resolved as `keep` says; undecided ones keep those of `into`."""
    facts, moved, conflicts = of_into, list[str](), list[str]()
    for field in fields(Facts):
        if field.name in NOT_MERGED_WHOLE:
            continue
        theirs, ours = getattr(of_from, field.name), getattr(of_into, field.name)
        if _is_moved(theirs, ours, keep):
            facts = replace(facts, **{field.name: theirs})
            moved.append(_kind(field.name))
        if _conflict(theirs, ours):
            conflicts.append(_kind(field.name))
    attributes: list[Attribute] = []
    for name in sorted({attribute.name for attribute in (*of_from.attributes, *of_into.attributes)}):
        named_theirs, named_ours = _named(of_from, name), _named(of_into, name)
        is_moved = _is_moved(named_theirs, named_ours, keep)
        attributes += named_theirs if is_moved else named_ours
        if is_moved:
            moved.append(f"ATTRIBUTE {name}")
        if _conflict(named_theirs, named_ours):
            conflicts.append(f"ATTRIBUTE {name}")
    return MergedFacts(replace(facts, attributes=tuple(attributes)), tuple(moved), tuple(conflicts))


def _is_moved(theirs: object, ours: object, keep: KeptFacts) -> bool:
    if not theirs or theirs == ours:
        return False
    return not ours or keep is KeptFacts.FROM


def _conflict(theirs: object, ours: object) -> bool:
    return bool(theirs and ours and theirs != ours)


def _named(facts: Facts, name: str) -> tuple[Attribute, ...]:
    return tuple(attribute for attribute in facts.attributes if attribute.name == name)


def _kind(field: str) -> str:
    return KINDS.get(field, field.upper())


def merged_identifiers(of_from: tuple[Identifier, ...], of_into: tuple[Identifier, ...]) -> tuple[Identifier, ...]:
    """Returns the identifiers of both records, in order."""
    return tuple(sorted({*of_from, *of_into}))


def merge_violations(merged: MergedFacts, identifiers: tuple[Identifier, ...], keep: KeptFacts) -> list[FieldViolation]:
    """Returns why two records can't be merged with these facts and identifiers."""
    violations: list[FieldViolation] = []
    if merged.conflicts and keep is KeptFacts.UNDECIDED:
        listed = ", ".join(merged.conflicts[:MAX_LISTED])
        more = len(merged.conflicts) - MAX_LISTED
        violations.append(
            FieldViolation(
                "keep",
                "must be set to KEPT_FACTS_FROM or KEPT_FACTS_INTO, because the records have different facts of these"
                f" kinds: {listed}{f' and {more} more' if more > 0 else ''}",
            )
        )
    born_on, died_on = merged.facts.born_on, merged.facts.died_on
    if born_on and died_on and died_on < born_on:
        violations.append(
            FieldViolation(
                "from_member_id",
                f"would leave a date of death, {died_on}, before the date of birth, {born_on};"
                " correct one of them first",
            )
        )
    if len(merged.facts.attributes) > MAX_ATTRIBUTES:
        violations.append(
            FieldViolation(
                "from_member_id",
                f"would leave {len(merged.facts.attributes)} custom facts, and a member can have {MAX_ATTRIBUTES};"
                " delete those that are no longer needed",
            )
        )
    if len(identifiers) > MAX_IDENTIFIERS:
        violations.append(
            FieldViolation(
                "from_member_id",
                f"would leave {len(identifiers)} identifiers, and a member can have {MAX_IDENTIFIERS};"
                " remove those that are no longer needed",
            )
        )
    return violations
