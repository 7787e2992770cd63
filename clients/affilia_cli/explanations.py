"""Prints why enrollments and premiums changed."""

from collections.abc import Iterable

from affilia.enrollment.v1.enrollment_group_pb2 import EnrollmentDifference
from affilia.history.v1.history_service_pb2 import ExplainDifferenceResponse
from affilia.premium.v1.premium_entry_pb2 import PremiumCause
from affilia_cli.console import CONSOLE, styled
from affilia_cli.outlines import show_items
from affilia_views.explanations import (
    ExplainedDay,
    difference_items,
    revision_words,
    run_items,
    unexplained_item,
    with_names,
)
from affilia_views.server_names import ServerNames


def show_difference(answer: ExplainDifferenceResponse, names: ServerNames, contract_id: str) -> None:
    """Prints how a revision differs from the previous one, and why."""
    show_items(difference_items(answer, names, contract_id))


def show_days(days: Iterable[ExplainedDay], names: ServerNames) -> None:
    """Prints why enrollments include a day or not: the revisions that decided it, or the rules that exclude it."""
    by_revision: dict[tuple[str, int], list[ExplainedDay]] = {}
    for day in days:
        by_revision.setdefault((day.group_id, day.revision), []).append(day)
    for (group_id, revision), decided in by_revision.items():
        key = decided[0].key
        if revision:
            CONSOLE.print(styled((f"revision {revision}", "bold"), f" of the {names.family(key)}"))
        show_items(run_items([run for day in decided for run in day.runs], names, key.contract_id))
        show_items(unexplained_item(day, names) for day in decided if not day.runs)
        if revision:
            CONSOLE.print(styled((f"  whole revision: affilia why {group_id} --revision {revision}", "dim")))


def show_premium_causes(causes: Iterable[PremiumCause], names: ServerNames) -> None:
    """Prints what caused a premium entry."""
    for cause in causes:
        where = f" (revision {cause.revision})" if cause.revision else ""
        CONSOLE.print(f"  because: {with_names(cause.summary, names)}{where}")


def show_revisions(differences: Iterable[EnrollmentDifference], names: ServerNames, indent: str = "  ") -> None:
    """Prints the revisions that changed each enrollment, oldest first, and what caused each of them."""
    for difference in differences:
        enrollment = f"{names.member(difference.member_id)} on {names.module(difference.module_id)}"
        for cause in difference.causes:
            CONSOLE.print(styled((f"{indent}revision {cause.revision}: {enrollment}, {revision_words(cause)}", "dim")))
