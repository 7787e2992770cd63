"""The commands `enroll`, `leave`, `simulate` and `timeline`."""

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.text import Text

from affilia_cli.console import CONSOLE, ERRORS
from affilia_cli.days import parse_day, parse_instant
from affilia_cli.local_files import write_private
from affilia_cli.options import Admin, Family, Source, source_of_truth
from affilia_cli.requesting import (
    Accept,
    Asked,
    Override,
    Reason,
    periods_before,
    simulate_change,
    submit_change,
)
from affilia_cli.resolving import fields_of
from affilia_cli.session import Session
from affilia_cli.timeline_text import (
    show_changes,
    show_timeline,
)
from affilia_cli.typed_changes import TypedChange
from affilia_views.changes import corrections_of, default_window
from affilia_views.days import today_under
from affilia_views.lanes import lanes_of, module_colors
from affilia_views.server_names import ServerNames
from affilia_views.timeline import Window, rows_with_names
from affilia_views.timeline_svg import timeline_svg
from affilia_views.words import state_words

Module = Annotated[str, typer.Option(help="Module: its name or id.")]
Member = Annotated[str, typer.Option(help="Member: a name, an identifier or an id. Defaults to the primary.")]
Kind = Annotated[str, typer.Option("--as", help="Membership type: primary, partner, child, ascendant or pet.")]
First = Annotated[str, typer.Option("--from", help="First day, such as 2026-03-01.")]
Last = Annotated[str, typer.Option("--to", help="Last day. Open-ended if omitted.")]


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
    change = TypedChange(module, first, last, member, kind)
    _submit(context.obj, group, change, Asked(admin, reason, accept, override))


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
    change = TypedChange(module, first, last, member, leaves=True)
    _submit(context.obj, group, change, Asked(admin, reason, accept, override))


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
    change = TypedChange(module, first, last, member, kind, leaves=leaving)
    with session.client(admin) as client:
        resolver = session.resolver(client)
        key = resolver.key(group)
        fields = Asked(admin, reason, accept, override).fields(session.claims, key.primary_id)
        simulate_change(session, client, key, [change.message(key, resolver)], fields)


def timeline(
    context: typer.Context,
    group: Family,
    revision: Annotated[int, typer.Option(min=0, max=2**31 - 1, help="As of this revision.")] = 0,
    as_of: Annotated[str, typer.Option(help="As of this instant, such as 2026-03-01T12:00:00Z.")] = "",
    first: Annotated[str, typer.Option("--from", help="First day to show.")] = "",
    last: Annotated[str, typer.Option("--to", help="Last day to show.")] = "",
    picture: Annotated[Path | None, typer.Option("--svg", help="Write an SVG image to this file instead.")] = None,
    source: Source = "",
    ids: Annotated[bool, typer.Option("--ids", help="Show ids instead of names.")] = False,
) -> None:
    """Draw a timeline of a family's enrollment periods."""
    session: Session = context.obj
    state: dict[str, Any] = {"source_of_truth": source_of_truth(source)}
    if revision:
        state["revision"] = revision
    if as_of:
        state["instant"] = parse_instant(as_of)
    with session.client() as client:
        selection = fields_of(session.resolver(client).family(group))
        found = client.enrollment.get_enrollment_group(**selection, **state).group
        if picture is None and session.print_json(found):
            return
        names = ServerNames(client, ids)
        before = periods_before(client, found)
        rows = rows_with_names(found.periods, found.key.primary_id, names, before)
        today = today_under(names.contract(found.key.contract_id))
        shown = default_window(rows, today)
        window = Window(parse_day(first) if first else shown.first_on, parse_day(last) if last else shown.last_on)
        if window.last_on < window.first_on:
            raise typer.BadParameter(f"--to must not be before --from: {window.last_on} is before {window.first_on}.")
        title = state_words(found.group_id, found.revision)
        if picture:
            colors = module_colors(names.contract(found.key.contract_id))
            lanes = lanes_of(rows, names, colors)
            write_private(picture, timeline_svg(lanes, window, today, f"{names.family(found.key)}: {title}"))
            ERRORS.print(f"Wrote {picture}.")
            return
        CONSOLE.print(Text(title, style="bold"))
        show_timeline(rows, names, today, window)
        if found.revision:
            show_changes(rows, names, f"Changed by revision {found.revision}:", corrections_of(before, found.periods))


def _submit(session: Session, group: str, change: TypedChange, asked: Asked) -> None:
    with session.client(asked.admin) as client:
        resolver = session.resolver(client)
        key = resolver.key(group)
        fields = asked.fields(session.claims, key.primary_id)
        submit_change(session, client, key, [change.message(key, resolver)], fields)
