"""`enroll`, `leave`, `simulate`, `timeline`: who is on what, and how that is to change."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.text import Text

from affilia.enrollment.v1 import change_request_pb2
from affilia.type.v1 import membership_type_pb2
from affilia_client.dates import date_from_proto, span_to_proto
from server.command_line.context import CONSOLE, ERRORS, Asking
from server.command_line.days import day, instant
from server.command_line.names import Names, group_named, key_named
from server.command_line.showing import money, named_rows, show_timeline, show_verdict, today_utc
from server.command_line.timeline import Window, svg, window_of

Group = Annotated[str, typer.Argument(help="Group id, or contract-id/primary-id where there is none yet.")]
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
    wanted = _Wanted(group, module, first, last, member, kind)
    _submit(context.obj, wanted, _Asker(admin, reason, accept, override))


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
    wanted = _Wanted(group, module, first, last, member, leaves=True)
    _submit(context.obj, wanted, _Asker(admin, reason, accept, override))


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
    wanted = _Wanted(group, module, first, last, member, kind, leaves=leaving)
    with asking.client() as client:
        key = key_named(client, group)
        asked = _Asker(admin, reason, accept, override).asked(key.primary_id)
        answer = client.changes.simulate_change_request(group=key, changes=[wanted.change(key.primary_id)], **asked)
        if asking.tell(answer):
            return
        names = Names(client)
        show_verdict(answer.verdict, answer, key.contract_id, names)
        for title, periods in (("before", answer.periods_before), ("after", answer.periods_after)):
            CONSOLE.print(Text(f"\n{title}", style="dim"))
            show_timeline(named_rows(list(periods), key.primary_id, names))
        if answer.HasField("cost"):
            cost = answer.cost
            was, will = (money(each.overall.taxed_minor, cost.currency_code) for each in (cost.before, cost.after))
            CONSOLE.print(f"\na month costs {will} instead of {was}, on {date_from_proto(cost.on)}")
        elif answer.cost_missing_reason:
            CONSOLE.print(f"\n[dim]no cost: {answer.cost_missing_reason}[/]")


def timeline(
    context: typer.Context,
    group: Annotated[str, typer.Argument(help="Group id, or contract-id/primary-id.")],
    revision: Annotated[int, typer.Option(min=0, max=2**31 - 1, help="As of this revision.")] = 0,
    as_of: Annotated[str, typer.Option(help="As of this instant, 2026-03-01T12:00:00Z.")] = "",
    first: Annotated[str, typer.Option("--from", help="First day of the picture.")] = "",
    last: Annotated[str, typer.Option("--to", help="Last day of the picture.")] = "",
    picture: Annotated[Path | None, typer.Option("--svg", help="Draws it into a file instead.")] = None,
    ids: Annotated[bool, typer.Option("--ids", help="Ids in place of names.")] = False,
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
        rows = named_rows(list(found.periods), found.key.primary_id, names, ids=ids)
        shown = window_of(rows, today_utc())
        window = Window(day(first) if first else shown.first_on, day(last) if last else shown.last_on)
        if window.last_on < window.first_on:
            raise typer.BadParameter(f"the picture would end before it begins, on {window.last_on}: --from, --to")
        title = f"group {found.group_id}, revision {found.revision}"
        if picture:
            picture.write_text(svg(rows, window, today_utc(), title))
            ERRORS.print(f"{picture} drawn")
            return
        CONSOLE.print(Text(title, style="bold"))
        show_timeline(rows, window, ids=ids)


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What is to change, as it was typed."""

    group: str
    module: str
    first: str
    last: str
    member: str
    kind: str = ""
    leaves: bool = False

    def change(self, primary_id: str) -> change_request_pb2.ScopedChange:
        """As the protos say it; whoever is not named is the primary."""
        first, last = day(self.first), day(self.last) if self.last else None
        if last and last < first:
            raise typer.BadParameter("--to is before --from")
        days, who = span_to_proto(first, last), self.member or primary_id
        if self.leaves:
            leave = change_request_pb2.Leave(member_id=who, module_id=self.module, days=days)
            return change_request_pb2.ScopedChange(leave=leave)
        kind = f"MEMBERSHIP_TYPE_{(self.kind or ('primary' if who == primary_id else 'child')).upper()}"
        if kind not in membership_type_pb2.MembershipType.keys():  # noqa: SIM118 (no mapping)
            raise typer.BadParameter(f"{self.kind} is no membership type; see --help")
        enroll = change_request_pb2.Enroll(
            member_id=who,
            module_id=self.module,
            membership_type=membership_type_pb2.MembershipType.Value(kind),
            days=days,
        )
        return change_request_pb2.ScopedChange(enroll=enroll)


@dataclass(frozen=True, slots=True)
class _Asker:
    """Who asks for a change, and what they put up with."""

    admin: str
    reason: str
    accept: bool
    override: list[str] | None

    def asked(self, primary_id: str) -> dict[str, Any]:
        """As the protos say it; whoever is no admin is the primary."""
        role = change_request_pb2.REQUESTER_ROLE_ADMIN if self.admin else change_request_pb2.REQUESTER_ROLE_MEMBER
        requester = change_request_pb2.Requester(role=role, requester_id=self.admin or primary_id, reason=self.reason)
        return {
            "requester": requester,
            "accept_consequences": self.accept,
            "overridden_rules": self.override or [],
        }


def _submit(asking: Asking, wanted: _Wanted, asker: _Asker) -> None:
    with asking.client() as client:
        key = key_named(client, wanted.group)
        change, asked = wanted.change(key.primary_id), asker.asked(key.primary_id)
        answer = client.changes.submit_change_request(group=key, changes=[change], **asked)
        approved = answer.change_request.verdict == change_request_pb2.VERDICT_APPROVED
        if not asking.tell(answer):
            names = Names(client)
            show_verdict(answer.change_request.verdict, answer.change_request, key.contract_id, names)
            show_timeline(named_rows(list(answer.group.periods), key.primary_id, names))
    raise typer.Exit(0 if approved else 1)
