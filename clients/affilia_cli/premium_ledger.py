"""The commands `premiums show`, `uninvoiced` and `invoice`: who owes what, and what was invoiced."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Annotated, Any
from uuid import uuid4

import typer

from affilia.premium.v1 import premium_entry_pb2
from affilia.premium.v1.premium_entry_pb2 import Debtor, PremiumEntry
from affilia_cli.console import CONSOLE, styled
from affilia_cli.days import parse_day, parse_months
from affilia_cli.explanations import show_premium_causes
from affilia_cli.options import Family, PremiumView, premium_view
from affilia_cli.session import Session
from affilia_cli.tables import new_table, show_rows, show_table
from affilia_client import Client
from affilia_client.dates import date_to_proto
from affilia_views.days import format_span
from affilia_views.money import money
from affilia_views.premiums import DEBTORS, month_sums, month_word, owed_by, uninvoiced_sums
from affilia_views.server_names import ServerNames

MAX_MARKED = 1000
"""Maximum number of entries that one call marks as invoiced."""

Months = Annotated[str, typer.Option(help="Months to show, such as 2026-01..2026-12 or 2026-01. Defaults to all.")]
OptionalFamily = Annotated[
    str, typer.Argument(metavar="[FAMILY]", help="Family, as for other commands. Or use --contract.")
]
Contract = Annotated[str, typer.Option(help="All families of this contract: its name or id.")]
UpTo = Annotated[str, typer.Option("--up-to", help="Only months that have begun by this day.")]
DebtorName = Annotated[str, typer.Option("--debtor", help=f"One of {', '.join(DEBTORS)}.")]


def show(context: typer.Context, group: Family, months: Months = "", view: PremiumView = "") -> None:
    """Show what each debtor owes month by month, what was invoiced, and the corrections with their causes."""
    session: Session = context.obj
    filters: dict[str, Any] = {"view": premium_view(view, as_json=session.as_json)}
    if months:
        filters["months"] = parse_months(months)
    with session.client() as client:
        policy = session.resolver(client).policy(group)
        entries = list(client.premiums.all_premium_entries(policy=policy, explain=True, **filters))
        if session.print_parts(entries=entries):
            return
        if not entries:
            CONSOLE.print("No premiums were computed.")
            return
        table = new_table("month", "debtor", "owed", "invoiced", "open", "invoices")
        for each in month_sums(entries):
            amounts = (each.owed_minor, each.invoiced_minor, each.open_minor)
            table.add_row(
                each.month,
                each.debtor,
                *(money(minor, each.currency_code) for minor in amounts),
                ", ".join(each.invoices),
            )
        show_table(table)
        _show_corrections(entries, ServerNames(client))


def _show_corrections(entries: Sequence[PremiumEntry], names: ServerNames) -> None:
    offsets = [entry for entry in entries if entry.cancels_entry_id]
    if offsets:
        CONSOLE.print(styled(("\ncorrections", "bold")))
    replacing = {
        (entry.member_id, entry.module_id, month_word(entry.month)): entry for entry in entries if entry.causes
    }
    for offset in offsets:
        month = month_word(offset.month)
        what = f"{names.member(offset.member_id)} on {names.module(offset.module_id)}, {format_span(offset.days)}"
        CONSOLE.print(f"{month}  {what}: {money(owed_by(offset), offset.currency_code)}")
        replaced = replacing.get((offset.member_id, offset.module_id, month))
        show_premium_causes(offset.causes or (replaced.causes if replaced else ()), names)


def uninvoiced(
    context: typer.Context,
    group: OptionalFamily = "",
    contract: Contract = "",
    debtor: DebtorName = "",
    up_to: UpTo = "today",
    view: PremiumView = "",
) -> None:
    """List what hasn't been invoiced yet, with the sum of each debtor."""
    session: Session = context.obj
    with session.client() as client:
        chosen = premium_view(view, as_json=session.as_json)
        entries = _uninvoiced(session, client, group, contract, debtor, up_to, chosen)
        if session.print_parts(entries=entries):
            return
        names, number = ServerNames(client), DEBTORS.get(debtor, 0)
        names.load_members(entry.member_id for entry in entries)
        names.load_modules(entry.module_id for entry in entries)
        show_rows(("month", "member", "module", "days", "owed"), _rows(entries, names, number))
        _show_sums(entries, number)


def _uninvoiced(
    session: Session,
    client: Client,
    group: str,
    contract: str,
    debtor: str,
    up_to: str,
    view: "premium_entry_pb2.PremiumView.ValueType" = premium_entry_pb2.PREMIUM_VIEW_BASIC,
) -> list[PremiumEntry]:
    if bool(group) == bool(contract):
        raise typer.BadParameter("Give a family or --contract.")
    resolver = session.resolver(client)
    owner: dict[str, Any] = (
        {"policy": resolver.policy(group)} if group else {"contract_id": resolver.contract(contract)}
    )
    found = client.premiums.all_uninvoiced_premiums(
        debtor=_debtor(debtor) if debtor else premium_entry_pb2.DEBTOR_UNSPECIFIED,
        up_to=date_to_proto(parse_day(up_to)),
        view=view,
        **owner,
    )
    return list(found)


def _debtor(text: str) -> "Debtor.ValueType":
    if text not in DEBTORS:
        raise typer.BadParameter(f"--debtor must be one of {', '.join(DEBTORS)}; got {text}.")
    return DEBTORS[text]


def _rows(entries: Iterable[PremiumEntry], names: ServerNames, debtor: int) -> Iterator[list[str]]:
    for entry in entries:
        yield [
            month_word(entry.month),
            names.member(entry.member_id),
            names.module(entry.module_id),
            str(entry.num_days),
            money(owed_by(entry, debtor), entry.currency_code),
        ]


def _show_sums(entries: Iterable[PremiumEntry], debtor: int) -> None:
    sums = uninvoiced_sums(entries, debtor)
    for name, currency, minor in sums:
        CONSOLE.print(f"{name}: {money(minor, currency)}")
    if not sums:
        CONSOLE.print("Nothing is uninvoiced.")


def invoice(
    context: typer.Context,
    invoice_id: Annotated[str, typer.Argument(help="Your id of the invoice, up to 100 characters.")],
    group: OptionalFamily = "",
    contract: Contract = "",
    debtor: DebtorName = "primary",
    up_to: UpTo = "today",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the amount without marking anything.")] = False,
) -> None:
    """Mark everything that hasn't been invoiced to a debtor yet as part of an invoice."""
    session: Session = context.obj
    number = _debtor(debtor)
    with session.client() as client:
        entries = _uninvoiced(session, client, group, contract, debtor, up_to)
        if dry_run or not entries:
            if not session.print_parts(entries=entries):
                _show_sums(entries, number)
            return
        ids = [entry.entry_id for entry in entries]
        answers = [
            client.premiums.mark_premiums_invoiced(
                request_id=str(uuid4()),
                entry_ids=ids[start : start + MAX_MARKED],
                debtor=number,
                invoice_id=invoice_id,
            )
            for start in range(0, len(ids), MAX_MARKED)
        ]
        if session.print_parts(marked=answers):
            return
        amount = money(sum(answer.amount_minor for answer in answers), entries[0].currency_code)
        CONSOLE.print(f"Invoice {invoice_id} of the {debtor}: {amount}, {len(ids)} entries.")
