"""The command `choices`: which modules a member can choose on a day, why others are unavailable, and what they cost."""

from collections.abc import Sequence
from typing import Annotated

import typer

from affilia.enrollment.v1.change_request_pb2 import Choice
from affilia.enrollment.v1.enrollment_group_pb2 import GroupKey
from affilia_cli.console import CONSOLE, styled
from affilia_cli.days import DayInQuestion
from affilia_cli.names import ServerNames
from affilia_cli.options import Member, On
from affilia_cli.resolving import fields_of
from affilia_cli.session import Session
from affilia_cli.showing import show_violations
from affilia_client.dates import date_from_proto
from affilia_views.words import cost_words


def choices(
    context: typer.Context,
    member: Member,
    family: Annotated[
        str, typer.Argument(help="Family, or CONTRACT/PRIMARY. Defaults to all families of the member.")
    ] = "",
    on: On = "today",
) -> None:
    """List what a member can choose, and the cost.

    Shows each module with its state on a day, the reasons why it isn't available, and the monthly cost before and
    after.
    """
    session: Session = context.obj
    day = DayInQuestion.parse(on)
    with session.client() as client:
        resolver = session.resolver(client)
        member_id = resolver.member(member)
        families = [resolver.family(family)] if family else resolver.families_of(member_id)
        names = ServerNames(client)
        days = {str(group): day.under(names.contract(resolver.key_of(group).contract_id)) for group in families}
        answers = {
            str(group): client.changes.list_available_choices(
                member_id=member_id, on=days[str(group)], **fields_of(group)
            )
            for group in families
        }
        if session.print_parts(families=answers.values()):
            return
        named = set(days.values())
        CONSOLE.print(styled((names.member(member_id), "bold"), f" on {named.pop() if len(named) == 1 else day}"))
        for group in families:
            show_choices(answers[str(group)].choices, resolver.key_of(group), names)


def show_choices(found: Sequence[Choice], key: GroupKey, names: ServerNames) -> None:
    """Prints the modules that a member can choose in a family."""
    names.load_modules(choice.module_id for choice in found)
    CONSOLE.print(names.family(key))
    for choice in found:
        show_choice(choice, key.contract_id, names)
    if not found:
        CONSOLE.print("  The contract offers nothing on this day.")


def show_choice(choice: Choice, contract_id: str, names: ServerNames) -> None:
    """Prints whether a module is chosen or available, why it isn't, and the cost."""
    sign = ("●", "green") if choice.enrolled else ("○", "cyan") if choice.allowed else ("✗", "red")
    state = "enrolled" if choice.enrolled else "available" if choice.allowed else "not available"
    CONSOLE.print(styled("  ", sign, f" {names.module(choice.module_id)}: {state}"))
    if choice.HasField("committed_until"):
        CONSOLE.print(f"      committed until {date_from_proto(choice.committed_until)}")
    if not choice.enrolled:
        show_violations(choice.reasons, contract_id, names, "      ", choice.reasons_omitted)
        if choice.HasField("first_allowed_later"):
            CONSOLE.print(f"      first possible on {date_from_proto(choice.first_allowed_later)}")
        elif not choice.allowed:
            CONSOLE.print("      not possible within the next two years")
    if choice.HasField("cost"):
        CONSOLE.print(f"      {cost_words(choice.cost)}")
    elif choice.cost_missing_reason:
        CONSOLE.print(styled((f"      monthly cost unknown: {choice.cost_missing_reason}", "dim")))
