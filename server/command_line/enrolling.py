"""`enroll`, `leave`, `simulate`, `timeline`: who is on what, and how that is to change."""

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.text import Text

from affilia.enrollment.v1 import change_request_pb2
from affilia.type.v1 import membership_type_pb2
from affilia_client.dates import span_to_proto
from server.command_line.context import CONSOLE, ERRORS, Asking
from server.command_line.days import day, instant
from server.command_line.names import Names, group_named, key_named
from server.command_line.showing import money, named_rows, show_timeline, show_verdict, today_utc
from server.command_line.timeline import Window, svg, window_of

Group = Annotated[str, typer.Argument(help="contract-id/primary-id")]
Module = Annotated[str, typer.Option(help="Which module.")]
Member = Annotated[str, typer.Option(help="Who; default: the primary.")]
Kind = Annotated[str, typer.Option("--as", help="primary, partner, child, ascendant or pet.")]
First = Annotated[str, typer.Option("--from", help="First day, 2026-03-01.")]
Last = Annotated[str, typer.Option("--to", help="Last day; default: no end.")]
Admin = Annotated[str, typer.Option(help="Ask as an admin of this name, with --reason.")]
Reason = Annotated[str, typer.Option(help="Why an admin asks.")]
Accept = Annotated[bool, typer.Option("--accept-consequences", help="Others may lose days by it.")]
Override = Annotated[list[str] | None, typer.Option(help="Code of a rule that is to count as satisfied.")]


def enroll(
    context: typer.Context,
    group: Group,
    module: Module,
    first: First,
    last: Last = "",
    member: Member = "",
    kind: Kind = "",
    admin: Admin = "",
    reason: Reason = "",
    accept: Accept = False,
    override: Override = None,
) -> None:
    """Put somebody on a module."""
    change = _enroll(group, module, first, last, member, kind)
    _submit(context.obj, group, change, _asked(group, admin, reason, accept, override))


def leave(
    context: typer.Context,
    group: Group,
    first: First,
    module: Annotated[str, typer.Option(help="Which module; default: all.")] = "",
    last: Last = "",
    member: Member = "",
    admin: Admin = "",
    reason: Reason = "",
    accept: Accept = False,
    override: Override = None,
) -> None:
    """Take somebody off a module, or off all."""
    change = _leave(group, module, first, last, member)
    _submit(context.obj, group, change, _asked(group, admin, reason, accept, override))


def simulate(
    context: typer.Context,
    group: Group,
    first: First,
    module: Annotated[str, typer.Option(help="Which module.")] = "",
    last: Last = "",
    member: Member = "",
    kind: Kind = "",
    leaving: Annotated[bool, typer.Option("--leave", help="Simulates leaving instead of enrolling.")] = False,
    admin: Admin = "",
    reason: Reason = "",
    accept: Accept = False,
    override: Override = None,
) -> None:
    """Say what a change would do, and what it would cost, without doing it."""
    asking: Asking = context.obj
    if not leaving and not module:
        raise typer.BadParameter("--module says what to enroll on")
    change = (
        _leave(group, module, first, last, member) if leaving else _enroll(group, module, first, last, member, kind)
    )
    asked = _asked(group, admin, reason, accept, override)
    with asking.client() as client:
        answer = client.changes.simulate_change_request(group=key_named(group), changes=[change], **asked)
        if asking.tell(answer):
            return
        names = Names(client)
        show_verdict(answer.verdict, answer, names)
        for title, periods in (("before", answer.periods_before), ("after", answer.periods_after)):
            CONSOLE.print(Text(f"\n{title}", style="dim"))
            show_timeline(named_rows(list(periods), key_named(group).primary_id, names))
        if answer.HasField("cost"):
            cost = answer.cost
            was, will = (money(each.overall.taxed_minor, cost.currency_code) for each in (cost.before, cost.after))
            CONSOLE.print(f"\na month costs {will} instead of {was}")
        elif answer.cost_missing_reason:
            CONSOLE.print(f"\n[dim]no cost: {answer.cost_missing_reason}[/]")


def timeline(
    context: typer.Context,
    group: Annotated[str, typer.Argument(help="Group id, or contract-id/primary-id.")],
    revision: Annotated[int, typer.Option(help="As of this revision.")] = 0,
    as_of: Annotated[str, typer.Option(help="As of this instant, 2026-03-01T12:00:00Z.")] = "",
    first: Annotated[str, typer.Option("--from", help="First day of the picture.")] = "",
    last: Annotated[str, typer.Option("--to", help="Last day of the picture.")] = "",
    picture: Annotated[Path | None, typer.Option("--svg", help="Draws it into a file instead.")] = None,
) -> None:
    """A family's periods as a picture."""
    asking: Asking = context.obj
    asked: dict[str, Any] = dict(group_named(group))
    if revision:
        asked["revision"] = revision
    if as_of:
        asked["instant"] = instant(as_of)
    with asking.client() as client:
        found = client.enrollment.get_enrollment_group(**asked).group
        if picture is None and asking.tell(found):
            return
        names = Names(client)
        rows = named_rows(list(found.periods), found.key.primary_id, names)
        shown = window_of(rows, today_utc())
        window = Window(day(first) if first else shown.first_on, day(last) if last else shown.last_on)
        title = f"group {found.group_id}, revision {found.revision}"
        if picture:
            picture.write_text(svg(rows, window, today_utc(), title))
            ERRORS.print(f"{picture} drawn")
            return
        CONSOLE.print(Text(title, style="bold"))
        show_timeline(rows, window)


def _enroll(group: str, module: str, first: str, last: str, member: str, kind: str) -> change_request_pb2.ScopedChange:
    primary = key_named(group).primary_id
    name = f"MEMBERSHIP_TYPE_{(kind or ('primary' if (member or primary) == primary else 'child')).upper()}"
    if name not in membership_type_pb2.MembershipType.keys():  # noqa: SIM118 (no mapping)
        raise typer.BadParameter(f"{kind} is no membership type; see --help")
    return change_request_pb2.ScopedChange(
        enroll=change_request_pb2.Enroll(
            member_id=member or primary,
            module_id=module,
            membership_type=membership_type_pb2.MembershipType.Value(name),
            days=span_to_proto(day(first), day(last) if last else None),
        )
    )


def _leave(group: str, module: str, first: str, last: str, member: str) -> change_request_pb2.ScopedChange:
    days = span_to_proto(day(first), day(last) if last else None)
    who = member or key_named(group).primary_id
    return change_request_pb2.ScopedChange(leave=change_request_pb2.Leave(member_id=who, module_id=module, days=days))


def _asked(group: str, admin: str, reason: str, accept: bool, override: list[str] | None) -> dict[str, Any]:
    role = change_request_pb2.REQUESTER_ROLE_ADMIN if admin else change_request_pb2.REQUESTER_ROLE_MEMBER
    requester = change_request_pb2.Requester(
        role=role, requester_id=admin or key_named(group).primary_id, reason=reason
    )
    return {"requester": requester, "accept_consequences": accept, "overridden_rules": override or []}


def _submit(asking: Asking, group: str, change: change_request_pb2.ScopedChange, asked: dict[str, Any]) -> None:
    key = key_named(group)
    with asking.client() as client:
        answer = client.changes.submit_change_request(group=key, changes=[change], **asked)
        approved = answer.change_request.verdict == change_request_pb2.VERDICT_APPROVED
        if not asking.tell(answer):
            names = Names(client)
            show_verdict(answer.change_request.verdict, answer.change_request, names)
            show_timeline(named_rows(list(answer.group.periods), key.primary_id, names))
    raise typer.Exit(0 if approved else 1)
