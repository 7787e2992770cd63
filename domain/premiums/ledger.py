"""The ledger of a policy: entries that are only ever added, and how a computation moves it to what is owed now."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from uuid import UUID

from domain.premiums.entries import PremiumEntry
from domain.premiums.months import Month


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
    wanted = set(fresh)
    kept = wanted.intersection(live)
    added = [(entry, place) for place, entry in enumerate(live) if entry not in kept]
    pending: list[tuple[PremiumEntry, int | None]] = [
        *((offset(entry), place) for entry, place in added),
        *((entry, None) for entry in wanted - kept),
    ]
    pending.sort(key=lambda new: (new[0].enrollment_id, new[0].month, new[1] is None, new[0].days.start))
    versions = dict(last_versions)
    numbered = []
    for entry, cancels in pending:
        key = (entry.enrollment_id, entry.month)
        versions[key] = versions.get(key, 0) + 1
        numbered.append(NewEntry(entry, versions[key], cancels))
    return numbered


def ratio_hundredths(entry: PremiumEntry, days_in_month: int) -> int:
    """The prorata ratio in hundredths: 100 (or -100) for a full month, else days by divisor, half away from zero."""
    if abs(entry.num_days) == days_in_month:
        return 100 if entry.num_days > 0 else -100
    doubled = (200 * abs(entry.num_days) + entry.divisor) // (2 * entry.divisor)
    return doubled if entry.num_days > 0 else -doubled
