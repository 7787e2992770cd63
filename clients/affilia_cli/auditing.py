"""The command `audit`, which searches the audit log."""

from functools import partial
from typing import Annotated, Any

import typer

from affilia.audit.v1.audit_service_pb2 import AuditEntry
from affilia_cli.console import CONSOLE, styled
from affilia_cli.days import parse_recorded
from affilia_cli.options import From, To
from affilia_cli.paging import show_each
from affilia_cli.resolving import id_in
from affilia_cli.session import Session
from affilia_views.days import format_instant
from affilia_views.server_names import ServerNames
from affilia_views.words import actor_words


def audit(
    context: typer.Context,
    named: Annotated[
        str,
        typer.Option("--id", help="Calls about this member, family or contract (a name or an id), or any other id."),
    ] = "",
    subject: Annotated[str, typer.Option(help="Calls by this caller, such as the subject of a token.")] = "",
    method: Annotated[str, typer.Option(help="Calls of this method, such as RecordFacts.")] = "",
    outcome: Annotated[str, typer.Option(help="Calls that ended like this: OK or an error reason.")] = "",
    first: From = "",
    last: To = "",
) -> None:
    """Search the audit log, newest first. For admins."""
    session: Session = context.obj
    fields: dict[str, Any] = {"subject": subject, "method": method, "outcome": outcome, **parse_recorded(first, last)}
    with session.client() as client:
        if named:
            (fields["named_id"],) = [id_in(named)] if id_in(named) else session.resolver(client).subject(named).values()
        entries = client.audit.all_audit_entries(**fields)
        if session.print_parts(entries=entries):
            return
        show = partial(_show, ServerNames(client))
        show_each(entries, show, nothing="No call matches.")


def _show(names: ServerNames, entry: AuditEntry) -> None:
    method = entry.method.rpartition("/")[2]
    CONSOLE.print(styled((format_instant(entry.recorded_at), "bold"), f"  {method}: {entry.outcome}"))
    CONSOLE.print(f"  by {actor_words(entry.actor, names)}")
    for each in entry.ids:
        CONSOLE.print(styled((f"    {each.field} {each.id}", "dim")))
    if entry.ids_omitted:
        CONSOLE.print(styled((f"    and {entry.ids_omitted} more ids", "dim")))
    CONSOLE.print(styled((f"    call {entry.call_id}", "dim")))
