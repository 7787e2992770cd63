"""The command `history`: what was recorded about a family, member or contract, by whom, and what changed."""

from functools import partial
from typing import Annotated, Any

import typer

from affilia.history.v1 import history_entry_pb2
from affilia.history.v1.history_entry_pb2 import HistoryEntry
from affilia.premium.v1 import premium_entry_pb2
from affilia_cli.console import CONSOLE, styled
from affilia_cli.days import parse_recorded
from affilia_cli.names import ServerNames
from affilia_cli.options import From, To
from affilia_cli.paging import show_each
from affilia_cli.session import Session
from affilia_cli.showing import show_violations
from affilia_views.days import format_instant, format_span
from affilia_views.money import money
from affilia_views.words import (
    actor_words,
    changes_words,
    cost_words,
    difference_words,
    enum_word,
    fact_change_words,
    field_words,
    merge_words,
    requester_words,
)

KINDS = {
    enum_word(history_entry_pb2.HistoryKind, number): number
    for number in history_entry_pb2.HistoryKind.values()
    if number
}
INDENT = "    "


def history(
    context: typer.Context,
    subject: Annotated[
        str,
        typer.Argument(
            metavar="FAMILY|MEMBER|CONTRACT", help="A name, an identifier or an id. CONTRACT/PRIMARY means the family."
        ),
    ],
    first: From = "",
    last: To = "",
    kind: Annotated[list[str] | None, typer.Option(help=f"Only these kinds: {', '.join(KINDS)}. Repeatable.")] = None,
    family: Annotated[bool, typer.Option("--family", help="The history of the person's family.")] = False,
) -> None:
    """List what was recorded, when and by whom.

    Newest first, with what changed. The history of a member includes their facts and every family that they are or
    were in.
    """
    session: Session = context.obj
    fields: dict[str, Any] = parse_recorded(first, last)
    unknown = set(kind or ()) - KINDS.keys()
    if unknown:
        raise typer.BadParameter(f"--kind must be one of {', '.join(KINDS)}; got {', '.join(sorted(unknown))}.")
    fields["kinds"] = [KINDS[each] for each in kind or ()]
    with session.client() as client:
        resolver = session.resolver(client)
        fields |= {"group_id": resolver.group_id(subject)} if family else resolver.subject(subject)
        entries = client.history.all_history(**fields)
        if session.print_parts(entries=entries):
            return
        show = partial(_show, ServerNames(client), "contract_id" in fields)
        show_each(entries, show, nothing="Nothing was recorded.")


def _show(names: ServerNames, of_contract: bool, entry: HistoryEntry) -> None:
    kind = enum_word(history_entry_pb2.HistoryKind, entry.kind)
    made = f"  revision {entry.revision}" if entry.HasField("revision") else ""
    CONSOLE.print(styled((format_instant(entry.recorded_at), "bold"), "  ", (kind, "cyan"), made))
    members = [entry.member_id, *(each.member_id for each in entry.differences)]
    modules = [each.module_id for each in entry.differences]
    CONSOLE.print(f"  {names.in_sentence(entry.summary, members, modules)}")
    if entry.WhichOneof("data") == "change_request":
        CONSOLE.print(f"  {requester_words(entry.change_request, names)}")
    else:
        CONSOLE.print(f"  by {actor_words(entry.actor, names)}")
    for line in _details(entry, names, of_contract=of_contract):
        CONSOLE.print(f"{INDENT}{line}")
    if entry.WhichOneof("data") == "change_request":
        request = entry.change_request
        show_violations(request.violations, entry.contract_id, names, INDENT, request.violations_omitted)
    for difference in entry.differences:
        for line in difference_words(difference, names):
            CONSOLE.print(f"{INDENT}{line}")
    if entry.differences_omitted:
        CONSOLE.print(f"{INDENT}and {entry.differences_omitted} more enrollments changed")
    if entry.HasField("monthly_cost"):
        CONSOLE.print(f"{INDENT}{cost_words(entry.monthly_cost)}")
    if entry.HasField("revision"):
        CONSOLE.print(styled((f"{INDENT}why: affilia why {entry.group_id} --revision {entry.revision}", "dim")))


def _details(entry: HistoryEntry, names: ServerNames, *, of_contract: bool) -> list[str]:
    """Returns what was recorded, line by line. Changes of a contract are only detailed in its own history."""
    match entry.WhichOneof("data"):
        case "change_request":
            return changes_words(entry.change_request, names)
        case "fact":
            changes = [fact_change_words(change, names) for change in entry.fact.changes]
            return [*changes, *_more(entry.fact.changes_omitted, "changed days")]
        case "contract":
            if of_contract:
                return contract_lines(entry.contract, names)
            return [f"details: affilia history {entry.contract_id}"]
        case "recompute":
            triggers = [f"triggered by entry {each}" for each in entry.recompute.trigger_entry_ids]
            return [*triggers, "and by earlier entries"] if entry.recompute.triggers_omitted else triggers
        case "premium":
            return _premium_lines(entry.premium)
        case "accumulator":
            return [f"{use.code}: {use.applied} of {use.asked} requested" for use in entry.accumulator.uses]
        case "record" if entry.record.merged_into:
            reason = [f"reason: {entry.record.reason}"] if entry.record.reason else []
            return [merge_words(entry.record.member_id, entry.record.merged_into, names), *reason]
        case "record" if entry.record.name_before or entry.record.name_after:
            return [f"name: {entry.record.name_after} (before: {entry.record.name_before})"]
    return []


def contract_lines(contract: history_entry_pb2.ContractEntry, names: ServerNames) -> list[str]:
    """Returns what a publication or an amendment changed, line by line."""
    modules = {change.module_id for version in contract.versions for change in version.fields}
    lines = [field_words(change, names) for change in contract.fields]
    for version in contract.versions:
        lines.append(f"version {format_span(version.days)} {enum_word(history_entry_pb2.ChangeKind, version.kind)}")
        lines += [f"  {names.in_sentence(field_words(change, names), (), modules)}" for change in version.fields]
    return [*lines, *_more(contract.fields_omitted, "changed fields")]


def _more(omitted: int, things: str) -> list[str]:
    """Returns a line that says how much the server omitted, if anything."""
    return [f"and {omitted} more {things}"] if omitted else []


def _premium_lines(premium: history_entry_pb2.PremiumHistoryEntry) -> list[str]:
    lines = [f"invoice {premium.invoice_id}"] if premium.invoice_id else []
    for each in premium.months:
        debtor = enum_word(premium_entry_pb2.Debtor, each.debtor)
        before, after = (money(minor, premium.currency_code) for minor in (each.before_minor, each.after_minor))
        month = f"{each.month.year:04}-{each.month.month:02}"
        lines.append(f"{month}, {debtor}: {after}" + ("" if premium.invoice_id else f" (before: {before})"))
    return lines
