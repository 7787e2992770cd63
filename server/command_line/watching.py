"""`watch`: the change feed, as it comes."""

from typing import Annotated, Any

import grpc
import typer
from grpc_health.v1 import health_pb2, health_pb2_grpc
from rich.markup import escape

from affilia.enrollment.v1 import enrollment_event_pb2, enrollment_group_pb2, enrollment_query_service_pb2
from affilia_client.dates import instant_from_proto
from server.command_line.context import CONSOLE, ERRORS, Asking
from server.command_line.names import short

SHORTEST_TOKEN = 32
STARTS = {
    "now": enrollment_query_service_pb2.FEED_START_NOW,
    "beginning": enrollment_query_service_pb2.FEED_START_BEGINNING,
    "snapshot": enrollment_query_service_pb2.FEED_START_SNAPSHOT,
}


def watch(
    context: typer.Context,
    start: Annotated[str, typer.Option("--from", help="now, beginning, snapshot, or a resume token.")] = "now",
    contract: Annotated[list[str] | None, typer.Option(help="Only of this contract; several may be given.")] = None,
    primary: Annotated[list[str] | None, typer.Option(help="Only of this primary's groups.")] = None,
    member: Annotated[list[str] | None, typer.Option(help="Only what concerns this member.")] = None,
    events: Annotated[
        int,
        typer.Option(min=0, help="Stop after so many, with --json after their message; 0: never."),
    ] = 0,
) -> None:
    """Follow the change feed, whatever happens to the connection, until Ctrl-C."""
    asking: Asking = context.obj
    wanted = enrollment_event_pb2.EnrollmentFilter(
        contract_ids=contract or (), primary_ids=primary or (), member_ids=member or ()
    )
    if start not in STARTS and len(start) < SHORTEST_TOKEN:
        raise typer.BadParameter(f"{start} is none of {', '.join(STARTS)}, and no resume token")
    _say_if_away(asking)
    seen, token = 0, ""
    try:
        with asking.client() as client, client.subscribe(STARTS.get(start, start), wanted) as subscription:
            for message in subscription:
                token = message.resume_token
                if not asking.tell(message):
                    for group in message.groups:
                        CONSOLE.print(f"[dim]snapshot[/] group {group.group_id} revision {group.revision}")
                    for event in message.events[: events - seen if events else None]:
                        _show(event)
                seen += len(message.events)
                if events and seen >= events:
                    return
    except KeyboardInterrupt:
        if token:
            filters = [("contract", contract), ("primary", primary), ("member", member)]
            words = [f"--{name} {each}" for name, its in filters for each in its or ()]
            ERRORS.print(" ".join(["Go on with: affilia watch", *words, "--from", token]), style="dim", markup=False)
        raise typer.Exit(130) from None


def _say_if_away(asking: Asking) -> None:
    """The subscription tries for ever; whoever waits is to know for what."""
    with asking.client() as client:
        try:
            health: Any = health_pb2_grpc.HealthStub(client.channel)
            health.Check(health_pb2.HealthCheckRequest(), timeout=2)
        except grpc.RpcError:
            ERRORS.print(f"{escape(asking.address)} cannot be reached; trying on. Ctrl-C ends it.", style="yellow")


def _show(event: enrollment_event_pb2.EnrollmentEvent) -> None:
    name = enrollment_event_pb2.EnrollmentEventType.Name(event.type).removeprefix("ENROLLMENT_EVENT_TYPE_")
    at = instant_from_proto(event.recorded_at)
    CONSOLE.print(f"[dim]{event.position:>8}  {at:%Y-%m-%d %H:%M:%S}[/]  [bold]{name}[/]  group {event.group_id}")
    for difference in event.policy_revision.differences:
        kinds = ", ".join(
            enrollment_group_pb2.DifferenceKind.Name(kind).removeprefix("DIFFERENCE_KIND_").lower()
            for kind in difference.kinds
        )
        CONSOLE.print(f"          {short(difference.member_id)} on {short(difference.module_id)}: {kinds}")
