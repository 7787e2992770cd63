"""The premiums of a family: what each debtor owes, what was invoiced, how each amount was computed, corrections with
their causes, and two months compared."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from starlette.responses import Response

from affilia.premium.v1.premium_entry_pb2 import Debtor, PremiumCause, PremiumEntry
from affilia.pricing.v1.insurance_cost_pb2 import ContributionType
from affilia_console.failures import Refused
from affilia_console.visits import Visit
from affilia_views.days import format_span
from affilia_views.derivations import derivation_lines, spaced_word
from affilia_views.explanations import with_names
from affilia_views.money import money
from affilia_views.premiums import PremiumDifference, compared, month_sums, month_word, owed_by
from affilia_views.words import enum_word

MAX_DERIVED = 500
"""Maximum number of entries of a month whose computation is shown."""


@dataclass(frozen=True, slots=True)
class Correction:
    """An entry that cancels another one, in words."""

    month: str
    what: str
    amount: str
    causes: Sequence[str]


@dataclass(frozen=True, slots=True)
class Derived:
    """How an entry that counts was computed, in words."""

    what: str
    amount: str
    lines: Sequence[str]
    shares: Sequence[tuple[str, str, str, str]]
    """Contributions, debtors, monthly amounts and amounts owed."""


def premiums(visit: Visit) -> Response:
    """Shows the ledger of a family by month and debtor, and compares two of its months if they are given."""
    group = visit.client.enrollment.get_enrollment_group(group_id=visit.path("group_id")).group
    entries = list(visit.client.premiums.all_premium_entries(policy={"group_id": group.group_id}, explain=True))
    visit.names.load_members(entry.member_id for entry in entries)
    visit.names.load_modules(entry.module_id for entry in entries)
    months = sorted({month_word(entry.month) for entry in entries})
    first, second = visit.query.get("first", ""), visit.query.get("second", "")
    month = visit.query.get("month", "") or (months[-1] if months else "")
    if month and month not in months:
        raise Refused(f"There are no premiums of {month}.", "Choose a month from the list.")
    computed = [entry for entry in _live(entries) if month_word(entry.month) == month]
    return visit.page(
        "premiums.html",
        title=visit.names.family(group.key),
        group=group,
        sums=month_sums(entries),
        corrections=[_correction(visit, entry, entries) for entry in entries if entry.cancels_entry_id],
        months=months,
        month=month,
        derived=[_derived(visit, entry) for entry in computed[:MAX_DERIVED]],
        omitted=max(0, len(computed) - MAX_DERIVED),
        first=first,
        second=second,
        differences=_differences(visit, entries, months, first, second) if first and second else None,
        money=money,
    )


def _differences(
    visit: Visit, entries: Sequence[PremiumEntry], months: Sequence[str], first: str, second: str
) -> Sequence[PremiumDifference]:
    for month in (first, second):
        if month not in months:
            raise Refused(f"There are no premiums of {month}.", "Choose a month from the list.")
    live = _live(entries)
    before, after = ([entry for entry in live if month_word(entry.month) == month] for month in (first, second))
    return compared(before, after, lambda sentence: with_names(sentence, visit.names))


def _live(entries: Iterable[PremiumEntry]) -> Sequence[PremiumEntry]:
    """Returns the entries that count: those that neither cancel another one nor are cancelled."""
    return [entry for entry in entries if not entry.cancels_entry_id and not entry.cancelled_by_entry_id]


def _derived(visit: Visit, entry: PremiumEntry) -> Derived:
    names, currency = visit.names, entry.currency_code
    return Derived(
        f"{names.member(entry.member_id)} on {names.module(entry.module_id)}, {format_span(entry.days)}",
        money(owed_by(entry), currency),
        list(derivation_lines(entry)),
        [
            (
                spaced_word(ContributionType, each.contribution_type),
                enum_word(Debtor, each.debtor),
                money(each.monthly_minor, currency),
                money(each.owed_minor, currency),
            )
            for each in entry.components
        ],
    )


def _correction(visit: Visit, offset: PremiumEntry, entries: Sequence[PremiumEntry]) -> Correction:
    """Describes an entry that cancels another one. Its causes can be those of the entry that replaces that one."""
    names = visit.names
    replaced = (
        entry.causes
        for entry in entries
        if entry.causes and (entry.member_id, entry.module_id, entry.month) == _what(offset)
    )
    causes: Sequence[PremiumCause] = offset.causes or next(replaced, ())
    return Correction(
        month_word(offset.month),
        f"{names.member(offset.member_id)} on {names.module(offset.module_id)}, {format_span(offset.days)}",
        money(owed_by(offset), offset.currency_code),
        [with_names(cause.summary, names) for cause in causes],
    )


def _what(entry: PremiumEntry) -> tuple[object, ...]:
    return entry.member_id, entry.module_id, entry.month
