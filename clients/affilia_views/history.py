"""Describes what was recorded about a family, member or contract, by whom, and what changed."""

from collections.abc import Sequence
from dataclasses import dataclass

from affilia.history.v1 import history_entry_pb2
from affilia.history.v1.history_entry_pb2 import ContractEntry, HistoryEntry, PremiumHistoryEntry
from affilia.premium.v1 import premium_entry_pb2
from affilia_views.days import format_span
from affilia_views.money import money
from affilia_views.names import Names
from affilia_views.outline import Item, item, more
from affilia_views.reasons import violation_items
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
"""The kinds of entries by name, such as `change-request`."""


@dataclass(frozen=True, slots=True)
class Described:
    """An entry in words."""

    entry: HistoryEntry
    summary: str
    recorder: str
    details: Sequence[Item]


def described(entry: HistoryEntry, names: Names, *, of_contract: bool = False) -> Described:
    """Returns an entry in words; see `detail_items`."""
    details = detail_items(entry, names, of_contract=of_contract)
    return Described(entry, summary_of(entry, names), recorder_of(entry, names), details)


def summary_of(entry: HistoryEntry, names: Names) -> str:
    """Returns the entry in one sentence, with names."""
    members = [entry.member_id, *(each.member_id for each in entry.differences)]
    return names.in_sentence(entry.summary, members, [each.module_id for each in entry.differences])


def recorder_of(entry: HistoryEntry, names: Names) -> str:
    """Returns who recorded the entry and, for a change request, who requested it."""
    if entry.WhichOneof("data") == "change_request":
        return requester_words(entry.change_request, names)
    return f"by {actor_words(entry.actor, names)}"


def detail_items(entry: HistoryEntry, names: Names, *, of_contract: bool) -> list[Item]:
    """Returns what was recorded and, if the entry created a revision, what it changed. Changes of a contract are only
    detailed in its own history."""
    found = _recorded(entry, names, of_contract=of_contract)
    if entry.WhichOneof("data") == "change_request":
        request = entry.change_request
        found += violation_items(request.violations, entry.contract_id, names, request.violations_omitted)
    found += [item(line) for each in entry.differences for line in difference_words(each, names)]
    if entry.differences_omitted:
        found.append(item(f"and {entry.differences_omitted} more enrollments changed"))
    if entry.HasField("monthly_cost"):
        found.append(item(cost_words(entry.monthly_cost)))
    return found


def _recorded(entry: HistoryEntry, names: Names, *, of_contract: bool) -> list[Item]:
    match entry.WhichOneof("data"):
        case "change_request":
            return [item(line) for line in changes_words(entry.change_request, names)]
        case "fact":
            changes = [item(fact_change_words(change, names)) for change in entry.fact.changes]
            return [*changes, *more(entry.fact.changes_omitted, "changed days")]
        case "contract" if of_contract:
            return contract_items(entry.contract, names)
        case "recompute":
            triggers = [item(f"triggered by entry {each}") for each in entry.recompute.trigger_entry_ids]
            return [*triggers, item("and by earlier entries")] if entry.recompute.triggers_omitted else triggers
        case "premium":
            return _premium(entry.premium)
        case "accumulator":
            return [item(f"{use.code}: {use.applied} of {use.asked} requested") for use in entry.accumulator.uses]
        case "record" if entry.record.merged_into:
            reason = [item(f"reason: {entry.record.reason}")] if entry.record.reason else []
            return [item(merge_words(entry.record.member_id, entry.record.merged_into, names)), *reason]
        case "record" if entry.record.name_before or entry.record.name_after:
            after, before = (name or "none" for name in (entry.record.name_after, entry.record.name_before))
            return [item(f"name: {after} (before: {before})")]
    return []


def contract_items(contract: ContractEntry, names: Names) -> list[Item]:
    """Returns what a publication or an amendment changed."""
    modules = {change.module_id for version in contract.versions for change in version.fields}
    found = [item(field_words(change, names)) for change in contract.fields]
    for version in contract.versions:
        fields = [item(names.in_sentence(field_words(change, names), (), modules)) for change in version.fields]
        kind = enum_word(history_entry_pb2.ChangeKind, version.kind)
        found.append(item(f"version {format_span(version.days)} {kind}", below=fields))
    return [*found, *more(contract.fields_omitted, "changed fields")]


def _premium(premium: PremiumHistoryEntry) -> list[Item]:
    found = [item(f"invoice {premium.invoice_id}")] if premium.invoice_id else []
    for each in premium.months:
        debtor = enum_word(premium_entry_pb2.Debtor, each.debtor)
        before, after = (money(minor, premium.currency_code) for minor in (each.before_minor, each.after_minor))
        month = f"{each.month.year:04}-{each.month.month:02}"
        found.append(item(f"{month}, {debtor}: {after}" + ("" if premium.invoice_id else f" (before: {before})")))
    return found
