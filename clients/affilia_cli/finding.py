"""The command `find`, which finds people by name, date of birth or identifier."""

from typing import Annotated, Any

import typer

from affilia.catalog.v1.member_service_pb2 import MemberHit
from affilia_cli.console import CONSOLE, ERRORS, styled
from affilia_cli.days import parse_day
from affilia_cli.paging import show_each
from affilia_cli.searching import INCOMPLETE, MemberSearch
from affilia_cli.session import Session
from affilia_views.people import identifier_in, name_and_birth, role_in


def find(
    context: typer.Context,
    query: Annotated[str, typer.Argument(help="Beginnings of words of a name, an identifier, or an id.")] = "",
    born: Annotated[str, typer.Option(help="Date of birth, such as 1980-06-01.")] = "",
    contract: Annotated[str, typer.Option(help="Only members of this contract's families.")] = "",
    identifier: Annotated[str, typer.Option(help="Id in another system, as VALUE or SYSTEM:VALUE.")] = "",
) -> None:
    """Find people by name, date of birth or identifier."""
    session: Session = context.obj
    if not (query or born or identifier):
        raise typer.BadParameter("Give a name, --born or --identifier.")
    fields: dict[str, Any] = {"query": query}
    if born:
        fields["born_on"] = parse_day(born)
    if identifier:
        fields["identifier"] = identifier_in(identifier)
    with session.client() as client:
        if contract:
            fields["contract_id"] = session.resolver(client).contract(contract)
        search = MemberSearch(client, **fields)
        if session.as_json:
            hits = list(search)
            session.print_parts(hits=hits, is_complete=search.is_complete)
            return
        show_each(search, _show, nothing="Nobody matches.")
        if not search.is_complete:
            ERRORS.print(INCOMPLETE, style="yellow")


def _show(hit: MemberHit) -> None:
    CONSOLE.print(styled((name_and_birth(hit), "bold")))
    CONSOLE.print(f"  member {hit.member.member_id}")
    for identifier in hit.member.identifiers:
        CONSOLE.print(f"  {identifier.system}: {identifier.value}")
    for group in hit.groups:
        CONSOLE.print(f"  {role_in(group)}")
        CONSOLE.print(styled((f"    group {group.group_id}", "dim")))
    if hit.groups_omitted:
        CONSOLE.print(f"  and {hit.groups_omitted} more groups")
