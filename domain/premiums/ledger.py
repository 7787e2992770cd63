"""The append-only ledger of a policy, and the rows to add so that it adds up to what is owed now."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple
from uuid import UUID

from domain.premiums.entries import PremiumEntry, Stretch
from domain.premiums.months import Month, days_of_month


class LedgerRow(NamedTuple):
    """A stretch in the ledger, or to be added to it; all its months have one version.

    An offset cancels months of another row: `cancels` is the key of that row, and the stretch has the amounts of that
    row, not negated.
    """

    stretch: Stretch
    version: int
    cancels: int | None = None

    @property
    def num_entries(self) -> int:
        """The number of its entries."""
        return self.stretch.last - self.stretch.first + 1

    def entries(self) -> Iterator[PremiumEntry]:
        """Yields the entries of all its months; those of an offset are negated."""
        return self.stretch.entries() if self.cancels is None else map(offset, self.stretch.entries())


def offset(entry: PremiumEntry) -> PremiumEntry:
    """Returns the entry that cancels another one: its number of days and every amount are negated."""
    return entry._replace(
        num_days=-entry.num_days,
        charges=tuple(charge._replace(monthly_minor=-charge.monthly_minor) for charge in entry.charges),
        owed_minor=tuple(-owed for owed in entry.owed_minor),
    )


def reconciled(
    live: Mapping[int, PremiumEntry],
    fresh: Iterable[PremiumEntry],
    last_versions: Mapping[tuple[UUID, Month], int],
) -> list[LedgerRow]:
    """Returns the rows to add so that the live entries of some months are the fresh ones.

    `live` has the entries, by key, that are neither cancelled nor offsets; `last_versions` has the highest version of
    each enrollment and month so far. Entries that are both live and fresh are left alone. Each row has one month. Rows
    are in order of enrollment, month, offsets first, and first day.
    """
    wanted = {entry.content: entry for entry in fresh}
    pending: list[tuple[PremiumEntry, int | None]] = [
        (entry, key) for key, entry in live.items() if wanted.pop(entry.content, None) is None
    ]
    pending += ((entry, None) for entry in wanted.values())
    pending.sort(key=lambda new: (new[0].enrollment_id, new[0].month, new[1] is None, new[0].days.start))
    versions = dict(last_versions)
    rows = []
    for entry, cancels in pending:
        month = (entry.enrollment_id, entry.month)
        versions[month] = versions.get(month, 0) + 1
        rows.append(LedgerRow(_stretch(entry), versions[month], cancels))
    return rows


def _stretch(entry: PremiumEntry) -> Stretch:
    """Returns the stretch that has only this entry."""
    whole = entry.days == days_of_month(entry.month)
    return Stretch(
        entry.enrollment_id,
        entry.member_id,
        entry.month,
        entry.month,
        None if whole else entry.days,
        None if whole else entry.divisor,
        None if whole else entry.owed_minor,
        entry.basis,
        entry.reasons,
    )


def reconciled_rows(
    ledger: Mapping[int, LedgerRow], fresh: Sequence[Stretch], first: Month, last: Month
) -> list[LedgerRow]:
    """Returns the rows to add so that the ledger has the fresh stretches of some months.

    `ledger` has all rows of a policy, by key, that have a month in the range. The result is that of `reconciled`, with
    equal entries of consecutive whole months joined. Policies without rows, and without changes, are fast.
    """
    if not ledger:
        return list(_numbered(fresh))
    if _unchanged(ledger, fresh, first, last):
        return []
    live, versions = _live_entries(ledger, first, last)
    entries = [entry for stretch in fresh for entry in stretch.entries()]
    rows = reconciled(dict(enumerate(entry for entry, _ in live)), entries, versions)
    return list(_joined(_with_key(row, live) for row in rows))


def _with_key(row: LedgerRow, live: Sequence[tuple[PremiumEntry, int]]) -> LedgerRow:
    """Returns the row with the key of the row that it cancels; several live entries can belong to one row."""
    return row if row.cancels is None else row._replace(cancels=live[row.cancels][1])


def _numbered(fresh: Sequence[Stretch]) -> Iterator[LedgerRow]:
    """Yields the rows of a policy that has no rows yet."""
    latest: tuple[UUID, Month] | None = None
    version = 1
    for stretch in fresh:
        month = (stretch.enrollment_id, stretch.first)
        version = version + 1 if month == latest else 1
        latest = month
        yield LedgerRow(stretch, version)


def _unchanged(ledger: Mapping[int, LedgerRow], fresh: Sequence[Stretch], first: Month, last: Month) -> bool:
    """Returns whether the rows were never cancelled, lie within the months, and equal the fresh stretches.

    False doesn't mean that something has changed, only that entries must be compared.
    """
    rows = ledger.values()
    if len(rows) != len(fresh) or any(
        row.cancels is not None or row.stretch.first < first or row.stretch.last > last for row in rows
    ):
        return False
    known = {_content(row.stretch): row.stretch.basis.price.charges for row in rows}
    return all(known.get(_content(stretch)) == stretch.basis.price.charges for stretch in fresh)


def _content(stretch: Stretch) -> tuple[object, ...]:
    """Equal for two stretches with the same content, apart from their charges."""
    return (stretch.enrollment_id.int, *stretch[2:7])


def _live_entries(
    ledger: Mapping[int, LedgerRow], first: Month, last: Month
) -> tuple[list[tuple[PremiumEntry, int]], dict[tuple[UUID, Month], int]]:
    """Returns the live entries of some months, each with the key of its row, and the highest versions."""
    cancelled = {
        (row.cancels, month)
        for row in ledger.values()
        if row.cancels is not None
        for month in range(row.stretch.first, row.stretch.last + 1)
    }
    live: list[tuple[PremiumEntry, int]] = []
    versions: dict[tuple[UUID, Month], int] = {}
    for key, row in ledger.items():
        for month in range(max(first, row.stretch.first), min(last, row.stretch.last) + 1):
            of_enrollment = (row.stretch.enrollment_id, month)
            versions[of_enrollment] = max(versions.get(of_enrollment, 0), row.version)
            if row.cancels is None and (key, month) not in cancelled:
                live.append((row.stretch.entry(month), key))
    return live, versions


def _joined(rows: Iterable[LedgerRow]) -> Iterator[LedgerRow]:
    """Yields rows in their order, with equal ones of consecutive whole months joined."""
    pending: LedgerRow | None = None
    for row in rows:
        if pending and _continues(pending, row):
            pending = pending._replace(stretch=pending.stretch._replace(last=row.stretch.last))
            continue
        if pending:
            yield pending
        pending = row
    if pending:
        yield pending


def _continues(row: LedgerRow, following: LedgerRow) -> bool:
    one, other = row.stretch, following.stretch
    return (
        one.enrollment_id == other.enrollment_id
        and one.last + 1 == other.first
        and one.days is None
        and other.days is None
        and (row.version, row.cancels) == (following.version, following.cancels)
        and one.basis == other.basis
        and not other.reasons
    )


def ratio_hundredths(entry: PremiumEntry, days_in_month: int) -> int:
    """Returns the prorata ratio in hundredths: 100 or -100 for a full month, otherwise days by divisor.

    Halves are rounded away from zero.
    """
    if abs(entry.num_days) == days_in_month:
        return 100 if entry.num_days > 0 else -100
    doubled = (200 * abs(entry.num_days) + entry.divisor) // (2 * entry.divisor)
    return doubled if entry.num_days > 0 else -doubled
