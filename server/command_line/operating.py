"""`doctor`: whether a server can be reached and serves, and whether one's token lets one in."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import grpc
import typer
from grpc_health.v1 import health_pb2, health_pb2_grpc
from rich.table import Table
from rich.text import Text

from affilia_client import CallFailed, Client, Unauthenticated
from affilia_client.errors import call_failed
from affilia_client.methods import SERVICES
from server.command_line.context import CONSOLE, Asking

SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Finding:
    """What was looked at, whether it is well, and what to do if not."""

    what: str
    well: bool
    said: str


def doctor(context: typer.Context) -> None:
    """Look whether the server can be reached, serves, and lets this caller in."""
    asking: Asking = context.obj
    with asking.client() as client:
        findings = list(_findings(client, asking))
    if asking.as_json:
        import json

        print(json.dumps([{"what": f.what, "well": f.well, "said": f.said} for f in findings]))
    else:
        table = Table("", "what", "")
        for finding in findings:
            table.add_row("[green]✓[/]" if finding.well else "[red]✗[/]", finding.what, Text(finding.said))
        CONSOLE.print(table)
    raise typer.Exit(0 if all(finding.well for finding in findings) else 1)


def _findings(client: Client, asking: Asking) -> Iterator[Finding]:
    health: Any = health_pb2_grpc.HealthStub(client.channel)
    try:
        answer = health.Check(health_pb2.HealthCheckRequest(), timeout=SECONDS)
    except grpc.RpcError as error:
        said = call_failed(error).message
        yield Finding(f"reach {asking.address}", False, f"{said}. Is it running? With TLS, give --ca.")
        return
    yield Finding(f"reach {asking.address}", True, "it answers")
    yield Finding("the whole server", _serves(answer), _status(answer))
    for name in SERVICES:
        if "Internal" in name:
            continue
        try:
            one = health.Check(health_pb2.HealthCheckRequest(service=name), timeout=SECONDS)
            yield Finding(name.rpartition(".")[2], _serves(one), _status(one))
        except grpc.RpcError as error:
            yield Finding(name.rpartition(".")[2], True, f"not told apart: {call_failed(error).code.name}")
    yield _asked("contracts can be read", lambda: client.catalog.list_contracts(page_size=1, timeout=SECONDS))
    yield _asked("groups can be read", lambda: client.enrollment.list_enrollment_groups(primary_id=NOBODY))


NOBODY = "00000000-0000-4000-8000-000000000000"


def _serves(answer: health_pb2.HealthCheckResponse) -> bool:
    return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)


def _status(answer: health_pb2.HealthCheckResponse) -> str:
    name: str = health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status)
    return name


def _asked(what: str, ask: Callable[[], object]) -> Finding:
    try:
        ask()
    except Unauthenticated as failed:
        return Finding(what, False, f"{failed.message} Give --token or AFFILIA_TOKEN.")
    except CallFailed as failed:
        return Finding(what, False, f"{failed.code.name}/{failed.reason}: {failed.message}")
    return Finding(what, True, "allowed")
