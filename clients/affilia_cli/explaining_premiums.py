"""The commands `explain price` and `explain premium`: how amounts were computed, and why."""

from collections.abc import Callable, Iterable, Sequence
from datetime import date, timedelta
from functools import cache
from typing import Annotated

import typer

from affilia.enrollment.v1.enrollment_group_pb2 import EnrollmentDifference
from affilia.premium.v1 import premium_entry_pb2
from affilia.premium.v1.premium_entry_pb2 import PremiumEntry
from affilia.pricing.v1 import insurance_cost_pb2
from affilia.type.v1.actor_pb2 import Actor, ActorKind
from affilia.type.v1.membership_type_pb2 import MembershipType
from affilia.type.v1.year_month_pb2 import MonthSpan, YearMonth
from affilia_cli.console import CONSOLE, styled
from affilia_cli.days import parse_day, parse_months
from affilia_cli.explanations import show_premium_causes, show_revisions
from affilia_cli.options import Family
from affilia_cli.session import Session
from affilia_cli.tables import new_table, show_table
from affilia_client.dates import date_from_proto, instant_from_proto, span_from_proto
from affilia_views.days import format_span
from affilia_views.derivations import derivation_lines, spaced_word
from affilia_views.money import money
from affilia_views.premiums import REASONS
from affilia_views.server_names import ServerNames

ENROLLMENTS = {premium_entry_pb2.PIECE_REASON_ENROLLMENT_STARTED, premium_entry_pb2.PIECE_REASON_ENROLLMENT_ENDED}
"""Reasons that revisions of the policy explain."""
FIRST_MONTH = YearMonth(year=1, month=1)


def price(
    context: typer.Context, group: Family, on: Annotated[str, typer.Option(help="Day to explain, such as 2026-03-01.")]
) -> None:
    """Explain the monthly cost of a policy, who pays, and how each amount was computed."""
    session: Session = context.obj
    day = parse_day(on)
    with session.client() as client:
        answer = client.premiums.preview_premiums(
            policy=session.resolver(client).policy(group), months=parse_months(f"{day.year:04}-{day.month:02}")
        )
        if session.print_json(answer):
            return
        names = ServerNames(client)
        entries = [entry for entry in answer.entries if _includes(entry, day)]
        for entry in entries:
            _show_entry(entry, names)
            _show_derivation(entry)
        if entries:
            total = sum(component.monthly_minor for entry in entries for component in entry.components)
            CONSOLE.print(styled((f"\nmonthly cost: {money(total, entries[0].currency_code)}", "bold")))
        else:
            CONSOLE.print(f"Nobody is enrolled on {on}.")


def _includes(entry: PremiumEntry, day: date) -> bool:
    return date_from_proto(entry.days.first_on) <= day <= date_from_proto(entry.days.last_on)


def premium(
    context: typer.Context,
    group: Family,
    month: Annotated[str, typer.Option(help="Month to explain, such as 2026-03.")],
) -> None:
    """Explain a month in the ledger: its entries, why they start where they do, and how they were computed."""
    session: Session = context.obj
    months = parse_months(month)
    with session.client() as client:
        names, policy = ServerNames(client), session.resolver(client).policy(group)
        entries = list(client.premiums.all_premium_entries(policy=policy, months=months, explain=True))
        if session.as_json:
            for entry in entries:
                session.print_json(entry)
            return
        if not entries:
            CONSOLE.print(f"No premiums were computed for {month}.")
            return
        names.load_members(entry.member_id for entry in entries)
        names.load_modules(entry.module_id for entry in entries)
        earlier = list(
            client.premiums.all_premium_entries(
                policy=policy, months=MonthSpan(first=FIRST_MONTH, last=months.last), live_only=True
            )
            if any(not entry.explanation.reasons for entry in entries)
            else ()
        )

        @cache
        def differences(revision: int) -> Sequence[EnrollmentDifference]:
            group_id = entries[0].group_id
            return client.enrollment.diff_revisions(
                group_id=group_id, from_revision=0, to_revision=revision
            ).differences

        for entry in entries:
            _show_entry(entry, names)
            _show_reasons(_first_with_reasons(entry, earlier), entry, differences, names)
            show_premium_causes(entry.causes, names)
            _show_derivation(entry)
            _show_ledger(entry)


def _first_with_reasons(entry: PremiumEntry, earlier: Iterable[PremiumEntry]) -> PremiumEntry:
    """Returns the entry with which the amounts of an entry began.

    This is the entry itself if it has reasons, and otherwise the newest earlier one that does, provided that no day is
    missing between them.
    """
    found = entry
    before = [each for each in earlier if each.enrollment_id == entry.enrollment_id and _first(each) < _first(entry)]
    for candidate in sorted(before, key=_first, reverse=True):
        if found.explanation.reasons or date_from_proto(candidate.days.last_on) + timedelta(days=1) != _first(found):
            break
        found = candidate
    return found


def _first(entry: PremiumEntry) -> date:
    return date_from_proto(entry.days.first_on)


def _show_entry(entry: PremiumEntry, names: ServerNames) -> None:
    member = f"{names.member(entry.member_id)} ({spaced_word(MembershipType, entry.beneficiary_type)})"
    title = f"\n{member} on {names.module(entry.module_id)}"
    CONSOLE.print(styled((title, "bold"), f", {format_span(entry.days)}"))
    CONSOLE.print(f"  {entry.num_days} days, divisor {entry.divisor}, version {entry.version} of this entry")


def _show_reasons(
    start: PremiumEntry,
    entry: PremiumEntry,
    differences: Callable[[int], Sequence[EnrollmentDifference]],
    names: ServerNames,
) -> None:
    """Prints why the amounts apply from the first day of `start`, why the entry ends before the end of the month, and
    the revisions that caused both.

    `differences` returns the differences between an empty policy and one of its revisions.
    """
    reasons = ", ".join(REASONS.get(each, str(each)) for each in start.explanation.reasons) or "no reason was recorded"
    since = "starts on this day" if start is entry else f"same amounts since {_first(start)}"
    CONSOLE.print(f"  why: {since}: {reasons}")
    if ENROLLMENTS & set(start.explanation.reasons):
        changed = _changed_on(_first(start), differences(start.explanation.revision))
        show_revisions(changed, names, "    ")
    after = date_from_proto(entry.days.last_on) + timedelta(days=1)
    ended = _changed_on(after, differences(entry.explanation.revision)) if after.day > 1 else []
    if ended:
        CONSOLE.print(
            f"  ends on {after - timedelta(days=1)}: an enrollment of the policy ended or another one started"
        )
        show_revisions(ended, names, "    ")


def _changed_on(day: date, differences: Iterable[EnrollmentDifference]) -> list[EnrollmentDifference]:
    """Returns the enrollments that start on a day or end on the day before."""
    yesterday = day - timedelta(days=1)
    return [
        each
        for each in differences
        if any(first == day or last == yesterday for first, last in map(span_from_proto, each.gained))
    ]


def _show_derivation(entry: PremiumEntry) -> None:
    """Prints how the amounts of an entry were computed, step by step."""
    for line in derivation_lines(entry):
        CONSOLE.print(f"  {line}")
    table = new_table("contribution", "billed to", "debtor", "monthly", "owed")
    for component in entry.components:
        table.add_row(
            spaced_word(insurance_cost_pb2.ContributionType, component.contribution_type),
            spaced_word(insurance_cost_pb2.BilledEntity, component.billed_entity),
            spaced_word(premium_entry_pb2.Debtor, component.debtor),
            money(component.monthly_minor, entry.currency_code),
            money(component.owed_minor, entry.currency_code),
        )
    show_table(table)


def _show_ledger(entry: PremiumEntry) -> None:
    """Prints when and by whom the entry was recorded, what it cancels or is cancelled by, and its invoices."""
    if entry.HasField("recorded_at"):
        by = f" by {_actor(entry.actor)}" if entry.HasField("actor") else ""
        CONSOLE.print(f"  recorded at {instant_from_proto(entry.recorded_at):%Y-%m-%d %H:%M:%S} UTC{by}")
    if entry.cancels_entry_id:
        CONSOLE.print(f"  cancels entry {entry.cancels_entry_id}")
    if entry.cancelled_by_entry_id:
        CONSOLE.print(f"  cancelled by entry {entry.cancelled_by_entry_id}")
    for invoice in sorted({component.invoice_id for component in entry.components} - {""}):
        CONSOLE.print(f"  on invoice {invoice}")


def _actor(actor: Actor) -> str:
    behalf = f" on behalf of {actor.on_behalf_of}" if actor.on_behalf_of else ""
    return f"{spaced_word(ActorKind, actor.kind)} {actor.subject}".rstrip() + behalf
