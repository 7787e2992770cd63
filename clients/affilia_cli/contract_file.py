"""Reads contracts from files, and reports errors in them by line."""

from dataclasses import dataclass
from pathlib import Path

import typer
from google.protobuf import json_format

from affilia.catalog.v1.catalog_service_pb2 import ValidateContractRequest, ValidateContractResponse
from affilia.catalog.v1.contract_pb2 import Contract
from affilia_cli.console import CONSOLE, styled
from affilia_cli.exit_status import OTHER_ERROR
from affilia_cli.local_files import read_regular
from affilia_cli.session import Session
from affilia_client import Client
from affilia_views.json_lines import line_of

MAX_CONTRACT_BYTES = 16 * 1024 * 1024
MALFORMED = "REQUEST_MALFORMED"


@dataclass(frozen=True, slots=True)
class ContractFile:
    """A contract with the file that it was read from."""

    file: Path
    text: str
    contract: Contract

    @classmethod
    def read(cls, file: Path) -> "ContractFile":
        """Reads a file as `contract export` writes it. Raises BadParameter."""
        try:
            text = read_regular(file, MAX_CONTRACT_BYTES).decode()
            contract = json_format.Parse(text, Contract())
        except (json_format.ParseError, UnicodeDecodeError) as wrong:
            raise typer.BadParameter(f"{file} is not a contract: {wrong}") from wrong
        if not (contract.contract_id and contract.versions):
            raise typer.BadParameter(f"{file} is not a contract: contractId and versions are required.")
        return cls(file, text, contract)

    def place_of(self, field: str) -> str:
        """Returns the file, line and path of a field of the contract or of the request that has it."""
        path = field.removeprefix("contract.")
        return f"{self.file}:{line_of(self.text, path)}: {path}"


def validate(
    session: Session, client: Client, document: ContractFile, request: ValidateContractRequest, *, dry_run: bool
) -> None:
    """Validates a contract before it is published. Prints what a dry run found, or else only errors.

    Raises typer.Exit after a dry run, and if there are errors.
    """
    found = client.catalog.validate_contract(request)
    if not dry_run and not found.errors:
        return
    if not session.print_json(found):
        _show(found, document)
    raise typer.Exit(OTHER_ERROR if found.errors else 0)


def _show(found: ValidateContractResponse, document: ContractFile) -> None:
    for error in found.errors:
        reason = "" if error.reason == MALFORMED else f" ({error.reason})"
        CONSOLE.print(styled(("✗ ", "red"), f"{document.place_of(error.field)}: {error.description}{reason}"))
    for warning in found.warnings:
        CONSOLE.print(styled(("! ", "yellow"), f"{document.place_of(warning.field)}: {warning.message}"))
    counts = f"{_counted(len(found.errors), 'error')}, {_counted(len(found.warnings), 'warning')}"
    CONSOLE.print(f"{counts}. {'The server would reject it.' if found.errors else 'The server would accept it.'}")


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
