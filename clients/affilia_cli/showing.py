"""Prints the verdict on a change with its reasons, and warnings about a contract."""

from collections.abc import Iterable
from typing import Any

from rich.text import Text

from affilia.catalog.v1.catalog_service_pb2 import PublicationWarning
from affilia.enrollment.v1 import change_request_pb2
from affilia.enrollment.v1.change_request_pb2 import Consequence, Notice, Verdict, Violation
from affilia_cli.console import CONSOLE, ERRORS, styled
from affilia_cli.outlines import show_items
from affilia_views.overriding import unknown_rule_words
from affilia_views.reasons import consequence_item, notice_item, violation_items
from affilia_views.server_names import ServerNames
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
        CONSOLE.print(styled(("  ", ""), ("! ", "yellow"), (f"--override {unknown_rule_words(code)}", "")))


def show_violations(
    violations: Iterable[Violation], contract_id: str, names: ServerNames, indent: str = "  ", omitted: int = 0
) -> None:
    """Prints violations, and how many the server omitted.

    Each has the description of its rule, the missing facts, and the chain of causes.
    """
    show_items(violation_items(violations, contract_id, names, omitted), indent)


def show_notices(notices: Iterable[Notice], contract_id: str, names: ServerNames) -> None:
    """Prints requested days that didn't come into effect, with the reasons."""
    show_items((notice_item(notice, contract_id, names) for notice in notices), "  ")


def show_consequences(consequences: Iterable[Consequence], names: ServerNames) -> None:
    """Prints the coverage that others lose because of the change."""
    show_items((consequence_item(each, names) for each in consequences), "  ")


def show_warnings(warnings: Iterable[PublicationWarning]) -> None:
    """Prints what is allowed in a published contract but probably not intended."""
    for warning in warnings:
        ERRORS.print(styled(("! ", "yellow"), warning_words(warning)))
