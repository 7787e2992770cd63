"""The commands `contracts` and `groups`, which list what exists, with ids."""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Annotated, Any

import typer

from affilia.enrollment.v1.enrollment_group_pb2 import ENROLLMENT_SOURCE_LEGACY, EnrollmentGroup
from affilia_cli.console import CONSOLE, styled
from affilia_cli.options import Source, source_of_truth
from affilia_cli.session import Session
from affilia_cli.tables import BATCH, show_rows
from affilia_client.dates import span_from_proto
from affilia_views.server_names import ServerNames


def contracts(context: typer.Context) -> None:
    """List contracts and the modules of their newest versions."""
    session: Session = context.obj
    with session.client() as client:
        for contract in client.catalog.all_contracts():
            if session.print_json(contract):
                continue
            newest = contract.versions[-1]
            first, _ = span_from_proto(newest.days)
            CONSOLE.print(
                styled(
                    f"{contract.contract_id}  ",
                    (contract.country_code, "bold"),
                    f" {contract.display_name}".rstrip(),
                    f" from {first or 'the beginning'}",
                )
            )
            for module in newest.modules:
                CONSOLE.print(f"    {module.module_id}  {module.display_name}")


def groups(
    context: typer.Context,
    contract: Annotated[str, typer.Option(help="Only groups of this contract.")] = "",
    member: Annotated[str, typer.Option(help="Only groups that this member is or was in.")] = "",
    primary: Annotated[str, typer.Option(help="Only groups of this primary.")] = "",
    source: Source = "",
    ids: Annotated[bool, typer.Option("--ids", help="Show ids instead of names.")] = False,
) -> None:
    """List the enrollment groups of a contract, member or primary.

    Shown page by page on a terminal. If the output is a pipe or a file, all groups are printed.
    """
    session: Session = context.obj
    named = {"contract_id": contract, "member_id": member, "primary_id": primary}
    texts = {name: value for name, value in named.items() if value}
    if len(texts) != 1:
        raise typer.BadParameter("Give exactly one of --contract, --member and --primary.")
    with session.client() as client:
        resolver = session.resolver(client)
        given: dict[str, Any] = {
            name: resolver.contract(text) if name == "contract_id" else resolver.member(text)
            for name, text in texts.items()
        }
        found = client.enrollment.all_enrollment_groups(source_of_truth=source_of_truth(source), **given)
        if session.as_json:
            for group in found:
                session.print_json(group)
            return
        titles = ["primary", "group", "members", "revision"]
        if not contract:
            titles.insert(0, "contract")
        show_rows(titles, _rows(found, ServerNames(client, ids), with_contract=not contract), ids=["group"])


def _revision(group: EnrollmentGroup) -> str:
    return "legacy" if group.source == ENROLLMENT_SOURCE_LEGACY else str(group.revision)


def _rows(found: Iterable[EnrollmentGroup], names: ServerNames, *, with_contract: bool) -> Iterator[list[str]]:
    """Yields a row for each group. Names are read in batches of groups."""
    remaining = iter(found)
    while batch := list(islice(remaining, BATCH)):
        names.load_members(group.key.primary_id for group in batch)
        for group in batch:
            members = {period.member_id for period in group.periods}
            row = [names.member(group.key.primary_id), group.group_id, str(len(members)), _revision(group)]
            yield [names.contract_name(group.key.contract_id), *row] if with_contract else row
