"""The command `export-834`: writes an enrollment file."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from affilia_cli.console import CONSOLE, ERRORS
from affilia_cli.exit_status import LEFT_OUT
from affilia_cli.session import Session

if TYPE_CHECKING:
    from affilia_cli.enrollment_export import Exported


def export_file(
    context: typer.Context,
    mapping: Annotated[Path, typer.Option(exists=True, help="The sponsor's mapping: docs/enrollment-files.md.")],
    to: Annotated[Path, typer.Option(dir_okay=False, help="The file to write. It must not exist yet.")],
    full: Annotated[
        bool, typer.Option("--full", help="Everyone who is enrolled today or later. Also writes a token to FILE.token.")
    ] = False,
    since: Annotated[
        Path | None,
        typer.Option(dir_okay=False, help="Changes since the token in this file. The export replaces the token."),
    ] = None,
    reinstate_to_shorten: Annotated[
        bool,
        typer.Option(
            "--reinstate-to-shorten",
            help="Before ending a coverage earlier than its former last day, reinstate it with that day.",
        ),
    ] = False,
) -> None:
    """Export an enrollment file.

    The exit status is 3 if something was left out, for example a coverage on a module that the mapping doesn't have.
    """
    from affilia_cli.enrollment_export import export_full, export_since
    from affilia_cli.enrollment_file import read_mapping

    if full == (since is not None):
        raise typer.BadParameter("Give either --full or --since TOKENFILE.")
    if full and reinstate_to_shorten:
        raise typer.BadParameter("--reinstate-to-shorten requires --since, because full files end nothing.")
    session: Session = context.obj
    with session.client() as client:
        read = read_mapping(mapping)
        exported = (
            export_since(client, read, since, to, reinstate_to_shorten=reinstate_to_shorten)
            if since
            else export_full(client, read, to)
        )
    _show(exported, as_json=session.as_json)
    if not exported.is_complete:
        raise typer.Exit(LEFT_OUT)


def _show(exported: "Exported", *, as_json: bool) -> None:
    for remark in exported.remarks:
        ERRORS.print(str(remark), style="yellow" if remark.leaves_out else "", markup=False)
    if as_json:
        content = {
            "file": str(exported.path) if exported.path else None,
            "token_file": str(exported.token_path),
            "control_number": exported.control_number,
            "members": exported.members,
            "coverages": exported.coverages,
            "remarks": [
                {"code": each.code, "count": each.count, "named": each.named, "leaves_out": each.leaves_out}
                for each in exported.remarks
            ],
        }
        print(json.dumps(content, ensure_ascii=False))
    elif exported.path:
        CONSOLE.print(
            f"{exported.path}: {exported.members} members, {exported.coverages} coverages, control number "
            f"{exported.control_number}. Token: {exported.token_path}",
            markup=False,
        )
    else:
        CONSOLE.print(f"Nothing to send, so no file was written. Token: {exported.token_path}", markup=False)
