"""Why a change is rejected, or doesn't fully come into effect, and what else ends because of it."""

from collections.abc import Iterable, Iterator

from affilia.enrollment.v1 import change_request_pb2
from affilia.enrollment.v1.change_request_pb2 import Cause, Consequence, MissingFact, Notice, Violation
from affilia_views.days import format_span
from affilia_views.names import Names
from affilia_views.outline import Item, Part, Style, item, more
from affilia_views.rules import attributes_of


def violation_items(violations: Iterable[Violation], contract_id: str, names: Names, omitted: int = 0) -> list[Item]:
    """Returns violations, each with the description of its rule, the missing facts and the chain of causes."""
    return [*(_violation(each, contract_id, names) for each in violations), *more(omitted, "reasons")]


def _violation(violation: Violation, contract_id: str, names: Names) -> Item:
    causes = [
        item(
            ("because ", Style.NOTE), *_sentence(cause, contract_id, names), below=_unknown(cause.missing_facts, names)
        )
        for cause in violation.chain
    ]
    below = [*_unknown(violation.missing_facts, names), *causes]
    return item(("✗ ", Style.BAD), *_sentence(violation, contract_id, names), below=below)


def _cause(cause: Cause, contract_id: str, names: Names) -> Item:
    label = ("because ", Style.NOTE)
    return item(label, *_sentence(cause, contract_id, names), below=_unknown(cause.missing_facts, names))


def _unknown(facts: Iterable[MissingFact], names: Names) -> Iterator[Item]:
    for fact in facts:
        kind = change_request_pb2.FactKind.Name(fact.kind).removeprefix("FACT_KIND_").lower().replace("_", " ")
        name = f"{kind} {fact.attribute_name}".rstrip()
        yield item(("unknown: ", Style.NOTE), f"{name} of {names.member(fact.member_id)}")


def _sentence(reason: Violation | Cause, contract_id: str, names: Names) -> tuple[Part, Part]:
    """Returns the server's message with ids replaced by names, and the description of the rule with the attributes on
    which it depends."""
    sentence = names.in_sentence(reason.message, [reason.member_id], [reason.module_id])
    rule = names.rule(contract_id, reason.rule_code) if reason.rule_code else None
    details = [rule.description.rstrip("."), *attributes_of(rule.condition)] if rule else []
    about = "; ".join(filter(None, details))
    return sentence, (f" ({about})" if about else "", Style.NOTE)


def notice_item(notice: Notice, contract_id: str, names: Names) -> Item:
    """Returns requested days that did not come into effect, with the reasons."""
    days = ", ".join(format_span(span) for span in notice.days)
    enrollment = f"{names.member(notice.member_id)} on {names.module(notice.module_id)}"
    below = violation_items(notice.reasons, contract_id, names, notice.reasons_omitted)
    return item(("! ", Style.WARN), f"not in effect: {enrollment}, {days}", below=below)


def consequence_item(consequence: Consequence, names: Names) -> Item:
    """Returns an enrollment that also ends."""
    enrollment = f"{names.member(consequence.member_id)} on {names.module(consequence.module_id)}"
    return item(("→ ", Style.WARN), f"also ends: {enrollment}, {format_span(consequence.days)}")
