"""The command `premiums compare`: what differs between two months, or before and after the last recorded change."""

from collections.abc import Sequence
from typing import Annotated

import typer

from affilia.premium.v1.premium_entry_pb2 import PremiumEntry
from affilia_cli.console import CONSOLE, styled
from affilia_cli.days import parse_instant, parse_months
from affilia_cli.options import Family
from affilia_cli.session import Session
from affilia_client.dates import instant_from_proto
from affilia_views.explanations import with_names
from affilia_views.money import money
from affilia_views.premiums import PremiumDifference, compared, live_before, owed_by
from affilia_views.server_names import ServerNames


def compare(
    context: typer.Context,
    group: Family,
    month: Annotated[str, typer.Argument(help="Month, such as 2026-03.")],
    other: Annotated[
        str, typer.Argument(metavar="[OTHER]", help="Month to compare with MONTH. See also --before.")
    ] = "",
    before: Annotated[
        str,
        typer.Option(
            help="Without OTHER: compare MONTH as computed before this instant with MONTH as it is now. Defaults to the"
            " last recorded change of the month."
        ),
    ] = "",
) -> None:
    """Show which amounts differ between two months, or before and after a change, and why."""
    session: Session = context.obj
    if other and before:
        raise typer.BadParameter("Give OTHER or --before, not both.")
    with session.client() as client:
        policy = session.resolver(client).policy(group)

        def entries_of(text: str) -> list[PremiumEntry]:
            found = client.premiums.all_premium_entries(policy=policy, months=parse_months(text), explain=True)
            return list(found)

        names = ServerNames(client)
        entries = entries_of(month)
        if other:
            old, new = _live(entries), _live(entries_of(other))
            labels = month, other
        else:
            instants = [instant_from_proto(entry.recorded_at) for entry in entries]
            instant = parse_instant(before) if before else max(instants, default=None)
            old, new = live_before(entries, instant) if instant else [], _live(entries)
            labels = "before", "after"
        if session.print_parts(before=old, after=new):
            return
        names.load_members(entry.member_id for entry in (*old, *new))
        names.load_modules(entry.module_id for entry in (*old, *new))
        differences = compared(old, new, lambda sentence: with_names(sentence, names))
        for each in differences:
            _show(each, labels, names)
        _show_total(old, new, labels)


def _live(entries: Sequence[PremiumEntry]) -> list[PremiumEntry]:
    return [entry for entry in entries if not (entry.cancels_entry_id or entry.cancelled_by_entry_id)]


def _show(each: PremiumDifference, labels: tuple[str, str], names: ServerNames) -> None:
    currency = each.currency_code
    CONSOLE.print(styled((f"{names.member(each.member_id)} on {names.module(each.module_id)}", "bold")))
    CONSOLE.print(
        f"  {labels[0]}: {money(each.before_minor, currency)}, {labels[1]}: {money(each.after_minor, currency)},"
        f" difference: {money(each.after_minor - each.before_minor, currency)}"
    )
    for cause in each.causes:
        CONSOLE.print(f"    because: {cause}")


def _show_total(old: Sequence[PremiumEntry], new: Sequence[PremiumEntry], labels: tuple[str, str]) -> None:
    if not (old or new):
        CONSOLE.print("No premiums were computed for these months.")
        return
    currency = (*new, *old)[0].currency_code
    before, after = (sum(map(owed_by, entries)) for entries in (old, new))
    difference = money(after - before, currency) if after != before else "none"
    CONSOLE.print(
        styled(
            (f"total {labels[0]}: {money(before, currency)}, {labels[1]}: {money(after, currency)}", "bold"),
            f", difference: {difference}",
        )
    )
