"""`contracts` and `groups`: what there is, and by which ids."""

from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from affilia_client.dates import span_from_proto
from server.command_line.context import CONSOLE, Asking
from server.command_line.names import Names


def contracts(context: typer.Context) -> None:
    """List contracts and the modules of their newest versions."""
    asking: Asking = context.obj
    with asking.client() as client:
        for contract in client.catalog.all_contracts():
            if asking.tell(contract):
                continue
            newest = contract.versions[-1]
            first, _ = span_from_proto(newest.days)
            CONSOLE.print(f"{contract.contract_id}  [bold]{contract.country_code}[/] from {first or 'ever'}")
            for module in newest.modules:
                CONSOLE.print(f"    {module.module_id}  {module.display_name}", markup=False)


def groups(
    context: typer.Context,
    contract: Annotated[str, typer.Option(help="Under this contract.")] = "",
    member: Annotated[str, typer.Option(help="Which this member is or was in.")] = "",
    primary: Annotated[str, typer.Option(help="In this primary's name.")] = "",
    most: Annotated[int, typer.Option(min=1, help="Stop after so many.")] = 20,
) -> None:
    """List enrollment groups: of a contract, a member or a primary."""
    asking: Asking = context.obj
    wanted = {"contract_id": contract, "member_id": member, "primary_id": primary}
    given: dict[str, Any] = {name: its for name, its in wanted.items() if its}
    if len(given) != 1:
        raise typer.BadParameter("give one of --contract, --member and --primary")
    table = Table(box=None)
    for title, width in (("group", 36), ("primary", 36), ("named", None), ("people", None), ("revision", None)):
        table.add_column(title, min_width=width, no_wrap=True)
    with asking.client() as client:
        names = Names(client)
        for seen, group in enumerate(client.enrollment.all_enrollment_groups(**given)):
            if seen == most:
                break
            if asking.tell(group):
                continue
            primary_id, people = group.key.primary_id, {period.member_id for period in group.periods}
            row = (group.group_id, primary_id, Text(names.member(primary_id)), str(len(people)), str(group.revision))
            table.add_row(*row)
    if not asking.as_json:
        CONSOLE.print(table)
