"""Explains premium entries: what changed since the previous computation of the same enrollment and month.

Usually, a revision of the group changed enrolled days of the month. Otherwise, facts or the contract changed the price.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from domain.days import Span
from domain.enrollment.changed_inputs import BasisChange, ChangedInput
from domain.enrollment.explained import ExplainedRun, RunFilter
from domain.fact_changes import ALWAYS
from domain.premiums.causes import price_inputs
from domain.premiums.months import days_of_month
from operations.call import Call
from operations.core import Core
from operations.explanations import ExplainedDifference, explain_difference
from operations.group_inputs import Origins, load_inputs, origins_of
from storage.group_lookup import group_head
from storage.premium_causes import Computation, DaysChanged, Wanted, changes_of_days, previous_computations
from storage.premiums import EntryKey, StoredEntry

MAX_EXPLAINED = 20
"""The maximum number of different changes to explain for one page of entries."""


@dataclass(frozen=True, slots=True)
class DaysCause:
    """A revision that changed days of the month, and the runs of days that it changed."""

    revision: int
    runs: Sequence[ExplainedRun]
    difference: ExplainedDifference


@dataclass(frozen=True, slots=True)
class PriceCause:
    """Facts and parts of the contract that changed the price of some days."""

    inputs: Sequence[ChangedInput]
    days: Span
    change: BasisChange
    origins: Origins


@dataclass(frozen=True, slots=True)
class PremiumCauses:
    """The cause of each entry for which one is known, and the entries that weren't explained."""

    by_entry: Mapping[EntryKey, DaysCause | PriceCause]
    unexplained: frozenset[EntryKey]


NO_CAUSES = PremiumCauses({}, frozenset())


async def explain_entries(core: Core, call: Call, entries: Sequence[StoredEntry]) -> PremiumCauses:
    """Explains the entries of one page."""
    if not entries:
        return NO_CAUSES
    async with core.database.snapshot() as connection:
        previous = await previous_computations(connection, entries)
        wanted = [_wanted(entry, previous.get(n)) for n, entry in enumerate(entries)]
        changed = await changes_of_days(connection, wanted)
    search = _Search(core, call)
    causes: dict[EntryKey, DaysCause | PriceCause] = {}
    for n, entry in enumerate(entries):
        if change := changed.get(n):
            cause: DaysCause | PriceCause | None = await search.by_days(entry, change)
        elif before := previous.get(n):
            cause = await search.by_price(entry, before.recorded_at)
        else:
            continue
        if cause is not None:
            causes[entry.entry_key] = cause
    return PremiumCauses(causes, frozenset(search.left_out))


def _wanted(entry: StoredEntry, previous: Computation | None) -> Wanted:
    priced = entry.ledger_entry.entry
    days = days_of_month(priced.month)
    since = previous.revision if previous else 0
    return Wanted(entry.group_id, priced.member_id, priced.charges[0].module_id, days, since, entry.revision)


class _Search:
    """Explains up to a maximum number of changes, each only once."""

    def __init__(self, core: Core, call: Call) -> None:
        self._core, self._call = core, call
        self._differences: dict[tuple[UUID, int], ExplainedDifference] = {}
        self._inputs: dict[tuple[UUID, datetime, datetime], tuple[BasisChange, Origins]] = {}
        self.left_out: set[EntryKey] = set()

    def _leaves_out(self, entry: StoredEntry) -> bool:
        """Returns whether the maximum is reached and, if so, adds the entry to those left out."""
        is_full = len(self._differences) + len(self._inputs) >= MAX_EXPLAINED
        if is_full:
            self.left_out.add(entry.entry_key)
        return is_full

    async def by_days(self, entry: StoredEntry, change: DaysChanged) -> DaysCause | None:
        """Returns the runs of one enrollment with which a revision changed days of the entry's month."""
        key = (entry.group_id, change.revision)
        difference = self._differences.get(key)
        if difference is None:
            if self._leaves_out(entry):
                return None
            difference = await explain_difference(self._core, self._call, *key, RunFilter())
            self._differences[key] = difference
        days = days_of_month(entry.ledger_entry.entry.month)
        runs = [
            each
            for each in difference.explanation.runs
            if each.run.key == (change.member_id, change.module_id) and _overlap(each.run.days, days)
        ]
        return DaysCause(change.revision, runs, difference) if runs else None

    async def by_price(self, entry: StoredEntry, since: datetime) -> PriceCause | None:
        """Returns what changed the price of the entry's month since an earlier computation."""
        days = days_of_month(entry.ledger_entry.entry.month)
        key = (entry.group_id, since, entry.recorded_at)
        loaded = self._inputs.get(key)
        if loaded is None:
            if self._leaves_out(entry):
                return None
            loaded = self._inputs[key] = await self._load(*key)
        change, origins = loaded
        found = price_inputs(change, days)
        return PriceCause(found, days, change, origins) if found else None

    async def _load(self, group_id: UUID, since: datetime, until: datetime) -> tuple[BasisChange, Origins]:
        """Returns what a group's premiums were computed from at two instants, and the origins of what changed."""
        async with self._core.database.snapshot() as connection:
            head = await group_head(connection, group_id)
            inputs = await load_inputs(self._core, connection, head, (since, until), {})
            return inputs.change, await origins_of(self._core, connection, inputs, price_inputs(inputs.change, ALWAYS))


def _overlap(one: Span, other: Span) -> bool:
    return one.start < other.end and other.start < one.end
