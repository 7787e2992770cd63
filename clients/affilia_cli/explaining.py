"""The command `explain coverage`: whether a member is covered, and why.

The other `explain` commands are in `explaining_premiums.py`.
"""

from collections.abc import Iterable
from datetime import date
from typing import Annotated

import typer

from affilia.eligibility.v1 import eligibility_check_service_pb2 as eligibility_pb2
from affilia.enrollment.v1.enrollment_group_pb2 import EnrollmentGroup
from affilia_cli import explaining_premiums
from affilia_cli.console import CONSOLE, styled
from affilia_cli.days import DayInQuestion
from affilia_cli.explained_days import DayUnder, lacking
from affilia_cli.explanations import show_days, show_revisions
from affilia_cli.options import Member, On
from affilia_cli.resolving import Resolver
from affilia_cli.session import Session
from affilia_cli.showing import show_violations
from affilia_client import CallFailed, Client
from affilia_client.dates import date_from_proto, date_to_proto
from affilia_views.days import format_span
from affilia_views.limits import counters_of, currency_of, usage_words
from affilia_views.payment_order import payment_in_words
from affilia_views.server_names import ServerNames
from affilia_views.words import state_words

app = typer.Typer(help="Explain coverage, costs and premiums.", no_args_is_help=True)
app.command()(explaining_premiums.price)
app.command()(explaining_premiums.premium)


@app.command()
def coverage(
    context: typer.Context,
    member: Member,
    on: On = "today",
    module: Annotated[str, typer.Option(help="Only coverage by this module.")] = "",
    capability: Annotated[str, typer.Option(help="Only coverage with this capability.")] = "",
) -> None:
    """Explain whether a member is covered on a day, by which modules, and if not, why not."""
    session: Session = context.obj
    day = DayInQuestion.parse(on)
    with session.client() as client:
        resolver = session.resolver(client)
        member = resolver.existing_member(member)
        module = resolver.module(module, resolver.contracts_of(member)) if module else ""
        check = eligibility_pb2.EligibilityCheck(
            member_id=member,
            date=date_to_proto(day.given) if day.given else None,
            module_id=module,
            capability=capability,
        )
        answer = client.eligibility.check_eligibility(check=check, explain=True)
        if session.print_json(answer):
            return
        names = ServerNames(client)

        def day_under(contract_id: str) -> date:
            return day.under(names.contract(contract_id))

        names.load_modules(record.module_id for record in answer.records)
        reason = eligibility_pb2.EligibilityReason.Name(answer.reason).removeprefix("ELIGIBILITY_REASON_")
        colour = "green" if answer.covered else "red"
        CONSOLE.print(styled((reason, f"bold {colour}"), f" on {on}"))
        for label, limit in (("last covered on", answer.last_day), ("next covered from", answer.first_day)):
            if not answer.covered and limit.year:
                CONSOLE.print(f"  {label} {date_from_proto(limit)}")
        groups, failed = _groups(resolver, member)
        show_days(lacking(client, answer.missing_coverage, groups, day_under), names)
        if answer.missing_coverage_omitted:
            CONSOLE.print(f"  and {answer.missing_coverage_omitted} more enrollments that lack this day")
        for record, payment in zip(answer.records, payment_in_words(answer.records, names), strict=True):
            if payment:
                CONSOLE.print(f"  {payment}")
            CONSOLE.print(
                f"  {names.module(record.module_id)}, {format_span(record.days)}"
                + (f", tier {record.network_tier}" if record.network_tier else "")
            )
            CONSOLE.print(f"    {state_words(record.group_id, record.revision)}")
            if record.capabilities:
                CONSOLE.print(styled((f"    {', '.join(record.capabilities)}", "dim")))
        _show_limits(answer, names)
        if failed:
            CONSOLE.print(styled((f"  cannot read the member's groups: {failed}", "dim")))
        _show_choices(client, groups, member, day_under, names)


def _show_limits(answer: eligibility_pb2.CheckEligibilityResponse, names: ServerNames) -> None:
    contracts = {record.group_id: record.key.contract_id for record in answer.records}
    for accumulator in answer.accumulators:
        contract = names.contract(contracts.get(accumulator.group_id, ""))
        currency = currency_of(accumulator, contract.currency_code)
        for owner, counter in counters_of(accumulator):
            CONSOLE.print(f"  {accumulator.code} {owner}: {usage_words(counter, currency)}")


def _groups(resolver: Resolver, member: str) -> tuple[list[EnrollmentGroup], str]:
    """Returns the groups of a member, or why they can't be read."""
    try:
        return resolver.groups_of(member), ""
    except CallFailed as failed:
        return [], failed.reason or failed.code.name


def _show_choices(
    client: Client, groups: Iterable[EnrollmentGroup], member: str, day_under: DayUnder, names: ServerNames
) -> None:
    """Prints, for each module of the member's groups, whether the member can be enrolled on that day."""
    for group in groups:
        on = day_under(group.key.contract_id)
        CONSOLE.print(styled((f"\ngroup {group.group_id}", "bold"), f" on {on}"))
        if group.revision:
            differences = client.enrollment.diff_revisions(
                group_id=group.group_id, from_revision=0, to_revision=group.revision
            ).differences
            show_revisions((each for each in differences if each.member_id == member), names)
        choices = client.changes.list_available_choices(group_id=group.group_id, member_id=member, on=on).choices
        names.load_modules(choice.module_id for choice in choices)
        for choice in choices:
            sign = ("●", "green") if choice.enrolled else ("○", "cyan") if choice.allowed else ("✗", "red")
            state = "enrolled" if choice.enrolled else "available" if choice.allowed else "not available"
            CONSOLE.print(styled("  ", sign, f" {names.module(choice.module_id)}: {state}"))
            if not choice.enrolled:
                show_violations(choice.reasons, group.key.contract_id, names, "      ", choice.reasons_omitted)
