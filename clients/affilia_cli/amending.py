"""The commands `contract export`, `amend` and `publish`, for writing and correcting a contract in a text editor."""

from pathlib import Path
from typing import Annotated
from uuid import uuid4

import typer
from google.protobuf import json_format

from affilia.catalog.v1 import catalog_service_pb2 as pb
from affilia.history.v1 import history_entry_pb2
from affilia_cli import contract_showing
from affilia_cli.console import CONSOLE, ERRORS, styled
from affilia_cli.contract_file import ContractFile, validate
from affilia_cli.local_files import write_private
from affilia_cli.options import Admin
from affilia_cli.outlines import show_items
from affilia_cli.session import Session
from affilia_cli.showing import show_warnings
from affilia_client import CallFailed, Client
from affilia_views.history import contract_items
from affilia_views.outline import Item, item
from affilia_views.server_names import ServerNames

DryRun = Annotated[bool, typer.Option("--dry-run", help="Show all errors and warnings without changing anything.")]

app = typer.Typer(help="Show contracts, and publish, export and amend them as files.", no_args_is_help=True)
app.command()(contract_showing.show)


@app.command()
def export(
    context: typer.Context,
    contract: Annotated[str, typer.Argument(help="Contract: its name, its sponsor's id, or its id.")],
    file: Annotated[Path | None, typer.Argument(help="File to write. Defaults to the standard output.")] = None,
) -> None:
    """Write a contract as JSON, in the format that `contract amend` reads."""
    session: Session = context.obj
    with session.client() as client:
        contract_id = session.resolver(client).contract(contract)
        found = client.catalog.get_contract(contract_id=contract_id).contract
    text = json_format.MessageToJson(found, ensure_ascii=False) + "\n"
    if file is None:
        print(text, end="")
    else:
        write_private(file, text)
        ERRORS.print(f"Wrote {file}.")


@app.command()
def amend(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="File from `contract export`, with corrected versions.")],
    dry_run: DryRun = False,
    admin: Admin = "",
) -> None:
    """Replace the versions of a contract by those in a file.

    Fails if the contract has changed since it was exported. Families under the contract are recomputed.
    """
    session: Session = context.obj
    document = ContractFile.read(file)
    contract = document.contract
    request = pb.AmendContractRequest(
        contract_id=contract.contract_id, versions=contract.versions, etag=contract.etag, request_id=str(uuid4())
    )
    with session.client(admin) as client:
        validate(session, client, document, pb.ValidateContractRequest(amend=request), dry_run=dry_run)
        answer = client.catalog.amend_contract(request)
        if session.print_json(answer):
            return
        CONSOLE.print(styled((f"Amended {answer.contract.display_name or contract.contract_id}:", "bold")))
        show_items(_changes(client, contract.contract_id), "  ")
        show_warnings(answer.warnings)


@app.command()
def publish(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="File with a new contract, in the format of `contract export`.")],
    dry_run: DryRun = False,
    admin: Admin = "",
) -> None:
    """Publish a new contract from a file. Use `contract amend` to change a published one."""
    session: Session = context.obj
    document = ContractFile.read(file)
    request = pb.PublishContractRequest(contract=document.contract, request_id=str(uuid4()))
    with session.client(admin) as client:
        validate(session, client, document, pb.ValidateContractRequest(publish=request), dry_run=dry_run)
        answer = client.catalog.publish_contract(request)
        if not session.print_json(answer):
            name = answer.contract.display_name
            CONSOLE.print(f"Published {name or 'contract'} ({answer.contract.contract_id}).")
            show_warnings(answer.warnings)


def _changes(client: Client, contract_id: str) -> list[Item]:
    """Returns what the newest amendment of a contract changed."""
    kinds = [history_entry_pb2.HISTORY_KIND_CONTRACT]
    try:
        entries = client.history.list_history(contract_id=contract_id, kinds=kinds, page_size=1).entries
    except CallFailed:
        return [item(f"details: affilia history {contract_id}")]
    found = [each for entry in entries for each in contract_items(entry.contract, ServerNames(client))]
    return found or [item("nothing differs from the earlier versions")]
