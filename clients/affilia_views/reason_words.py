"""Describes why a request was rejected, or some of its days, and what else ends because of it."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from affilia.enrollment.v1 import change_request_pb2
from affilia.enrollment.v1.change_request_pb2 import Cause, Consequence, MissingFact, Notice, Violation
from affilia_views.days import format_span
from affilia_views.names import Names
from affilia_views.rules import attributes_of


@dataclass(frozen=True, slots=True)
class Reason:
    """A sentence with what the rule is about, and, indented below it, unknown facts and the reasons for it.

    `label` says what the line below another one is: `because`, or `unknown`.
    """

    sentence: str
    about: str = ""
    label: str = ""
    below: tuple["Reason", ...] = ()


def violation_reasons(violations: Iterable[Violation], contract_id: str, names: Names) -> list[Reason]:
    """Returns violations with the descriptions of their rules, missing facts, and the chains of causes."""
    return [_violation_reason(violation, contract_id, names) for violation in violations]


def _violation_reason(violation: Violation, contract_id: str, names: Names) -> Reason:
    below = [*_unknown(violation.missing_facts, names)]
    for cause in violation.chain:
        sentence, about = _sentence(cause, contract_id, names)
        below.append(Reason(sentence, about, "because", tuple(_unknown(cause.missing_facts, names))))
    return Reason(*_sentence(violation, contract_id, names), below=tuple(below))


def _unknown(facts: Iterable[MissingFact], names: Names) -> Iterator[Reason]:
    for fact in facts:
        kind = change_request_pb2.FactKind.Name(fact.kind).removeprefix("FACT_KIND_").lower().replace("_", " ")
        name = f"{kind} {fact.attribute_name}".rstrip()
        yield Reason(f"{name} of {names.member(fact.member_id)}", label="unknown")


def _sentence(reason: Violation | Cause, contract_id: str, names: Names) -> tuple[str, str]:
    """Returns the server's message with ids replaced by names, and the description of the rule with the attributes on
    which it depends."""
    sentence = names.in_sentence(reason.message, [reason.member_id], [reason.module_id])
    rule = names.rule(contract_id, reason.rule_code) if reason.rule_code else None
    details = [rule.description.rstrip("."), *attributes_of(rule.condition)] if rule else []
    return sentence, "; ".join(filter(None, details))


def notice_words(notice: Notice, names: Names) -> str:
    """Returns requested days that did not come into effect."""
    days = ", ".join(format_span(span) for span in notice.days)
    return f"{names.member(notice.member_id)} on {names.module(notice.module_id)}, {days}"


def ended_words(consequence: Consequence, names: Names) -> str:
    """Returns an enrollment that also ends."""
    enrollment = f"{names.member(consequence.member_id)} on {names.module(consequence.module_id)}"
    return f"{enrollment}, {format_span(consequence.days)}"
