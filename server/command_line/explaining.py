"""`explain`: why somebody is covered or not, why a price, why a premium."""

from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from affilia.catalog.v1 import contract_pb2
from affilia.eligibility.v1 import eligibility_check_service_pb2 as eligibility_pb2
from affilia.enrollment.v1.enrollment_group_pb2 import EnrollmentGroup
from affilia.premium.v1 import premium_entry_pb2
from affilia.pricing.v1 import insurance_cost_pb2, price_derivation_pb2
from affilia.type.v1.membership_type_pb2 import MembershipType
from affilia_client import CallFailed, Client, NotAllowed
from affilia_client.dates import date_from_proto
from server.command_line.context import CONSOLE, Asking
from server.command_line.days import day, months, told
from server.command_line.names import Names, policy_named
from server.command_line.showing import money, show_violations

app = typer.Typer(help="Say why.", no_args_is_help=True)
Group = Annotated[str, typer.Argument(help="Group id, or contract-id/primary-id.")]


@app.command()
def coverage(
    context: typer.Context,
    member: Annotated[str, typer.Argument(help="Whose.")],
    on: Annotated[str, typer.Option(help="On which day, 2026-03-01.")],
    module: Annotated[str, typer.Option(help="By this module.")] = "",
    capability: Annotated[str, typer.Option(help="For this capability.")] = "",
) -> None:
    """Whether a member is covered on a day, by what, and if not, what speaks against it."""
    asking: Asking = context.obj
    check = {"member_id": member, "date": day(on), "module_id": module, "capability": capability}
    with asking.client() as client:
        _refuse_unknown(client, member)
        answer = client.eligibility.check_eligibility(check=eligibility_pb2.EligibilityCheck(**_given(check)))
        if asking.tell(answer):
            return
        names = Names(client)
        reason = eligibility_pb2.EligibilityReason.Name(answer.reason).removeprefix("ELIGIBILITY_REASON_")
        colour = "green" if answer.covered else "red"
        CONSOLE.print(f"[bold {colour}]{reason}[/] on {on}")
        for label, its in (("last covered", answer.last_day), ("covered from", answer.first_day)):
            if not answer.covered and its.year:
                CONSOLE.print(f"  {label} {date_from_proto(its)}")
        for record in answer.records:
            CONSOLE.print(
                f"  {escape(names.module(record.module_id))}, {told(record.days)}, revision {record.revision}"
                f" of group {record.group_id}" + (f", tier {record.network_tier}" if record.network_tier else "")
            )
            if record.capabilities:
                CONSOLE.print(f"    [dim]{', '.join(record.capabilities)}[/]")
        _limits(answer, names)
        _choices(client, member, on, names)


def _given(check: dict[str, Any]) -> dict[str, Any]:
    from affilia_client.dates import date_to_proto

    return {name: date_to_proto(its) if name == "date" else its for name, its in check.items() if its}


def _refuse_unknown(client: Client, member: str) -> None:
    """Raises CallFailed for a member whom there is not: of nobody nothing is explained. Who may not read members is
    not told."""
    try:
        client.members.get_member(member_id=member)
    except NotAllowed:
        return


def _limits(answer: eligibility_pb2.CheckEligibilityResponse, names: Names) -> None:
    contracts = {record.group_id: record.key.contract_id for record in answer.records}
    for accumulator in answer.accumulators:
        currency = names.contract(contracts.get(accumulator.group_id, "")).currency_code
        in_money = accumulator.unit == contract_pb2.LIMIT_UNIT_MONEY and currency
        for whose, counter in (("own", accumulator.individual), ("family", accumulator.family)):
            if counter.ByteSize():
                used, limit = (
                    (money(counter.used, currency), money(counter.limit, currency))
                    if in_money
                    else (str(counter.used), str(counter.limit))
                )
                CONSOLE.print(f"  {accumulator.code} {whose}: {used} of {limit} used")


def _choices(client: Client, member: str, on: str, names: Names) -> None:
    """What every module of the member's groups says of that day."""
    try:
        groups = list(client.enrollment.all_enrollment_groups(member_id=member))
    except CallFailed as failed:
        CONSOLE.print(f"  [dim]the member's groups: {failed.reason or failed.code.name}[/]")
        return
    for group in groups:
        CONSOLE.print(f"\n[bold]group {group.group_id}[/] on {on}")
        _history(client, group, member, names)
        choices = client.changes.list_available_choices(group_id=group.group_id, member_id=member, on=day(on)).choices
        names.learn_modules(choice.module_id for choice in choices)
        for choice in choices:
            sign = "[green]●[/]" if choice.enrolled else "[cyan]○[/]" if choice.allowed else "[red]✗[/]"
            state = "is on it" if choice.enrolled else "could be" if choice.allowed else "cannot be"
            CONSOLE.print(f"  {sign} {escape(names.module(choice.module_id))}: {state}")
            if not choice.enrolled:
                show_violations(choice.reasons, group.key.contract_id, names, "      ")


def _history(client: Client, group: EnrollmentGroup, member: str, names: Names) -> None:
    """What changed the member's enrollments, from the first revision to the newest."""
    answer = client.enrollment.diff_revisions(group_id=group.group_id, from_revision=0, to_revision=group.revision)
    for difference in answer.differences:
        for cause in difference.causes if difference.member_id == member else ():
            by = "a change request" if cause.cause.change_request_id else "a recompute: facts or the contract changed"
            said = ", ".join(filter(None, (cause.reason_code, cause.note, cause.requester_reason)))
            CONSOLE.print(
                f"  [dim]revision {cause.revision}: {escape(names.module(difference.module_id))}, by {by}[/]"
                + (f" ({escape(said)})" if said else "")
            )


@app.command()
def price(
    context: typer.Context, group: Group, on: Annotated[str, typer.Option(help="On which day, 2026-03-01.")]
) -> None:
    """What a month of a policy costs, who pays, and how each amount came about."""
    asking: Asking = context.obj
    month = day(on)
    with asking.client() as client:
        answer = client.premiums.preview_premiums(
            policy=policy_named(group), months=months(f"{month.year:04}-{month.month:02}")
        )
        if asking.tell(answer):
            return
        names = Names(client)
        entries = [entry for entry in answer.entries if _holds(entry, month.isoformat())]
        for entry in entries:
            _derivation(entry, names)
        if entries:
            total = sum(component.monthly_minor for entry in entries for component in entry.components)
            CONSOLE.print(f"\n[bold]a month costs {money(total, entries[0].currency_code)}[/]")
        else:
            CONSOLE.print(f"Nobody is on anything on {on}.")


def _holds(entry: premium_entry_pb2.PremiumEntry, on: str) -> bool:
    first, last = (date_from_proto(its).isoformat() for its in (entry.days.first_on, entry.days.last_on))
    return first <= on <= last


@app.command()
def premium(
    context: typer.Context, group: Group, month: Annotated[str, typer.Option(help="Which month, 2026-03.")]
) -> None:
    """What the ledger says of a month: entries, what took them back, and why."""
    asking: Asking = context.obj
    with asking.client() as client:
        names = Names(client)
        for entry in client.premiums.all_premium_entries(policy=policy_named(group), months=months(month)):
            if asking.tell(entry):
                continue
            _derivation(entry, names)
            if entry.cancels_entry_id:
                CONSOLE.print(f"  takes back entry {entry.cancels_entry_id}")
            if entry.cancelled_by_entry_id:
                CONSOLE.print(f"  taken back by entry {entry.cancelled_by_entry_id}")
            invoices = sorted({c.invoice_id for c in entry.components if c.invoice_id})
            if invoices:
                CONSOLE.print(f"  on invoice {', '.join(invoices)}")


def _derivation(entry: premium_entry_pb2.PremiumEntry, names: Names) -> None:
    """How the amounts of an entry came about, step by step."""
    code, why = entry.currency_code, entry.explanation
    who = f"{escape(names.member(entry.member_id))} ({_word(MembershipType, entry.beneficiary_type)})"
    CONSOLE.print(
        f"\n[bold]{who} on {escape(names.module(entry.module_id))}[/], {told(entry.days)}:"
        f" {entry.num_days} days, divisor {entry.divisor}, version {entry.version} of the entry"
    )
    if why.reasons:
        reasons = ", ".join(_word(premium_entry_pb2.PieceReason, reason) for reason in why.reasons)
        CONSOLE.print(f"  begins there because: {reasons}")
    row = why.row
    ages = f", age {row.min_age} to {row.max_age}" if row.max_age else ""
    where = f" in {row.table}" if row.table else ""
    free = " (free)" if row.free else ""
    CONSOLE.print(f"  listed{where}{ages}: {money(row.listed_minor, code)}{free}")
    for step in why.steps:
        rate = f" {step.rate_bp / 100:g} % of {money(step.of_minor, code)}" if step.rate_bp else ""
        kind = _word(price_derivation_pb2.PriceStepKind, step.kind)
        CONSOLE.print(f"  {kind} {step.code}{rate}: {money(step.minor, code)}")
    table = Table("for", "billed to", "debtor", "a month", "owed")
    for component in entry.components:
        table.add_row(
            _word(insurance_cost_pb2.ContributionType, component.contribution_type),
            _word(insurance_cost_pb2.BilledEntity, component.billed_entity),
            _word(premium_entry_pb2.Debtor, component.debtor),
            money(component.monthly_minor, code),
            money(component.owed_minor, code),
        )
    CONSOLE.print(table)


def _word(enum: Any, number: int) -> str:
    """A value of an enum without the name of the enum."""
    name: str = enum.Name(number)
    prefix = "".join(f"_{c}" if c.isupper() else c.upper() for c in enum.DESCRIPTOR.name).lstrip("_") + "_"
    return name.removeprefix(prefix).lower()
