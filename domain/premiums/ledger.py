"""The ledger of a policy: entries that are only ever added, and how a computation moves it to what is owed now."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple
from uuid import UUID

from domain.premiums.entries import PremiumEntry, Stretch
from domain.premiums.months import Month, days_of_month


@dataclass(frozen=True, slots=True)
class NewEntry:
    """An entry to be added. `cancels` is the place, in the list of live entries, of the one that it takes back."""

    entry: PremiumEntry
    version: int
    cancels: int | None = None


def offset(entry: PremiumEntry) -> PremiumEntry:
    """An entry that takes another one back: every day count and amount negated."""
    return entry._replace(
        num_days=-entry.num_days,
        amounts=tuple(amount._replace(monthly_minor=-amount.monthly_minor) for amount in entry.amounts),
        owed_minor=tuple(-owed for owed in entry.owed_minor),
    )


def reconciled(
    live: Sequence[PremiumEntry],
    fresh: Iterable[PremiumEntry],
    last_versions: dict[tuple[UUID, Month], int],
) -> list[NewEntry]:
    """What must be added so that the live entries of some months are the fresh ones: offsets first, then new entries.

    `live` are neither cancelled nor offsets; `last_versions` are the highest so far by enrollment and month. An entry
    that is both live and fresh is left alone. In order of enrollment, month, offset or not, and first day; empty where
    nothing has changed.
    """
    wanted = {entry.says: entry for entry in fresh}
    taken_back: list[tuple[PremiumEntry, int | None]] = []
    for place, entry in enumerate(live):
        if wanted.pop(entry.says, None) is None:
            taken_back.append((offset(entry), place))
    pending = [*taken_back, *((entry, None) for entry in wanted.values())]
    pending.sort(key=lambda new: (new[0].enrollment_id, new[0].month, new[1] is None, new[0].days.start))
    versions = dict(last_versions)
    numbered = []
    for entry, cancels in pending:
        key = (entry.enrollment_id, entry.month)
        versions[key] = versions.get(key, 0) + 1
        numbered.append(NewEntry(entry, versions[key], cancels))
    return numbered


class LedgerRow(NamedTuple):
    """A stretch of the ledger. `cancels` is the key of the row of which it, an offset, takes some months back; its
    amounts are told as those of that row."""

    key: int
    stretch: Stretch
    version: int
    cancels: int | None


class NewRow(NamedTuple):
    """A stretch to be added; all its months have one version."""

    stretch: Stretch
    version: int
    cancels: int | None = None

    @property
    def num_entries(self) -> int:
        """How many entries it adds."""
        return self.stretch.last - self.stretch.first + 1


def reconciled_rows(ledger: Sequence[LedgerRow], fresh: Sequence[Stretch], first: Month, last: Month) -> list[NewRow]:
    """`reconciled` for all of a policy's rows with a month in a range, where most are new or as they were."""
    if not ledger:
        return list(_numbered(fresh))
    if _unchanged(ledger, fresh, first, last):
        return []
    live, versions = _entries_of(ledger, first, last)
    entries = [entry for stretch in fresh for entry in stretch.entries()]
    added = reconciled([entry for entry, _ in live], entries, versions)
    return list(_as_rows(added, [key for _, key in live]))


def _numbered(fresh: Sequence[Stretch]) -> Iterator[NewRow]:
    """Stretches of a policy that has no entries yet."""
    latest: tuple[UUID, Month] | None = None
    version = 1
    for stretch in fresh:
        place = (stretch.enrollment_id, stretch.first)
        version = version + 1 if place == latest else 1
        latest = place
        yield NewRow(stretch, version)


def _unchanged(ledger: Sequence[LedgerRow], fresh: Sequence[Stretch], first: Month, last: Month) -> bool:
    """Whether the rows were never taken back, lie within the months, and say just what is fresh.

    False does not mean that something has changed: only that it takes a closer look.
    """
    if len(ledger) != len(fresh) or any(
        row.cancels is not None or row.stretch.first < first or row.stretch.last > last for row in ledger
    ):
        return False
    there = {_says(row.stretch): row.stretch.basis.price.amounts for row in ledger}
    return all(there.get(_says(stretch)) == stretch.basis.price.amounts for stretch in fresh)


def _says(stretch: Stretch) -> tuple[object, ...]:
    """All that makes two stretches the same, but the monthly amounts."""
    return (stretch.enrollment_id.int, *stretch[2:7])


def _entries_of(
    ledger: Sequence[LedgerRow], first: Month, last: Month
) -> tuple[list[tuple[PremiumEntry, int]], dict[tuple[UUID, Month], int]]:
    """The live entries of some months, each with the key of its row, and the highest versions."""
    taken_back = {(row.cancels, month) for row in ledger if row.cancels is not None for month in _months(row.stretch)}
    live: list[tuple[PremiumEntry, int]] = []
    versions: dict[tuple[UUID, Month], int] = {}
    for row in ledger:
        for month in range(max(first, row.stretch.first), min(last, row.stretch.last) + 1):
            place = (row.stretch.enrollment_id, month)
            versions[place] = max(versions.get(place, 0), row.version)
            if row.cancels is None and (row.key, month) not in taken_back:
                live.append((row.stretch.entry(month), row.key))
    return live, versions


def _months(stretch: Stretch) -> range:
    return range(stretch.first, stretch.last + 1)


def _as_rows(added: Sequence[NewEntry], live_keys: Sequence[int]) -> Iterator[NewRow]:
    """New entries, in their order; equal ones of whole months that follow each other as one row."""
    pending: NewRow | None = None
    for new in added:
        row = _row(new, None if new.cancels is None else live_keys[new.cancels])
        if pending and _goes_on(pending, row):
            pending = pending._replace(stretch=pending.stretch._replace(last=row.stretch.last))
            continue
        if pending:
            yield pending
        pending = row
    if pending:
        yield pending


def _row(new: NewEntry, cancels: int | None) -> NewRow:
    """An offset is told with the amounts that it takes back."""
    entry = offset(new.entry) if cancels is not None else new.entry
    whole = entry.days == days_of_month(entry.month)
    stretch = Stretch(
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
    return NewRow(stretch, new.version, cancels)


def _goes_on(row: NewRow, following: NewRow) -> bool:
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
    """The prorata ratio in hundredths: 100 (or -100) for a full month, else days by divisor, half away from zero."""
    if abs(entry.num_days) == days_in_month:
        return 100 if entry.num_days > 0 else -100
    doubled = (200 * abs(entry.num_days) + entry.divisor) // (2 * entry.divisor)
    return doubled if entry.num_days > 0 else -doubled
