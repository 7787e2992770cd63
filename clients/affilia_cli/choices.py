"""The command `choices`: which modules a member can choose on a day, why others are unavailable, and what they cost."""

from collections.abc import Sequence
from typing import Annotated

import typer

from affilia.enrollment.v1.change_request_pb2 import Choice
from affilia.enrollment.v1.enrollment_group_pb2 import GroupKey
from affilia_cli.console import CONSOLE, styled
from affilia_cli.days import DayInQuestion
from affilia_cli.options import Member, On
from affilia_cli.outlines import show_items
from affilia_cli.resolving import fields_of
from affilia_cli.session import Session
from affilia_views.choices import choice_item
from affilia_views.server_names import ServerNames


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
    show_items((choice_item(choice, key.contract_id, names) for choice in found), "  ")
    if not found:
        CONSOLE.print("  The contract offers nothing on this day.")
