"""The command `history`: what was recorded about a family, member or contract, by whom, and what changed."""

from functools import partial
from typing import Annotated, Any

import typer

from affilia.history.v1 import history_entry_pb2
from affilia.history.v1.history_entry_pb2 import HistoryEntry
from affilia_cli.console import CONSOLE, styled
from affilia_cli.days import parse_recorded
from affilia_cli.options import From, To
from affilia_cli.outlines import show_items
from affilia_cli.paging import show_each
from affilia_cli.session import Session
from affilia_views.days import format_instant
from affilia_views.history import KINDS, detail_items, recorder_of, summary_of
from affilia_views.server_names import ServerNames
from affilia_views.words import enum_word

INDENT = "    "


def history(
    context: typer.Context,
    subject: Annotated[
        str,
        typer.Argument(
            metavar="FAMILY|MEMBER|CONTRACT", help="A name, an identifier or an id. CONTRACT/PRIMARY means the family."
        ),
    ],
    first: From = "",
    last: To = "",
    kind: Annotated[list[str] | None, typer.Option(help=f"Only these kinds: {', '.join(KINDS)}. Repeatable.")] = None,
    family: Annotated[bool, typer.Option("--family", help="The history of the person's family.")] = False,
) -> None:
    """List what was recorded, when and by whom.

    Newest first, with what changed. The history of a member includes their facts and every family that they are or
    were in.
    """
    session: Session = context.obj
    fields: dict[str, Any] = parse_recorded(first, last)
    unknown = set(kind or ()) - KINDS.keys()
    if unknown:
        raise typer.BadParameter(f"--kind must be one of {', '.join(KINDS)}; got {', '.join(sorted(unknown))}.")
    fields["kinds"] = [KINDS[each] for each in kind or ()]
    with session.client() as client:
        resolver = session.resolver(client)
        fields |= {"group_id": resolver.group_id(subject)} if family else resolver.subject(subject)
        entries = client.history.all_history(**fields)
        if session.print_parts(entries=entries):
            return
        show = partial(_show, ServerNames(client), "contract_id" in fields)
        show_each(entries, show, nothing="Nothing was recorded.")


def _show(names: ServerNames, of_contract: bool, entry: HistoryEntry) -> None:
    kind = enum_word(history_entry_pb2.HistoryKind, entry.kind)
    made = f"  revision {entry.revision}" if entry.HasField("revision") else ""
    CONSOLE.print(styled((format_instant(entry.recorded_at), "bold"), "  ", (kind, "cyan"), made))
    CONSOLE.print(f"  {summary_of(entry, names)}")
    CONSOLE.print(f"  {recorder_of(entry, names)}")
    show_items(detail_items(entry, names, of_contract=of_contract), INDENT)
    if entry.WhichOneof("data") == "contract" and not of_contract:
        CONSOLE.print(f"{INDENT}details: affilia history {entry.contract_id}")
    if entry.HasField("revision"):
        CONSOLE.print(styled((f"{INDENT}why: affilia why {entry.group_id} --revision {entry.revision}", "dim")))
