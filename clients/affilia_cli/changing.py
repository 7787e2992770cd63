"""The command `change`: several changes in one request."""

from pathlib import Path
from typing import Annotated

import typer

from affilia_cli.console import CONSOLE
from affilia_cli.local_files import read_regular
from affilia_cli.options import Admin, Family
from affilia_cli.requesting import Accept, Asked, DryRun, Override, Reason, simulate_change, submit_change
from affilia_cli.session import Session
from affilia_cli.typed_changes import CONSEQUENCE_FORM, FORMS, TypedChange
from affilia_views.server_names import ServerNames
from affilia_views.words import change_words

MAX_FILE_BYTES = 1024 * 1024
COMMENT = "#"


def change(
    context: typer.Context,
    group: Family,
    changes: Annotated[
        list[str] | None, typer.Argument(metavar="[CHANGE]...", help=f"'{FORMS[0]}' or '{FORMS[1]}', in this order.")
    ] = None,
    file: Annotated[
        Path | None,
        typer.Option(help="File with additional changes, one per line. Lines that start with # are comments."),
    ] = None,
    dry_run: DryRun = False,
    admin: Admin = "",
    reason: Reason = "",
    accept: Accept = False,
    accepted: Annotated[
        list[str] | None,
        typer.Option(
            "--accept",
            metavar="CONSEQUENCE",
            help=f"Days that somebody may lose because of the change, as '{CONSEQUENCE_FORM}'. Repeatable.",
        ),
    ] = None,
    override: Override = None,
) -> None:
    """Request several changes of a family together: all of them are made, or none."""
    session: Session = context.obj
    lines = [*(changes or ()), *(_lines_of(file) if file else ())]
    if not lines:
        raise typer.BadParameter("Give at least one change, or --file.")
    typed = list(map(TypedChange.parse, lines))
    to_accept = list(map(TypedChange.parse_consequence, accepted or ()))
    with session.client(admin) as client:
        resolver = session.resolver(client)
        key = resolver.key(group)
        fields = Asked(admin, reason, accept, override).fields(session.claims, key.primary_id)
        fields["accepted_consequences"] = [each.consequence(key, resolver) for each in to_accept]
        messages = [each.message(key, resolver) for each in typed]
        if not session.as_json:
            names = ServerNames(client)
            for each in messages:
                CONSOLE.print(change_words(each, names))
        make = simulate_change if dry_run else submit_change
        make(session, client, key, messages, fields)


def _lines_of(file: Path) -> list[str]:
    try:
        text = read_regular(file, MAX_FILE_BYTES).decode()
    except UnicodeDecodeError as wrong:
        raise typer.BadParameter(f"{file} is not text: {wrong}") from wrong
    lines = (line.strip() for line in text.splitlines())
    return [line for line in lines if line and not line.startswith(COMMENT)]
