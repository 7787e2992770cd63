"""The command `why`: why a member is or isn't covered on a day, or why a revision changed a family's coverage."""

from typing import Annotated

import typer

from affilia_cli.asking_why import ask_why
from affilia_cli.choices import show_choices
from affilia_cli.console import CONSOLE, styled
from affilia_cli.days import DayInQuestion
from affilia_cli.explanations import show_days, show_difference
from affilia_cli.options import On
from affilia_cli.outlines import show_items
from affilia_cli.session import Session
from affilia_client import Client
from affilia_views.coverage import coverage_item
from affilia_views.server_names import ServerNames


def why(
    context: typer.Context,
    subject: Annotated[
        str, typer.Argument(metavar="MEMBER|FAMILY", help="A member; with --revision, a family. A name or an id.")
    ],
    target: Annotated[
        str, typer.Argument(metavar="[MODULE|CAPABILITY]", help="Only coverage by this module or with this capability.")
    ] = "",
    on: On = "today",
    revision: Annotated[int, typer.Option(min=0, max=2**31 - 1, help="Explain what this revision changed.")] = 0,
) -> None:
    """Explain coverage on a day, or a revision.

    Shows why a member is or isn't covered, or which facts, requests and rules caused the changes in a revision.
    """
    session: Session = context.obj
    with session.client() as client:
        if revision:
            _explain_revision(session, client, subject, target, revision)
        else:
            _explain_day(session, client, subject, target, DayInQuestion.parse(on))


def _explain_revision(session: Session, client: Client, family: str, module: str, revision: int) -> None:
    resolver = session.resolver(client)
    group_id = resolver.group_id(family)
    key = resolver.key_of({"group_id": group_id})
    module_id = resolver.module(module, [key.contract_id]) if module else ""
    answer = client.history.explain_difference(group_id=group_id, revision=revision, module_id=module_id)
    if session.print_json(answer):
        return
    names = ServerNames(client)
    CONSOLE.print(styled((f"revision {revision}", "bold"), f" of the {names.family(key)}"))
    show_difference(answer, names, key.contract_id)


def _explain_day(session: Session, client: Client, member: str, target: str, on: DayInQuestion) -> None:
    resolver = session.resolver(client)
    member_id = resolver.existing_member(member)
    wanted = resolver.module_or_capability(target, resolver.contracts_of(member_id)) if target else {}
    names = ServerNames(client)
    answer = ask_why(client, names, member_id, resolver.groups_of(member_id), on, wanted)
    runs = [run for day in answer.explained for run in day.runs]
    if session.print_parts(check=answer.check, choices=answer.choices, missing_coverage=answer.missing, runs=runs):
        return
    show_items([coverage_item(answer.check, names.member(member_id), answer.on, names)])
    for index, group in enumerate(answer.groups):
        CONSOLE.print("")
        show_choices(answer.choices_of(index), group.key, names)
    if answer.explained:
        CONSOLE.print(styled(("\nwhat decided this day", "bold")))
    show_days(answer.explained, names)
    if answer.missing_omitted:
        CONSOLE.print(
            f"and {answer.missing_omitted} more enrollments that lack this day; ask about a module to see them"
        )
