"""`premiums`: runs over many policies, with a bar that tells how far they are."""

from typing import Annotated, Any
from uuid import uuid4

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from affilia.premium.v1 import premium_computation_service_pb2 as pb
from affilia.type.v1.membership_type_pb2 import MembershipType
from server.command_line.context import CONSOLE, ERRORS, Asking
from server.command_line.days import months as months_named
from server.command_line.names import Names, policy_named
from server.command_line.showing import money

app = typer.Typer(help="Compute premiums, and read the ledger.", no_args_is_help=True)


@app.command()
def run(
    context: typer.Context,
    months: Annotated[str, typer.Option(help="2026-01..2026-12, or one month.")],
    contract: Annotated[str, typer.Option(help="Only policies under this contract.")] = "",
    run_id: Annotated[str, typer.Option(help="Goes on with a run; default: a new one.")] = "",
) -> None:
    """Compute the premiums of many policies; Ctrl-C leaves the run going on."""
    asking: Asking = context.obj
    run_id = run_id or str(uuid4())
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    last = pb.RunPremiumsResponse()
    with asking.client() as client, Progress(*columns, console=ERRORS, disable=asking.as_json) as progress:
        task = progress.add_task(f"run {run_id}", total=None)
        asked: dict[str, Any] = {"contract_id": contract} if contract else {}
        for last in client.premiums.run_premiums(request_id=run_id, months=months_named(months), **asked):
            asking.tell(last)
            progress.update(task, total=last.run.policies, completed=last.run.done)
            for failure in last.failures:
                ERRORS.print(f"{failure.group_id}: {failure.reason} {failure.message}", style="red", markup=False)
    ran = last.run
    if not asking.as_json:
        state = pb.PremiumRunState.Name(ran.state).removeprefix("PREMIUM_RUN_STATE_")
        CONSOLE.print(
            f"{state}: {ran.done} of {ran.policies} policies, {ran.entries} entries, {ran.offsets} offsets,"
            f" {ran.failed} failed"
        )
    raise typer.Exit(0 if ran.state == pb.PREMIUM_RUN_STATE_DONE and not ran.failed else 1)


@app.command("list")
def list_entries(
    context: typer.Context,
    group: Annotated[str, typer.Argument(help="Group id, or contract-id/primary-id.")],
    months: Annotated[str, typer.Option(help="2026-01..2026-12, or one month; default: all.")] = "",
    live: Annotated[bool, typer.Option("--live", help="Without what was cancelled.")] = False,
) -> None:
    """The ledger of one policy."""
    asking: Asking = context.obj
    asked: dict[str, Any] = {"policy": policy_named(group), "live_only": live}
    if months:
        asked["months"] = months_named(months)
    table = Table("month", "who", "module", "days", "owed", "version")
    with asking.client() as client:
        names = Names(client)
        for entry in client.premiums.all_premium_entries(**asked):
            if asking.tell(entry):
                continue
            owed = sum(component.owed_minor for component in entry.components)
            who = names.member(entry.member_id) + " " + MembershipType.Name(entry.beneficiary_type)[16:].lower()
            table.add_row(
                f"{entry.month.year}-{entry.month.month:02}",
                Text(who),
                Text(names.module(entry.module_id)),
                f"{entry.num_days}",
                money(owed, entry.currency_code),
                f"{entry.version}" + (" cancelled" if entry.cancelled_by_entry_id else ""),
            )
    if not asking.as_json:
        CONSOLE.print(table)
