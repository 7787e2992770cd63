"""Finds what a contract is allowed to contain but probably isn't meant to."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from domain.catalog.contract import Contract, Module
from domain.membership import MembershipType
from domain.rules.conditions import Alive, AllOf, AnyOf, Condition, Rule, Subject

MAX_WARNINGS = 100
"""The maximum number of warnings for one contract."""


class WarningCode(StrEnum):
    NOT_LIMITED_TO_LIFE = "NOT_LIMITED_TO_LIFE"


@dataclass(frozen=True, slots=True)
class PublicationWarning:
    """A warning about the part of a contract at `field`, such as `versions[0].modules[2]`."""

    code: WarningCode
    field: str
    message: str


def contract_warnings(contract: Contract) -> list[PublicationWarning]:
    """Returns warnings about a contract in its own order, at most MAX_WARNINGS; the last one counts those omitted."""
    found = list(_not_limited_to_life(contract))
    if len(found) <= MAX_WARNINGS:
        return found
    *shown, last = found[:MAX_WARNINGS]
    omitted = len(found) - MAX_WARNINGS
    message = f"{last.message} {omitted} more modules are not listed."
    return [*shown, PublicationWarning(last.code, last.field, message)]


def _not_limited_to_life(contract: Contract) -> Iterator[PublicationWarning]:
    for i, version in enumerate(contract.versions):
        of_version = _rules_of_life(version.rules)
        for j, module in enumerate(version.modules):
            if _concern_everyone((*of_version, *_rules_of_life(module.rules)), module):
                continue
            message = (
                f"No rule requires members on module {module.module_id} to be alive, so their coverage doesn't end when"
                " they die. Add a rule with the condition `alive` of SELF to the module or its version."
            )
            yield PublicationWarning(WarningCode.NOT_LIMITED_TO_LIFE, f"versions[{i}].modules[{j}]", message)


def _rules_of_life(rules: Sequence[Rule]) -> tuple[Rule, ...]:
    """Returns the rules that require the member to be alive."""
    return tuple(rule for rule in rules if _requires_life(rule.condition))


def _concern_everyone(rules: Sequence[Rule], module: Module) -> bool:
    """Returns whether each membership type that a module admits has at least one of the rules."""
    admitted = [each for each in MembershipType if module.admits(each)]
    return all(any(rule.concerns(each) for rule in rules) for each in admitted)


def _requires_life(condition: Condition) -> bool:
    """Returns whether a condition is obviously true only while the member is alive.

    Negations aren't examined, so a condition that implies it in another way is not recognized.
    """
    match condition:
        case Alive(subject):
            return subject is Subject.SELF
        case AllOf(parts):
            return any(_requires_life(part) for part in parts)
        case AnyOf(parts):
            return bool(parts) and all(_requires_life(part) for part in parts)
        case _:
            return False
