"""Prints the verdict on a change with its reasons, and warnings about a contract."""

from collections.abc import Iterable
from typing import Any

from rich.text import Text

from affilia.catalog.v1.catalog_service_pb2 import PublicationWarning
from affilia.enrollment.v1 import change_request_pb2
from affilia.enrollment.v1.change_request_pb2 import Cause, Consequence, MissingFact, Notice, Verdict, Violation
from affilia_cli.console import CONSOLE, ERRORS, styled
from affilia_cli.names import ServerNames
from affilia_views.days import format_span
from affilia_views.rules import attributes_of
from affilia_views.words import warning_words


def show_verdict(verdict: "Verdict.ValueType", answer: Any, contract_id: str, names: ServerNames) -> None:
    """Prints a verdict with its violations, notices and consequences, and a warning for overridden codes that match no
    rule."""
    approved = verdict == change_request_pb2.VERDICT_APPROVED
    CONSOLE.print(Text("APPROVED" if approved else "REJECTED", style="bold green" if approved else "bold red"))
    show_violations(answer.violations, contract_id, names, omitted=answer.violations_omitted)
    show_notices(answer.notices, contract_id, names)
    show_consequences(answer.consequences, names)
    if any(v.code == change_request_pb2.VIOLATION_CODE_CONSEQUENCES_NOT_ACCEPTED for v in answer.violations):
        CONSOLE.print(styled(("  To accept this, repeat the command with --accept-consequences.", "dim")))
    for code in answer.unknown_rules:
        warning = f" --override {code} has no effect: no version of the contract has a rule with this code."
        CONSOLE.print(styled(("  ", ""), ("!", "yellow"), (warning, "")))


def show_violations(
    violations: Iterable[Violation], contract_id: str, names: ServerNames, indent: str = "  ", omitted: int = 0
) -> None:
    """Prints violations, and how many the server omitted.

    Each has the description of its rule, the missing facts, and the chain of causes.
    """
    for violation in violations:
        CONSOLE.print(styled(indent, ("✗ ", "red"), *_sentence(violation, contract_id, names)))
        for fact in violation.missing_facts:
            CONSOLE.print(styled(indent, ("    unknown: ", "dim"), _fact_in_words(fact, names)))
        for cause in violation.chain:
            CONSOLE.print(styled(indent, ("    because ", "dim"), *_sentence(cause, contract_id, names)))
            for fact in cause.missing_facts:
                CONSOLE.print(styled(indent, ("      unknown: ", "dim"), _fact_in_words(fact, names)))
    if omitted:
        CONSOLE.print(f"{indent}and {omitted} more reasons")


def _fact_in_words(fact: MissingFact, names: ServerNames) -> str:
    kind = change_request_pb2.FactKind.Name(fact.kind).removeprefix("FACT_KIND_").lower().replace("_", " ")
    return f"{kind} {fact.attribute_name}".rstrip() + f" of {names.member(fact.member_id)}"


def _sentence(reason: Violation | Cause, contract_id: str, names: ServerNames) -> list[str | tuple[str, str]]:
    """Returns the server's message with ids replaced by names, the description of the rule, and the attributes that the
    rule depends on."""
    sentence = reason.message
    if reason.member_id:
        sentence = sentence.replace(reason.member_id, names.member(reason.member_id))
    if reason.module_id:
        sentence = sentence.replace(reason.module_id, names.module(reason.module_id))
    rule = names.rule(contract_id, reason.rule_code) if reason.rule_code else None
    details = [rule.description.rstrip("."), *attributes_of(rule.condition)] if rule else []
    about = "; ".join(filter(None, details))
    return [sentence, (f" ({about})" if about else "", "dim")]


def show_notices(notices: Iterable[Notice], contract_id: str, names: ServerNames) -> None:
    """Prints requested days that didn't come into effect, with the reasons."""
    for notice in notices:
        days = ", ".join(format_span(span) for span in notice.days)
        enrollment = f"{names.member(notice.member_id)} on {names.module(notice.module_id)}"
        CONSOLE.print(styled(("  ! ", "yellow"), f"not in effect: {enrollment}, {days}"))
        show_violations(notice.reasons, contract_id, names, "      ", notice.reasons_omitted)


def show_consequences(consequences: Iterable[Consequence], names: ServerNames) -> None:
    """Prints the coverage that others lose because of the change."""
    for consequence in consequences:
        enrollment = f"{names.member(consequence.member_id)} on {names.module(consequence.module_id)}"
        CONSOLE.print(styled(("  → ", "yellow"), f"also ends: {enrollment}, {format_span(consequence.days)}"))


def show_warnings(warnings: Iterable[PublicationWarning]) -> None:
    """Prints what is allowed in a published contract but probably not intended."""
    for warning in warnings:
        ERRORS.print(styled(("! ", "yellow"), warning_words(warning)))
