"""The commands `enroll`, `leave`, `simulate` and `timeline`."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.text import Text

from affilia.enrollment.v1 import change_request_pb2
from affilia.enrollment.v1.enrollment_group_pb2 import EnrollmentGroup, EnrollmentPeriod, GroupKey
from affilia.type.v1 import membership_type_pb2
from affilia_cli.console import CONSOLE, ERRORS, styled
from affilia_cli.days import parse_day, parse_instant, today_under
from affilia_cli.exit_status import REJECTED
from affilia_cli.local_files import write_private
from affilia_cli.names import Names
from affilia_cli.options import Admin, Family
from affilia_cli.requesters import Claims, requester_of
from affilia_cli.resolving import Resolver, fields_of
from affilia_cli.session import Session
from affilia_cli.showing import money, show_verdict
from affilia_cli.timeline import Window
from affilia_cli.timeline_svg import svg
from affilia_cli.timeline_text import (
    default_window,
    rows_of_group,
    show_changes,
    show_comparison,
    show_timeline,
)
from affilia_client import Client
from affilia_client.dates import date_from_proto, span_to_proto

Module = Annotated[str, typer.Option(help="Module: its name or id.")]
Member = Annotated[str, typer.Option(help="Member: a name, an identifier or an id. Defaults to the primary.")]
Kind = Annotated[str, typer.Option("--as", help="Membership type: primary, partner, child, ascendant or pet.")]
First = Annotated[str, typer.Option("--from", help="First day, such as 2026-03-01.")]
Last = Annotated[str, typer.Option("--to", help="Last day. Open-ended if omitted.")]
Reason = Annotated[str, typer.Option(help="Why the change is requested. Required for admins.")]
Accept = Annotated[
    bool, typer.Option("--accept-consequences", help="Allow the change even if others lose coverage because of it.")
]
Override = Annotated[list[str] | None, typer.Option(help="Code of a rule to treat as satisfied. Repeatable.")]


def enroll(
    context: typer.Context,
    group: Family,
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
    """Enroll a member in a module."""
    change = _Change(group, module, first, last, member, kind)
    _submit(context.obj, change, _Requester(admin, reason, accept, override))


def leave(
    context: typer.Context,
    group: Family,
    first: First,
    module: Annotated[str, typer.Option(help="Module: its name or id. Defaults to all modules.")] = "",
    last: Last = "",
    member: Member = "",
    admin: Admin = "",
    reason: Reason = "",
    accept: Accept = False,
    override: Override = None,
) -> None:
    """End a member's enrollment in a module, or in all modules."""
    change = _Change(group, module, first, last, member, leaves=True)
    _submit(context.obj, change, _Requester(admin, reason, accept, override))


def simulate(
    context: typer.Context,
    group: Family,
    first: First,
    module: Module = "",
    last: Last = "",
    member: Member = "",
    kind: Kind = "",
    leaving: Annotated[bool, typer.Option("--leave", help="Simulate a leave instead of an enroll.")] = False,
    admin: Admin = "",
    reason: Reason = "",
    accept: Accept = False,
    override: Override = None,
) -> None:
    """Show what a change would do and cost, without making it."""
    session: Session = context.obj
    if not leaving and not module:
        raise typer.BadParameter("--module is required unless --leave is given.")
    change = _Change(group, module, first, last, member, kind, leaves=leaving)
    with session.client(admin) as client:
        resolver = Resolver(client)
        key = resolver.key(group)
        fields = _Requester(admin, reason, accept, override).fields(session.claims, key.primary_id)
        message = change.message(key, resolver)
        answer = client.changes.simulate_change_request(group=key, changes=[message], **fields)
        if session.print_json(answer):
            return
        names = Names(client)
        show_verdict(answer.verdict, answer, key.contract_id, names)
        CONSOLE.print()
        rows = rows_of_group(answer.periods_after, key.primary_id, names, answer.periods_before)
        show_comparison(rows, names, "What would change:", today_under(names.contract(key.contract_id)))
        if answer.HasField("cost"):
            cost = answer.cost
            before, after = (money(each.overall.taxed_minor, cost.currency_code) for each in (cost.before, cost.after))
            CONSOLE.print(f"\nmonthly cost on {date_from_proto(cost.on)}: {after} (before: {before})")
        elif answer.cost_missing_reason:
            CONSOLE.print(styled((f"\nmonthly cost unknown: {answer.cost_missing_reason}", "dim")))


def timeline(
    context: typer.Context,
    group: Family,
    revision: Annotated[int, typer.Option(min=0, max=2**31 - 1, help="As of this revision.")] = 0,
    as_of: Annotated[str, typer.Option(help="As of this instant, such as 2026-03-01T12:00:00Z.")] = "",
    first: Annotated[str, typer.Option("--from", help="First day to show.")] = "",
    last: Annotated[str, typer.Option("--to", help="Last day to show.")] = "",
    picture: Annotated[Path | None, typer.Option("--svg", help="Write an SVG image to this file instead.")] = None,
    ids: Annotated[bool, typer.Option("--ids", help="Show ids instead of names.")] = False,
) -> None:
    """Draw a timeline of a family's enrollment periods."""
    session: Session = context.obj
    state: dict[str, Any] = {}
    if revision:
        state["revision"] = revision
    if as_of:
        state["instant"] = parse_instant(as_of)
    with session.client() as client:
        selection = fields_of(Resolver(client).family(group))
        found = client.enrollment.get_enrollment_group(**selection, **state).group
        if picture is None and session.print_json(found):
            return
        names = Names(client, ids)
        rows = rows_of_group(found.periods, found.key.primary_id, names, _periods_before(client, found))
        today = today_under(names.contract(found.key.contract_id))
        shown = default_window(rows, today)
        window = Window(parse_day(first) if first else shown.first_on, parse_day(last) if last else shown.last_on)
        if window.last_on < window.first_on:
            raise typer.BadParameter(f"--to must not be before --from: {window.last_on} is before {window.first_on}.")
        title = f"group {found.group_id}, revision {found.revision}"
        if picture:
            write_private(picture, svg(rows, names, window, today, title))
            ERRORS.print(f"Wrote {picture}.")
            return
        CONSOLE.print(Text(title, style="bold"))
        show_timeline(rows, names, today, window)
        if found.revision:
            show_changes(rows, names, f"Changed by revision {found.revision}:")


def _periods_before(client: Client, group: EnrollmentGroup) -> Sequence[EnrollmentPeriod]:
    """Returns the periods of the previous revision."""
    if group.revision <= 1:
        return ()
    return client.enrollment.get_enrollment_group(group_id=group.group_id, revision=group.revision - 1).group.periods


@dataclass(frozen=True, slots=True)
class _Change:
    """A change as typed on the command line."""

    group: str
    module: str
    first: str
    last: str
    member: str
    kind: str = ""
    leaves: bool = False

    def message(self, key: GroupKey, resolver: Resolver) -> change_request_pb2.ScopedChange:
        """Returns the change as a message. The member defaults to the primary."""
        first, last = parse_day(self.first), parse_day(self.last) if self.last else None
        if last and last < first:
            raise typer.BadParameter(f"--to must not be before --from: {last} is before {first}.")
        days = span_to_proto(first, last)
        member_id = resolver.member(self.member) if self.member else key.primary_id
        module_id = resolver.module(self.module, [key.contract_id]) if self.module else ""
        if self.leaves:
            leave = change_request_pb2.Leave(member_id=member_id, module_id=module_id, days=days)
            return change_request_pb2.ScopedChange(leave=leave)
        kind = f"MEMBERSHIP_TYPE_{(self.kind or ('primary' if member_id == key.primary_id else 'child')).upper()}"
        if kind not in membership_type_pb2.MembershipType.keys():  # noqa: SIM118 (the keys of an enum, not of a dict)
            raise typer.BadParameter(f"--as must be primary, partner, child, ascendant or pet, got {self.kind}.")
        enroll = change_request_pb2.Enroll(
            member_id=member_id,
            module_id=module_id,
            membership_type=membership_type_pb2.MembershipType.Value(kind),
            days=days,
        )
        return change_request_pb2.ScopedChange(enroll=enroll)


@dataclass(frozen=True, slots=True)
class _Requester:
    """The requester of a change, and which consequences they accept."""

    admin: str
    reason: str
    accept: bool
    override: list[str] | None

    def fields(self, claims: Claims, primary_id: str) -> dict[str, Any]:
        """Returns the fields of the request."""
        requester = requester_of(claims, self.admin, self.reason, primary_id)
        return {
            "requester": requester,
            "accept_consequences": self.accept,
            "overridden_rules": self.override or [],
        }


def _submit(session: Session, change: _Change, requester: _Requester) -> None:
    with session.client(requester.admin) as client:
        resolver = Resolver(client)
        key = resolver.key(change.group)
        message, fields = change.message(key, resolver), requester.fields(session.claims, key.primary_id)
        answer = client.changes.submit_change_request(group=key, changes=[message], **fields)
        approved = answer.change_request.verdict == change_request_pb2.VERDICT_APPROVED
        if not session.print_json(answer):
            names = Names(client)
            show_verdict(answer.change_request.verdict, answer.change_request, key.contract_id, names)
            changed = answer.change_request.made_revision
            before = _periods_before(client, answer.group) if changed else answer.group.periods
            rows = rows_of_group(answer.group.periods, key.primary_id, names, before)
            show_comparison(rows, names, "What changed:", today_under(names.contract(key.contract_id)))
    raise typer.Exit(0 if approved else REJECTED)
