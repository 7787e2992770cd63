"""The command `migration compare`, which shows how the legacy tables and the core differ."""

from datetime import date
from typing import Annotated

import typer

from affilia.enrollment.v1 import change_request_pb2
from affilia.migration.v1 import migration_service_pb2 as pb
from affilia.type.v1 import membership_type_pb2
from affilia_cli.console import CONSOLE, styled
from affilia_cli.exit_status import SOURCES_DIFFER
from affilia_cli.migration_arguments import country_in
from affilia_cli.options import Country, MappedContract
from affilia_cli.session import Session
from affilia_cli.showing import show_violations
from affilia_client.dates import date_from_proto
from affilia_views.days import format_span, today_under
from affilia_views.migration_words import (
    DIFFERENCES,
    FINDINGS,
    comparison_words,
    difference_name,
    finding_name,
    next_step,
    stage_name,
)
from affilia_views.server_names import ServerNames
from affilia_views.words import enum_word

NOT_OFFERED = change_request_pb2.VIOLATION_CODE_NOT_OFFERED
LATER = pb.SOURCE_DIFFERENCE_KIND_LATER
STYLES = {LATER: "dim", pb.SOURCE_DIFFERENCE_KIND_MISSING: "yellow", pb.SOURCE_DIFFERENCE_KIND_STALE: "yellow"}


def compare(
    context: typer.Context,
    country: Country,
    contract: MappedContract = "",
    show_all: Annotated[bool, typer.Option("--all", help="Also show what differs only later.")] = False,
) -> None:
    """Compare the legacy tables with the core, and show how groups differ, with the reasons.

    The exit status is 6 if a group differs otherwise than LATER. Only a comparison of all contracts counts for the next
    stage.
    """
    session: Session = context.obj
    result = pb.SourceComparison()
    with session.client() as client:
        resolver, names = session.resolver(client), ServerNames(client)
        contract_id = resolver.contract(contract) if contract else ""
        answers = client.migrations.compare_sources(country_code=country_in(country), contract_id=contract_id)
        for answer in answers:
            if answer.HasField("result"):
                result = answer.result
            if session.print_json(answer) or answer.HasField("result"):
                continue
            if show_all or answer.difference.kind != LATER:
                _show_difference(answer.difference, names, show_all=show_all)
    if not session.as_json:
        _show_result(result, country_in(country), is_stored=not contract, shows_later=show_all)
    raise typer.Exit(SOURCES_DIFFER if any(each.kind != LATER for each in result.differences) else 0)


def _show_difference(difference: pb.GroupSourceDifference, names: ServerNames, *, show_all: bool) -> None:
    """Prints how the sources differ about a group. Without `show_all`, omits what rules end only after today."""
    is_missing = difference.kind == pb.SOURCE_DIFFERENCE_KIND_MISSING
    today = today_under(names.contract(difference.key.contract_id))
    shown = [
        each
        for each in difference.enrollments
        if (show_all and (each.reasons or not is_missing)) or _is_urgent(each, today, is_missing=is_missing)
    ]
    names.load_members([difference.key.primary_id, *(each.member_id for each in shown)])
    names.load_modules(each.module_id for each in shown)
    CONSOLE.print(
        styled(
            (difference_name(difference.kind), STYLES.get(difference.kind, "red")),
            "  ",
            (names.family(difference.key), "bold"),
            f" (group {difference.group_id}): {DIFFERENCES.get(difference.kind, 'differs')}",
        )
    )
    for each in shown:
        _show_enrollment(each, difference.key.contract_id, names, is_missing=is_missing)
    for finding in difference.findings:
        words = f"{finding_name(finding.kind)}: {FINDINGS.get(finding.kind, 'unknown')}"
        CONSOLE.print(f"  row {finding.row_id}, {words}")


def _is_urgent(each: pb.EnrollmentSourceDifference, today: date, *, is_missing: bool) -> bool:
    """Returns whether more differs than days after today that rules end.

    Of a group that isn't in the core yet, everything differs. What counts is whether rules would end it by today.
    """
    by_today = any(date_from_proto(reason.on) <= today for reason in each.reasons)
    if is_missing:
        return by_today
    is_unexplained = bool(each.core_only) or not each.reasons
    return is_unexplained or by_today or any(reason.code == NOT_OFFERED for reason in each.reasons)


def _show_enrollment(
    each: pb.EnrollmentSourceDifference, contract_id: str, names: ServerNames, *, is_missing: bool
) -> None:
    role = enum_word(membership_type_pb2.MembershipType, each.membership_type)
    who = f"{names.member(each.member_id)} ({role}) on {names.module(each.module_id)}"
    if is_missing:
        CONSOLE.print(f"  {who} would end:")
    for label, spans in (("only legacy", each.legacy_only), ("only core", each.core_only)):
        if spans and not is_missing:
            CONSOLE.print(f"  {label}: {who}, {', '.join(map(format_span, spans))}")
    show_violations(each.reasons, contract_id, names, "    ")


def _show_result(result: pb.SourceComparison, country: str, *, is_stored: bool, shows_later: bool) -> None:
    stage = stage_name(result.stage)
    CONSOLE.print(styled((f"Compared in {stage}: ", "bold"), f"{comparison_words(result)}."))
    if not shows_later and any(each.kind == LATER for each in result.differences):
        CONSOLE.print("To show groups that differ LATER, add --all.")
    if is_stored:
        CONSOLE.print(styled(("next step: ", "dim"), next_step(result.stage, country, result)))
    else:
        CONSOLE.print("This comparison of one contract isn't stored, and doesn't count for the next stage.")
