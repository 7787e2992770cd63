"""The command `sample load`: loads the sample book, or a folder in the same format."""

import asyncio
import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from affilia_cli.console import ERRORS
from affilia_cli.samples.loading import Purpose, Summary, load_folder, purpose_of
from affilia_cli.samples.location import sample_book_folder
from affilia_cli.session import Session

MAX_PROBLEMS_ON_TERMINAL = 10

app = typer.Typer(help="Load contracts and families from files.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Keeps `load` a subcommand: a group with a single command would otherwise become that command."""


@app.command()
def load(
    context: typer.Context,
    folder: Annotated[
        Path | None,
        typer.Argument(
            help="Folder with contract.json and families.csv, or with such folders. Defaults to the sample book."
        ),
    ] = None,
    reason: Annotated[
        str,
        typer.Option(help="Reason of the change requests. With another reason, all families are requested again."),
    ] = "",
    max_concurrent_families: Annotated[
        int, typer.Option(min=1, max=64, help="Maximum number of families to load concurrently.")
    ] = 16,
) -> None:
    """Load contracts and families from a folder. Loading the same folder again changes nothing."""
    session: Session = context.obj
    folder = folder or sample_book_folder()
    summary = asyncio.run(_load(session, folder, purpose_of(folder, reason, session.claims), max_concurrent_families))
    if session.as_json:
        print(json.dumps(asdict(summary)))
    else:
        text = summary.in_words(MAX_PROBLEMS_ON_TERMINAL if ERRORS.is_terminal else None)
        ERRORS.print(text)
    raise typer.Exit(1 if summary.problems else 0)


async def _load(session: Session, folder: Path, purpose: Purpose, max_concurrent_families: int) -> Summary:
    async with session.async_client() as client:
        return await load_folder(client, folder, purpose, max_concurrent_families=max_concurrent_families)
