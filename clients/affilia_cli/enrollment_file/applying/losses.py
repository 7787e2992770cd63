"""Counts who would lose cover, and how many days, by a plan with all its consequences. Pure functions.

People are counted by days, not by changes: a change of the module within a slot, or a gap that is followed by cover,
ends nobody's cover.
"""

from collections.abc import Mapping as Lookup
from dataclasses import dataclass
from datetime import date, timedelta
from typing import NamedTuple

from affilia_cli.enrollment_file.book.book import Book, BookContract, EnrollmentKey, FamilyKey
from affilia_cli.enrollment_file.book.day_runs import DayRuns, Run

YEAR = timedelta(days=365)
"""Lost days are counted in the year that begins today."""

Days = Lookup[EnrollmentKey, DayRuns]


@dataclass(frozen=True, slots=True)
class FamilyDays:
    """The days of a family's enrollments before and after its changes."""

    before: Days
    after: Days


@dataclass(frozen=True, slots=True)
class Terminations:
    """Of the members covered under a contract today or later, those whose cover would end, in order of member id."""

    contract_id: str
    covered: int
    ended: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Losses:
    """What a plan takes away. `days_lost` has the lost days of the next year by member, the largest number first."""

    terminations: tuple[Terminations, ...]
    covered_days: int
    days_lost: Lookup[str, int]


class _SlotKey(NamedTuple):
    """A member in a slot."""

    member_id: str
    slot: str


def count_losses(
    book: Book, modules: Lookup[str, frozenset[str]], changed: Lookup[FamilyKey, FamilyDays], today: date
) -> Losses:
    """Counts the losses in the slots of the `modules` of each contract.

    `changed` has the families that can lose days. Someone's cover ends if they are covered in a slot on a day from
    today on, no longer would be, and would not be covered in it on any later day, in any family of the contract.
    """
    counts = [
        _ContractCount(contract, modules.get(contract_id, frozenset()), today)
        for contract_id, contract in book.contracts.items()
    ]
    by_contract = {count.contract_id: count for count in counts}
    for key, days in changed.items():
        by_contract[key.contract_id].find_losers(days)
    for key, family in book.families.items():
        by_contract[key.contract_id].add(changed.get(key) or FamilyDays(family.days, family.days))
    days_lost: dict[str, int] = {}
    for count in counts:
        for member_id, lost in count.days_lost.items():
            days_lost[member_id] = days_lost.get(member_id, 0) + lost
    largest_first = sorted(days_lost.items(), key=lambda item: (-item[1], item[0]))
    return Losses(
        tuple(count.terminations() for count in counts),
        sum(count.covered_days for count in counts),
        dict(largest_first),
    )


class _ContractCount:
    """The counts of one contract. All losers must be found before the families are added."""

    def __init__(self, contract: BookContract, modules: frozenset[str], today: date) -> None:
        self.contract_id = contract.contract_id
        self.covered_days = 0
        self.days_lost: dict[str, int] = {}
        self._slots = {module_id: _slot(contract, module_id) for module_id in (*contract.slots, *modules)}
        mapped = {self._slots[module_id] for module_id in modules}
        self._slots = {module_id: slot for module_id, slot in self._slots.items() if slot in mapped}
        self._modules = modules
        self._today = today
        self._future = DayRuns.since(today)
        self._year = DayRuns((Run(today, today + YEAR - timedelta(days=1)),))
        self._num_days: dict[DayRuns, int] = {}  # Most members of a contract have the same days.
        self._losers: set[str] = set()
        self._covered: set[str] = set()
        self._before: dict[_SlotKey, DayRuns] = {}
        self._after: dict[_SlotKey, DayRuns] = {}

    def find_losers(self, family: FamilyDays) -> None:
        for key, lost in self._lost(family).items():
            if lost:
                self._losers.add(key.member_id)

    def add(self, family: FamilyDays) -> None:
        for key, days in family.before.items():
            if key.module_id in self._slots:
                if days not in self._num_days:
                    self._num_days[days] = _num_days(days & self._year)
                self.covered_days += self._num_days[days]
                if key.module_id in self._modules and days.runs and days.runs[-1].last_on >= self._today:
                    self._covered.add(key.member_id)
        if not any(key.member_id in self._losers for key in (*family.before, *family.after)):
            return
        for total, days_by_slot in (
            (self._before, self._by_slot(family.before)),
            (self._after, self._by_slot(family.after)),
        ):
            for slot_key, days in days_by_slot.items():
                if slot_key.member_id in self._losers:
                    total[slot_key] = total.get(slot_key, DayRuns()) | days
        for slot_key, lost in self._lost(family).items():
            if count := _num_days(lost & self._year):
                self.days_lost[slot_key.member_id] = self.days_lost.get(slot_key.member_id, 0) + count

    def terminations(self) -> Terminations:
        ended = {
            key.member_id for key, before in self._before.items() if _ends(before, self._after.get(key, DayRuns()))
        }
        return Terminations(self.contract_id, len(self._covered), tuple(sorted(ended & self._covered)))

    def _lost(self, family: FamilyDays) -> dict[_SlotKey, DayRuns]:
        after = self._by_slot(family.after)
        return {key: days - after.get(key, DayRuns()) for key, days in self._by_slot(family.before).items()}

    def _by_slot(self, days: Days) -> dict[_SlotKey, DayRuns]:
        """Returns the days from today on of each member in each slot."""
        found: dict[_SlotKey, DayRuns] = {}
        for key, each in days.items():
            if slot := self._slots.get(key.module_id):
                slot_key = _SlotKey(key.member_id, slot)
                found[slot_key] = found.get(slot_key, DayRuns()) | (each & self._future)
        return found


def _slot(contract: BookContract, module_id: str) -> str:
    """Returns a name for the slot of a module. A module without a slot is a slot of its own."""
    slot = contract.slots.get(module_id, "")
    return f"slot {slot}" if slot else f"module {module_id}"


def _ends(before: DayRuns, after: DayRuns) -> bool:
    """Returns whether a day is lost after which no day is covered."""
    lost = before - after
    return bool(lost) and (not after or lost.runs[-1].last_on > after.runs[-1].last_on)


def _num_days(days: DayRuns) -> int:
    return sum((run.last_on - run.first_on).days + 1 for run in days)
