"""Computes the days of a person after a file, from the days in the book and what the file states.

A pure function of sets of days. The order of loops plays no part: all ends come before all statements. Days of which
the file doesn't speak never change.
"""

from collections.abc import Callable, Collection, Iterable, Iterator
from collections.abc import Mapping as Lookup
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import combinations, permutations
from typing import TypeAlias

from affilia_cli.enrollment_file.book.day_runs import NO_DAYS, DayRuns, Run, day_after
from affilia_cli.enrollment_file.findings import Finding, error, warning
from affilia_cli.enrollment_file.planning.stated_days import End, ModuleKey, StatedModule, Statement

ONE_DAY = timedelta(days=1)

SlotOf: TypeAlias = Callable[[ModuleKey], str]
"""Returns the slot of a module, or an empty string."""


@dataclass(frozen=True, slots=True)
class Scope:
    """What a file states beyond its loops.

    `whole_from` is the day from which a full file states all mapped modules, or None. `follows_starts`: a later
    first day in a full file or an audit moves the beginning of a run.
    """

    whole_from: date | None = None
    follows_starts: bool = False


@dataclass(frozen=True, slots=True)
class EndedRun:
    """A run that ended with its subscriber's membership: days after `last_on` are gone."""

    module: ModuleKey
    run: Run
    last_on: date


@dataclass(frozen=True, slots=True)
class PlannedDays:
    """The days after a file, for every module of the book or the file. They mean nothing if a finding is an error."""

    after: Lookup[ModuleKey, DayRuns]
    ended: tuple[EndedRun, ...]
    findings: tuple[Finding, ...]


def plan_days(
    before: Lookup[ModuleKey, DayRuns],
    stated: Lookup[ModuleKey, StatedModule],
    slot_of: SlotOf,
    mapped: Collection[ModuleKey],
    scope: Scope,
) -> PlannedDays:
    """Returns the days of one person in one family after a file. `before` also has modules that aren't mapped."""
    after, states, ended, findings = dict(before), dict[ModuleKey, DayRuns](), list[EndedRun](), list[Finding]()
    nothing = StatedModule("")
    for key in dict.fromkeys((*before, *stated)):
        planner = _ModulePlanner(before.get(key, NO_DAYS), stated.get(key, nothing))
        whole_from = scope.whole_from if key in mapped else None
        after[key] = planner.after(whole_from, scope)
        states[key] = planner.states
        ended += [EndedRun(key, run, last_on) for run, last_on in planner.ended]
        findings += planner.findings
    for (_, slot), modules in _by_slot(after, slot_of).items():
        findings += _stated_twice(slot, modules, stated, states)
        added = {key: after[key] - before.get(key, NO_DAYS) for key in modules}
        for key, mate in permutations(modules, 2):
            after[key] -= added[mate]
    return PlannedDays(after, tuple(ended), tuple(findings))


class _ModulePlanner:
    """Plans one module, regardless of the others of its slot."""

    def __init__(self, before: DayRuns, stated: StatedModule) -> None:
        self.findings: list[Finding] = []
        self.ended: list[tuple[Run, date]] = []
        self._before = before
        self._stated = stated
        gone, confirmed = list[Run](), list[Run]()
        for end in stated.ends:
            for run in self._meant(end, before):
                last_on = run.first_on - ONE_DAY if end.deletes else end.last_on
                confirmed.append(Run(run.first_on, min(last_on, run.last_on)))
                if last_on < run.last_on:
                    gone.append(Run(max(run.first_on, last_on + ONE_DAY), run.last_on))
                if end.ends_family:
                    self.ended.append((run, last_on))
        self._left = before - DayRuns.of(gone) if gone else before
        self._confirmed = DayRuns.of(confirmed) & self._left if confirmed else NO_DAYS
        self._statements = [found for each in stated.statements if (found := self._with_start(each))]
        self.states = DayRuns.of((each.first_on, each.last_on) for each in self._statements if each.first_on)

    def after(self, whole_from: date | None, scope: Scope) -> DayRuns:
        """Returns the days after the file. From `whole_from` on, they are those that the file names."""
        spoken = DayRuns.since(whole_from) if whole_from else NO_DAYS
        kept: list[Run] = []
        for run in self._left:
            touching = DayRuns((run,)) & self.states
            if not touching:
                kept.append(run)
                continue
            states_from = touching.runs[0].first_on
            earlier = DayRuns.of([(run.first_on, states_from - ONE_DAY)]) if run.first_on < states_from else NO_DAYS
            if earlier and not self._moves_start(states_from, scope):
                kept += earlier
                if earlier - spoken:
                    self._report_start(run, states_from)
        after = (DayRuns.of(kept) - (spoken - self._confirmed)) | self.states
        return self._before if after == self._before else after

    def _meant(self, end: End, before: DayRuns) -> list[Run]:
        meant = [run for run in before if run.shares_a_day_with(end.within)]
        if end.deletes and len(meant) > 1:
            message = (
                f"{self._stated.name} is deleted, but several stored periods share days with it:"
                f" {', '.join(map(str, meant))}. Send one coverage for each period to delete, with its first and last"
                " day (DTP 348 and 349)."
            )
            self.findings.append(error("DELETE_AMBIGUOUS", message, end.segment_number, "2300", "HD"))
        if not meant:
            message = (
                f"{self._stated.name} ends after {end.last_on}, but the member has no such cover to end. To end cover"
                " of other days, send the first day (DTP 348) of that cover, too."
            )
            self.findings.append(warning("NOTHING_TO_END", message, end.segment_number, "2300", "HD"))
        return meant

    def _with_start(self, statement: Statement) -> Statement | None:
        """Returns a statement with a first day. A reinstatement without one continues the last run without a gap."""
        if statement.first_on:
            return statement
        if not self._left:
            message = "The coverage is reinstated without a first day, and the member has no earlier cover to continue."
            self.findings.append(error("BEGIN_UNKNOWN", message, statement.segment_number, "2300", "HD"))
            return None
        last = self._left.runs[-1]
        first_on = last.first_on if last.last_on >= statement.last_on else day_after(last.last_on)
        if first_on > statement.last_on:
            message = f"The last day {statement.last_on} is before the first day {first_on} of the cover to continue."
            self.findings.append(error("END_BEFORE_BEGIN", message, statement.segment_number, "2300", "DTP03"))
            return None
        return Statement(
            first_on, statement.last_on, statement.is_correction, statement.is_audit, statement.segment_number
        )

    def _moves_start(self, first_on: date, scope: Scope) -> bool:
        """Returns whether days of a run before the first day that the file states for it go."""
        return any(
            each.is_correction or (scope.follows_starts and (scope.whole_from is not None or each.is_audit))
            for each in self._stating(first_on)
        )

    def _stating(self, day: date) -> list[Statement]:
        """Returns the statements whose period contains a day."""
        return [each for each in self._statements if each.first_on and each.first_on <= day <= each.last_on]

    def _report_start(self, run: Run, states_from: date) -> None:
        message = (
            f"{self._stated.name} starts on {run.first_on} on the server and on {states_from} in the file. The earlier"
            " days stay. To remove them, send a correction (026)."
        )
        segment_number = min(each.segment_number for each in self._stating(states_from))
        self.findings.append(warning("START_DIFFERS", message, segment_number, "2300", "DTP03"))


def _by_slot(
    modules: Collection[ModuleKey], slot_of: Callable[[ModuleKey], str]
) -> dict[tuple[str, str], list[ModuleKey]]:
    """Returns the modules of each slot. Modules without a slot are left out."""
    slots: dict[tuple[str, str], list[ModuleKey]] = {}
    for key in modules:
        if slot := slot_of(key):
            slots.setdefault((key.contract_id, slot), []).append(key)
    return slots


def _stated_twice(
    slot: str,
    modules: Iterable[ModuleKey],
    stated: Lookup[ModuleKey, StatedModule],
    states: Lookup[ModuleKey, DayRuns],
) -> Iterator[Finding]:
    for one, other in combinations(modules, 2):
        if both := states[one] & states[other]:
            message = (
                f"The file states {stated[one].name} and {stated[other].name} {both}, but a member can have only one of"
                f" them ({slot})."
            )
            segment_number = stated[other].statements[0].segment_number
            yield error("COVERAGES_EXCLUSIVE", message, segment_number, "2300", "HD")
