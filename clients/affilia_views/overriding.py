"""Rules that an admin can override, so that a rejected change is approved."""

from collections.abc import Iterable
from dataclasses import dataclass

from affilia.enrollment.v1 import change_request_pb2
from affilia.enrollment.v1.change_request_pb2 import Notice, Violation
from affilia_views.names import Names

COMMITMENT = "COMMITMENT_NOT_ELAPSED"


@dataclass(frozen=True, slots=True)
class OverridableRule:
    """The code and description of a rule."""

    code: str
    description: str


def overridable_rules(
    violations: Iterable[Violation], notices: Iterable[Notice], contract_id: str, names: Names
) -> list[OverridableRule]:
    """Returns the rules that exclude requested days and can be overridden, each once, in order."""
    reasons = [*violations, *(reason for notice in notices for reason in notice.reasons)]
    codes = dict.fromkeys(filter(None, map(_code_of, reasons)))
    return [described_rule(code, contract_id, names) for code in codes]


def described_rule(code: str, contract_id: str, names: Names) -> OverridableRule:
    """Returns a rule with its description, or without one if no version of the contract has it."""
    if code == COMMITMENT:
        return OverridableRule(code, "Members must stay on a module for its minimum commitment.")
    rule = names.rule(contract_id, code)
    return OverridableRule(code, rule.description if rule else "")


def unknown_rule_words(code: str) -> str:
    """Returns the sentence about an override that has no effect."""
    return f"{code} has no effect: no version of the contract has a rule with this code."


def _code_of(violation: Violation) -> str:
    match violation.code:
        case change_request_pb2.VIOLATION_CODE_RULE_NOT_SATISFIED:
            return violation.rule_code
        case change_request_pb2.VIOLATION_CODE_COMMITMENT_NOT_ELAPSED:
            return COMMITMENT
    return ""
