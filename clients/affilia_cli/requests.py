"""The command `requests`: change requests of all families, newest first."""

from functools import partial
from typing import Annotated, Any

import typer

from affilia.enrollment.v1 import change_request_pb2
from affilia.enrollment.v1.change_request_pb2 import ChangeRequest
from affilia_cli.console import CONSOLE, styled
from affilia_cli.days import parse_recorded
from affilia_cli.options import From, To
from affilia_cli.paging import show_each
from affilia_cli.session import Session
from affilia_cli.showing import show_consequences, show_notices, show_violations
from affilia_views.days import format_instant
from affilia_views.server_names import ServerNames
from affilia_views.words import changes_words, requester_words


def requests(
    context: typer.Context,
    rejected: Annotated[bool, typer.Option("--rejected", help="Only rejected requests.")] = False,
    first: From = "",
    last: To = "",
    contract: Annotated[str, typer.Option(help="Only requests of this contract's families.")] = "",
    family: Annotated[str, typer.Option(help="Only requests of this family, oldest first.")] = "",
) -> None:
    """List change requests, newest first."""
    session: Session = context.obj
    if contract and family:
        raise typer.BadParameter("Give --contract or --family, not both.")
    fields: dict[str, Any] = parse_recorded(first, last)
    if rejected:
        fields["verdict"] = change_request_pb2.VERDICT_REJECTED
    with session.client() as client:
        if contract:
            fields["contract_id"] = session.resolver(client).contract(contract)
        if family:
            fields["group_id"] = session.resolver(client).group_id(family)
        found = client.changes.all_change_requests(**fields)
        if session.print_parts(change_requests=found):
            return
        show = partial(_show, ServerNames(client))
        show_each(found, show, nothing="No request matches.")


def _show(names: ServerNames, request: ChangeRequest) -> None:
    """Prints a request: when, whose, the verdict, who requested it, the changes and the reasons."""
    approved = request.verdict == change_request_pb2.VERDICT_APPROVED
    verdict = ("APPROVED", "green") if approved else ("REJECTED", "red")
    CONSOLE.print(styled((format_instant(request.recorded_at), "bold"), "  ", verdict))
    CONSOLE.print(f"  {names.family(request.key)}")
    CONSOLE.print(f"  {requester_words(request, names)}")
    if request.requester.reason:
        CONSOLE.print(f"  reason: {request.requester.reason}")
    for line in changes_words(request, names):
        CONSOLE.print(f"  {line}")
    show_violations(request.violations, request.key.contract_id, names, "    ", request.violations_omitted)
    show_notices(request.notices, request.key.contract_id, names)
    show_consequences(request.consequences, names)
    CONSOLE.print(styled((f"  request {request.change_request_id}", "dim")))
