"""The commands `premiums`: `run`, which shows its progress, and `list`. The other commands have their own files."""

from collections.abc import Iterable, Iterator
from typing import Annotated, Any
from uuid import uuid4

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from affilia.premium.v1 import premium_computation_service_pb2 as pb
from affilia.premium.v1.premium_entry_pb2 import PremiumEntry
from affilia.type.v1.membership_type_pb2 import MembershipType
from affilia_cli import premium_comparing, premium_ledger
from affilia_cli.console import CONSOLE, ERRORS
from affilia_cli.days import parse_months
from affilia_cli.options import Family, PremiumView, premium_view
from affilia_cli.session import Session
from affilia_cli.tables import show_rows
from affilia_views.money import money
from affilia_views.server_names import ServerNames

app = typer.Typer(
    help="Compute premiums, show and compare the ledger, and mark entries as invoiced.", no_args_is_help=True
)
app.command()(premium_ledger.show)
app.command()(premium_comparing.compare)
app.command()(premium_ledger.uninvoiced)
app.command()(premium_ledger.invoice)


@app.command()
def run(
    context: typer.Context,
    months: Annotated[str, typer.Option(help="Months to compute, such as 2026-01..2026-12 or 2026-01.")],
    contract: Annotated[str, typer.Option(help="Only policies under this contract: its name or id.")] = "",
    run_id: Annotated[str, typer.Option(help="Id of a run to follow or resume. Defaults to a new run.")] = "",
) -> None:
    """Compute the premiums of many policies. Ctrl-C doesn't stop the run."""
    session: Session = context.obj
    run_id = run_id or str(uuid4())
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    last = pb.RunPremiumsResponse()
    with session.client() as client, Progress(*columns, console=ERRORS, disable=session.as_json) as progress:
        task = progress.add_task(f"run {run_id}", total=None)
        filters: dict[str, Any] = {"contract_id": session.resolver(client).contract(contract)} if contract else {}
        for last in client.premiums.run_premiums(request_id=run_id, months=parse_months(months), **filters):
            session.print_json(last)
            progress.update(task, total=last.run.policies, completed=last.run.done)
            for failure in last.failures:
                ERRORS.print(f"{failure.group_id}: {failure.reason} {failure.message}", style="red")
    run_state = last.run
    if not session.as_json:
        state = pb.PremiumRunState.Name(run_state.state).removeprefix("PREMIUM_RUN_STATE_")
        CONSOLE.print(
            f"{state}: {run_state.done} of {run_state.policies} policies, {run_state.entries} entries,"
            f" {run_state.offsets} offsets, {run_state.failed} failed"
        )
    raise typer.Exit(0 if run_state.state == pb.PREMIUM_RUN_STATE_DONE and not run_state.failed else 1)


@app.command("list")
def list_entries(
    context: typer.Context,
    group: Family,
    months: Annotated[
        str, typer.Option(help="Months to show, such as 2026-01..2026-12 or 2026-01. Defaults to all.")
    ] = "",
    live: Annotated[bool, typer.Option("--live", help="Omit cancelled entries.")] = False,
    view: PremiumView = "",
) -> None:
    """Show the ledger of one policy."""
    session: Session = context.obj
    filters: dict[str, Any] = {"live_only": live, "view": premium_view(view, as_json=session.as_json)}
    if months:
        filters["months"] = parse_months(months)
    with session.client() as client:
        policy = session.resolver(client).policy(group)
        entries = client.premiums.all_premium_entries(policy=policy, **filters)
        if session.as_json:
            for entry in entries:
                session.print_json(entry)
            return
        show_rows(("month", "member", "module", "days", "owed", "version"), _rows(entries, ServerNames(client)))
        listed = client.premiums.list_premium_entries(policy=policy, page_size=1)
        if listed.HasField("stale_from"):
            month = f"{listed.stale_from.year}-{listed.stale_from.month:02}"
            CONSOLE.print(f"Amounts from {month} on may be outdated. Compute these months again.")


def _rows(entries: Iterable[PremiumEntry], names: ServerNames) -> Iterator[list[str]]:
    """Yields a row for each entry. Names are read one by one, because a policy has few members."""
    for entry in entries:
        owed = sum(component.owed_minor for component in entry.components)
        kind = MembershipType.Name(entry.beneficiary_type).removeprefix("MEMBERSHIP_TYPE_").lower()
        yield [
            f"{entry.month.year}-{entry.month.month:02}",
            f"{names.member(entry.member_id)} {kind}",
            names.module(entry.module_id),
            f"{entry.num_days}",
            money(owed, entry.currency_code),
            f"{entry.version}" + (" cancelled" if entry.cancelled_by_entry_id else ""),
        ]
