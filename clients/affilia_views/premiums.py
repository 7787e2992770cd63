"""Sums and compares entries of the premium ledger, and says in words why amounts differ."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from affilia.premium.v1 import premium_entry_pb2 as pb
from affilia.premium.v1.premium_entry_pb2 import Debtor, PremiumEntry
from affilia.pricing.v1.price_derivation_pb2 import PriceRow
from affilia.type.v1.year_month_pb2 import YearMonth
from affilia_client.dates import date_from_proto, instant_from_proto
from affilia_views.money import money
from affilia_views.words import enum_word

REASONS = {
    pb.PIECE_REASON_RANGE_START: "the computed months start here",
    pb.PIECE_REASON_ENROLLMENT_STARTED: "an enrollment of the policy started",
    pb.PIECE_REASON_ENROLLMENT_ENDED: "an enrollment of the policy ended on the day before",
    pb.PIECE_REASON_AGE_CHANGED: "the priced age changed",
    pb.PIECE_REASON_CONTRACT_VERSION: "a contract version started, or ended on the day before",
    pb.PIECE_REASON_DISCOUNT_STARTED: "a discount started",
    pb.PIECE_REASON_DISCOUNT_ENDED: "a discount ended on the day before",
    pb.PIECE_REASON_REGIME_CHANGED: "the primary's health regime changed",
}
"""Why an entry's amounts apply from its first day on."""


DEBTORS: "dict[str, Debtor.ValueType]" = {enum_word(Debtor, number): number for number in Debtor.values() if number}
"""Debtors by the words that people use for them."""


def month_word(month: YearMonth) -> str:
    """Returns a month such as 2026-03."""
    return f"{month.year:04}-{month.month:02}"


@dataclass(frozen=True, slots=True)
class MonthSum:
    """What a debtor owes for a month, in minor units. Offsets are included in both amounts."""

    month: str
    debtor: str
    currency_code: str
    owed_minor: int
    invoiced_minor: int
    invoices: tuple[str, ...]

    @property
    def open_minor(self) -> int:
        return self.owed_minor - self.invoiced_minor


def month_sums(entries: Iterable[PremiumEntry]) -> list[MonthSum]:
    """Returns the sums of each month and debtor, in order of month. `entries` include offsets and cancelled ones."""
    components: dict[tuple[str, int, str], list[pb.PremiumComponent]] = {}
    for entry in entries:
        for component in entry.components:
            key = month_word(entry.month), component.debtor, entry.currency_code
            components.setdefault(key, []).append(component)
    return [
        MonthSum(
            month,
            enum_word(Debtor, debtor),
            currency,
            sum(each.owed_minor for each in found),
            sum(each.owed_minor for each in found if each.invoice_id),
            tuple(sorted({each.invoice_id for each in found} - {""})),
        )
        for (month, debtor, currency), found in sorted(components.items())
    ]


def owed_by(entry: PremiumEntry, debtor: int = 0) -> int:
    """Returns the amount of an entry, in minor units: that of one debtor, or of all for 0."""
    return sum(each.owed_minor for each in entry.components if debtor in (0, each.debtor))


def uninvoiced_sums(entries: Iterable[PremiumEntry], debtor: int = 0) -> list[tuple[str, str, int]]:
    """Returns the debtor, currency and sum, in minor units, of what isn't invoiced. Debtor 0 means all debtors."""
    sums: Counter[tuple[str, str]] = Counter()
    for entry in entries:
        for component in entry.components:
            if debtor in (0, component.debtor) and not component.invoice_id:
                sums[enum_word(Debtor, component.debtor), entry.currency_code] += component.owed_minor
    return [(name, currency, minor) for (name, currency), minor in sorted(sums.items())]


def live_before(entries: Sequence[PremiumEntry], instant: datetime) -> list[PremiumEntry]:
    """Returns the entries that were recorded before an instant and weren't cancelled before it."""
    recorded = {entry.entry_id: instant_from_proto(entry.recorded_at) for entry in entries}
    return [
        entry
        for entry in entries
        if not entry.cancels_entry_id
        and recorded[entry.entry_id] < instant
        and not (entry.cancelled_by_entry_id and recorded.get(entry.cancelled_by_entry_id, instant) < instant)
    ]


@dataclass(frozen=True, slots=True)
class PremiumDifference:
    """How the amount of a member on a module differs, in minor units, with the causes in words."""

    member_id: str
    module_id: str
    currency_code: str
    before_minor: int
    after_minor: int
    causes: tuple[str, ...]


def compared(
    before: Iterable[PremiumEntry], after: Iterable[PremiumEntry], named: Callable[[str], str] = str
) -> list[PremiumDifference]:
    """Returns the members and modules whose amounts differ, in order of their first entry.

    `named` converts sentences of the server, for example to replace ids by names.
    """
    pairs: dict[tuple[str, str], tuple[list[PremiumEntry], list[PremiumEntry]]] = {}
    for side, entries in enumerate((before, after)):
        for entry in entries:
            pairs.setdefault((entry.member_id, entry.module_id), ([], []))[side].append(entry)
    found = []
    for (member_id, module_id), (old, new) in pairs.items():
        old_minor, new_minor = (sum(map(owed_by, entries)) for entries in (old, new))
        if old_minor != new_minor:
            currency = (new or old)[0].currency_code
            causes = tuple(dict.fromkeys(_causes(old, new, currency, named)))
            found.append(PremiumDifference(member_id, module_id, currency, old_minor, new_minor, causes))
    return found


def _causes(
    old: Sequence[PremiumEntry], new: Sequence[PremiumEntry], currency: str, named: Callable[[str], str]
) -> Iterable[str]:
    before, after = (sum(entry.num_days for entry in entries) for entries in (old, new))
    if not new:
        yield f"no longer enrolled; was enrolled for {_days(before)}"
    elif not old:
        yield f"newly enrolled, for {_days(after)}"
    elif before != after:
        yield f"{_days(after)} instead of {before}"
    if old and new:
        yield from _price_causes(old[-1], new[-1], currency)
    for entry in new:
        for reason in entry.explanation.reasons:
            if reason != pb.PIECE_REASON_RANGE_START:
                yield REASONS.get(reason, enum_word(pb.PieceReason, reason))
        for cause in entry.causes:
            yield named(cause.summary) + (f" (revision {cause.revision})" if cause.revision else "")


def _price_causes(old: PremiumEntry, new: PremiumEntry, currency: str) -> Iterable[str]:
    """Yields how the monthly prices differ, and the parts of the price that led to them."""
    before, after = (sum(each.monthly_minor for each in entry.components) for entry in (old, new))
    if before != after:
        yield f"a whole month costs {money(after, currency)} instead of {money(before, currency)}"
    if not (old.HasField("explanation") and new.HasField("explanation")):
        return
    rows = [_row_words(entry.explanation.row) for entry in (old, new)]
    if rows[0] != rows[1]:
        yield f"price row {rows[1]} instead of {rows[0]}"
    if new.explanation.version_from != old.explanation.version_from and new.explanation.HasField("version_from"):
        yield f"contract version from {date_from_proto(new.explanation.version_from)}"
    if old.divisor != new.divisor and before == after:
        yield f"a month counts as {_days(new.divisor)} instead of {old.divisor}"


def _row_words(row: PriceRow) -> str:
    ages = f"age {row.min_age}{f' to {row.max_age}' if row.HasField('max_age') else ' or older'}"
    return " ".join(filter(None, (row.table, ages if row.HasField("min_age") else "", "(free)" if row.free else "")))


def _days(number: int) -> str:
    return f"{number} day" if number == 1 else f"{number} days"
