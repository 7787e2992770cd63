"""The command `doctor`: checks that the server is reachable and serving, and that it accepts the caller's token."""

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass

import typer

from affilia_cli.console import styled
from affilia_cli.session import Session
from affilia_cli.tables import new_table, show_table
from affilia_client import CallFailed, Client, HealthStatus, Unauthenticated
from affilia_client.methods import SERVICES
from affilia_views.unreachable import unreachable

TIMEOUT_SECONDS = 5.0
UNUSED_MEMBER_ID = "00000000-0000-4000-8000-000000000000"


@dataclass(frozen=True, slots=True)
class Check:
    """The result of one check. `detail` says what was found or, if it failed, what to do."""

    name: str
    ok: bool
    detail: str


def doctor(context: typer.Context) -> None:
    """Check the server and this caller's access.

    Checks that the server is reachable and serving, and that it accepts the token.
    """
    session: Session = context.obj
    with session.client() as client:
        checks = list(_checks(client, session.address))
    if session.as_json:
        print(json.dumps([asdict(check) for check in checks]))
    else:
        table = new_table("", "check", "result")
        for check in checks:
            table.add_row(styled(("✓", "green") if check.ok else ("✗", "red")), check.name, check.detail)
        show_table(table)
    raise typer.Exit(0 if all(check.ok for check in checks) else 1)


def _checks(client: Client, address: str) -> Iterator[Check]:
    reach = f"reach {address}"
    try:
        status = client.check_health(timeout=TIMEOUT_SECONDS)
    except CallFailed as failed:
        detail = failed.message if failed.reason else unreachable(failed.message)
        yield Check(reach, False, f"{detail} If it uses TLS, pass --ca.")
        return
    yield Check(reach, True, "reachable")
    yield Check("server", status is HealthStatus.SERVING, status.name)
    for name in SERVICES:
        if "Internal" not in name:
            yield _service_check(client, name)
    yield _access_check("read contracts", lambda: client.catalog.list_contracts(page_size=1, timeout=TIMEOUT_SECONDS))
    yield _access_check("read groups", lambda: client.enrollment.list_enrollment_groups(primary_id=UNUSED_MEMBER_ID))


def _service_check(client: Client, service: str) -> Check:
    name = service.rpartition(".")[2]
    try:
        status = client.check_health(service, timeout=TIMEOUT_SECONDS)
    except CallFailed as failed:  # Some proxies answer health checks for the whole server only.
        return Check(name, True, f"status not reported: {failed.code.name}")
    return Check(name, status is HealthStatus.SERVING, status.name)


def _access_check(name: str, call: Callable[[], object]) -> Check:
    try:
        call()
    except Unauthenticated as failed:
        return Check(name, False, f"{failed.message} Set --token or AFFILIA_TOKEN.")
    except CallFailed as failed:
        return Check(name, False, f"{failed.code.name}/{failed.reason}: {failed.message}")
    return Check(name, True, "allowed")
