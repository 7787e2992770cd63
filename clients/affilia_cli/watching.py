"""The command `watch`: prints the change feed as it arrives."""

from collections.abc import Iterable
from typing import Annotated

import typer

from affilia.enrollment.v1 import enrollment_event_pb2, enrollment_query_service_pb2
from affilia.enrollment.v1.enrollment_event_pb2 import EnrollmentEvent
from affilia.enrollment.v1.enrollment_group_pb2 import EnrollmentGroup, GroupKey
from affilia_cli.console import CONSOLE, ERRORS, styled
from affilia_cli.session import Session
from affilia_client import CallFailed
from affilia_client.dates import instant_from_proto
from affilia_views.event_words import event_lines, event_name
from affilia_views.server_names import ServerNames

MIN_TOKEN_CHARACTERS = 32
STARTS = {
    "now": enrollment_query_service_pb2.FEED_START_NOW,
    "beginning": enrollment_query_service_pb2.FEED_START_BEGINNING,
    "snapshot": enrollment_query_service_pb2.FEED_START_SNAPSHOT,
}


def watch(
    context: typer.Context,
    start: Annotated[str, typer.Option("--from", help="Start at now, beginning, snapshot, or a resume token.")] = "now",
    contract: Annotated[list[str] | None, typer.Option(help="Only events of this contract. Repeatable.")] = None,
    primary: Annotated[list[str] | None, typer.Option(help="Only events of this primary's groups. Repeatable.")] = None,
    member: Annotated[list[str] | None, typer.Option(help="Only events that concern this member. Repeatable.")] = None,
    ids: Annotated[bool, typer.Option("--ids", help="Show ids instead of names.")] = False,
    events: Annotated[
        int,
        typer.Option(
            min=0,
            help="Stop after this many events, or with --json after the message that has the last one. 0: never.",
        ),
    ] = 0,
) -> None:
    """Follow the change feed.

    Runs until Ctrl-C, and reconnects when necessary.
    """
    session: Session = context.obj
    if start not in STARTS and len(start) < MIN_TOKEN_CHARACTERS:
        raise typer.BadParameter(f"--from must be one of {', '.join(STARTS)}, or a resume token; got {start}")
    _warn_if_unreachable(session)
    with session.client() as client:
        resolver = session.resolver(client)
        contract = [resolver.contract(each) for each in contract or ()]
        primary, member = ([resolver.member(each) for each in people or ()] for people in (primary, member))
    event_filter = enrollment_event_pb2.EnrollmentFilter(contract_ids=contract, primary_ids=primary, member_ids=member)
    seen, token = 0, ""
    try:
        with session.client() as client, client.subscribe(STARTS.get(start, start), event_filter) as subscription:
            names = ServerNames(client, ids)
            for message in subscription:
                token = message.resume_token
                if not session.print_json(message):
                    shown = message.events[: events - seen if events else None]
                    _load_names(names, message.groups, shown)
                    for group in message.groups:
                        about = f" {_group(group.group_id, group.key, names)}, revision {group.revision}"
                        CONSOLE.print(styled(("snapshot", "dim"), about))
                    for event in shown:
                        _show(event, names)
                seen += len(message.events)
                if events and seen >= events:
                    return
    except KeyboardInterrupt:
        if token:
            filters = [("contract", contract), ("primary", primary), ("member", member)]
            words = [f"--{name} {each}" for name, ids in filters for each in ids or ()]
            ERRORS.print(" ".join(["Resume with: affilia watch", *words, "--from", token]), style="dim")
        raise typer.Exit(130) from None


def _warn_if_unreachable(session: Session) -> None:
    """Prints a warning if the server is unreachable, because the subscription retries silently and forever."""
    with session.client() as client:
        try:
            client.check_health(timeout=2)
        except CallFailed:
            ERRORS.print(f"{session.address} is unreachable. Retrying; press Ctrl-C to stop.", style="yellow")


def _load_names(names: ServerNames, groups: Iterable[EnrollmentGroup], events: Iterable[EnrollmentEvent]) -> None:
    """Reads all names that a message needs with as few calls as possible."""
    events = list(events)
    differences = [each for event in events for each in event.policy_revision.differences]
    keys = [*(group.key for group in groups), *(event.key for event in events)]
    names.load_members([*(key.primary_id for key in keys), *(each.member_id for each in differences)])
    names.load_modules(each.module_id for each in differences)


def _group(group_id: str, key: GroupKey, names: ServerNames) -> str:
    """Returns a group in words: its primary, its contract, and its id for use in other commands."""
    return f"{names.member(key.primary_id)}, {names.contract_name(key.contract_id)}, group {group_id}"


def _show(event: EnrollmentEvent, names: ServerNames) -> None:
    at = instant_from_proto(event.recorded_at)
    when = f"{event.position:>8}  {at:%Y-%m-%d %H:%M:%S}  "
    CONSOLE.print(styled((when, "dim"), (event_name(event), "bold")))
    CONSOLE.print(f"          {_group(event.group_id, event.key, names)}")
    if event.incomplete:
        CONSOLE.print(styled(("          The stored event is damaged. Only a part of it is shown.", "red")))
    for line in event_lines(event, names):
        CONSOLE.print(f"          {line}")
