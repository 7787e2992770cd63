"""The command `limits`: how much of each limit a member has used, and the ledger behind it."""

from collections.abc import Iterable
from typing import Annotated

import typer

from affilia.eligibility.v1.accumulator_pb2 import Accumulator, AccumulatorApplication
from affilia.enrollment.v1.enrollment_group_pb2 import EnrollmentGroup
from affilia_cli.console import CONSOLE, ERRORS, styled
from affilia_cli.days import DayInQuestion
from affilia_cli.options import Member, On
from affilia_cli.session import Session
from affilia_client import CallFailed, Client
from affilia_client.dates import date_to_proto
from affilia_views.limits import (
    application_words,
    counters_of,
    currency_of,
    recorded_words,
    term_words,
    usage_bar,
    usage_words,
)
from affilia_views.server_names import ServerNames


def limits(
    context: typer.Context,
    member: Member,
    on: On = "today",
    ledger: Annotated[
        bool, typer.Option("--ledger/--no-ledger", help="Also show what was applied. Uses the internal listener.")
    ] = True,
    orphaned: Annotated[
        bool, typer.Option("--orphaned", help="Show only orphaned applications in the ledger.")
    ] = False,
) -> None:
    """Show how much of each limit is used, and what was applied to it: claims, reversals and orphans.

    An application is orphaned if the member is no longer covered on its day. It counts until it is reversed.
    """
    session: Session = context.obj
    day = DayInQuestion.parse(on)
    with session.client() as client:
        resolver = session.resolver(client)
        member_id = resolver.existing_member(member)
        groups = {group.group_id: group for group in resolver.groups_of(member_id)}
        names = ServerNames(client)
        accumulators = _accumulators(client, member_id, groups.values(), day, names)
        applications, failed = _ledger(client, member_id, orphaned=orphaned) if ledger else ([], None)
        if session.print_parts(accumulators=accumulators, applications=applications):
            return
        currencies = {key: names.contract(group.key.contract_id).currency_code for key, group in groups.items()}
        units = {each.code: currency_of(each, currencies.get(each.group_id, "")) for each in accumulators}
        CONSOLE.print(styled((names.member(member_id), "bold"), f" on {day}"))
        for group_id, group in groups.items():
            own = [each for each in accumulators if each.group_id == group_id]
            if own:
                CONSOLE.print(f"{names.family(group.key)}, term {term_words(own[0])}")
            for each in own:
                _show_accumulator(each, units[each.code])
        if not accumulators:
            CONSOLE.print("No limit applies on this day.")
        if failed:
            ERRORS.print(f"The ledger can't be read: {failed.reason or failed.message}", style="yellow")
        elif ledger:
            _show_ledger(applications, units, names)


def _accumulators(
    client: Client, member_id: str, groups: Iterable[EnrollmentGroup], day: DayInQuestion, names: ServerNames
) -> list[Accumulator]:
    """Returns the limits that apply on the day, which is each contract's own for today."""
    days = {day.under(names.contract(group.key.contract_id)): set[str]() for group in groups}
    for group in groups:
        days[day.under(names.contract(group.key.contract_id))].add(group.group_id)
    return [
        each
        for on, group_ids in days.items()
        for each in client.eligibility.get_accumulators(member_id=member_id, date=date_to_proto(on)).accumulators
        if each.group_id in group_ids
    ]


def _ledger(
    client: Client, member_id: str, *, orphaned: bool
) -> tuple[list[AccumulatorApplication], CallFailed | None]:
    """Returns the member's applications, and why they can't be read."""
    try:
        found = client.internal.all_accumulator_applications(member_id=member_id, orphaned_only=orphaned)
        return list(found), None
    except CallFailed as failed:
        return [], failed


def _show_accumulator(each: Accumulator, currency: str) -> None:
    met = "  met" if each.met else ""
    CONSOLE.print(styled(("  ", ""), (each.code, "bold"), (met, "green")))
    for owner, counter in counters_of(each):
        bar = usage_bar(counter)
        CONSOLE.print(styled(f"    {owner:10} ", (f"{bar} " if bar else "", "cyan"), usage_words(counter, currency)))


def _show_ledger(applications: Iterable[AccumulatorApplication], units: dict[str, str], names: ServerNames) -> None:
    CONSOLE.print(styled(("\nledger", "bold")))
    shown = 0
    for each in applications:
        CONSOLE.print(f"  {application_words(each, units.get(each.code, ''))}")
        CONSOLE.print(styled((f"    {recorded_words(each, names)}, application {each.application_id}", "dim")))
        shown += 1
    if not shown:
        CONSOLE.print("  Nothing was applied.")
