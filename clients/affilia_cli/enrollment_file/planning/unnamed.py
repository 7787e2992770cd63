"""Plans for members of known families whom the file doesn't name, and who lose cover because of it.

There are two cases: a subscriber's end also ends dependants, and a full file (BGN08 4 or RX) states everybody. In
case of doubt, nobody loses cover.
"""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Mapping as Lookup
from dataclasses import dataclass, field
from datetime import date

from affilia_cli.enrollment_file.book.book import Book, BookMember
from affilia_cli.enrollment_file.book.day_runs import NO_DAYS, ONE_DAY, DayRuns, day_after
from affilia_cli.enrollment_file.findings import Finding, warning
from affilia_cli.enrollment_file.mapping import Mapping
from affilia_cli.enrollment_file.people.identity import said_about
from affilia_cli.enrollment_file.people.people import Person
from affilia_cli.enrollment_file.people.person_names import name_words
from affilia_cli.enrollment_file.planning.kinds import kind_of
from affilia_cli.enrollment_file.planning.member_days import MemberDays
from affilia_cli.enrollment_file.planning.plan import ModuleDays, PlannedMember
from affilia_cli.enrollment_file.planning.planned_days import EndedRun
from affilia_cli.enrollment_file.planning.stated_days import ModuleKey

MISSING, SUBSCRIBER_ENDED = "834-MISSING", "834-SUBSCRIBER-ENDED"
"""Reason codes of changes."""

NOT_JUDGED = warning(
    "MISSING_NOT_JUDGED",
    "Some members can't be identified, so members whom the file omits keep their coverage.",
    loop="HEADER",
    element="BGN08",
)


SYSTEMS = "834/"
"""The beginning of all systems of identifiers from files. The namespace of a mapping follows."""


@dataclass(frozen=True, slots=True)
class SubscriberEnd:
    """The runs of a subscriber that end with the membership, and the subscriber's days after the file."""

    ended: tuple[EndedRun, ...]
    after: Lookup[ModuleKey, DayRuns]

    def for_dependant(self, days: DayRuns, module: ModuleKey, slot: frozenset[ModuleKey]) -> tuple[DayRuns, DayRuns]:
        """Returns the days that a dependant loses on a module, and the days that remain in the same runs.

        The runs concerned share a day with a run that ended in the module's slot or, if none did, anywhere in the
        contract. Days on which the subscriber is still covered there stay.
        """
        ended = [each for each in self.ended if each.module in slot]
        covered = [days for key, days in self.after.items() if key in slot]
        if not ended:
            ended = [each for each in self.ended if each.module.contract_id == module.contract_id]
            covered = [days for key, days in self.after.items() if key.contract_id == module.contract_id]
        concerned, lost = NO_DAYS, NO_DAYS
        for each in ended:
            runs = DayRuns(tuple(run for run in days if run.shares_a_day_with(each.run)))
            concerned |= runs
            lost |= runs & DayRuns.since(day_after(each.last_on))
        for still_covered in covered:
            lost -= still_covered
        return lost, concerned - lost


@dataclass(slots=True)
class NamedPeople:
    """Whom a file names, and whose membership it ends. Collected while the people of the file are planned.

    People are pairs of primary and member: someone can be named in one family and omitted from another. `unplaced` is
    true if somebody is rejected and can't be assigned to a family. `strangers` has the dates of birth, by first name,
    of rejected subscribers whom no number finds: an unnamed subscriber with these can be the one.
    """

    people: set[tuple[str, str]] = field(default_factory=set)
    ends: dict[str, SubscriberEnd] = field(default_factory=dict)
    rejected_families: set[str] = field(default_factory=set)
    unclear_families: set[str] = field(default_factory=set)
    strangers: dict[tuple[str, ...], set[date | None]] = field(default_factory=dict)
    unplaced: bool = False

    def add(self, person: Person, *, rejected: bool) -> None:
        self.people.add((person.primary_id, person.member_id))
        if rejected:
            self.unplaced = self.unplaced or not person.primary_id
            self.rejected_families.add(person.primary_id)
            if not person.member_id:
                self.unclear_families.add(person.primary_id)
            elif person.is_new and person.member_id == person.primary_id:
                self._add_stranger(person)

    def _add_stranger(self, person: Person) -> None:
        for said in (each for loop in person.loops for each in said_about(loop.member)):
            self.unplaced = self.unplaced or not said.is_complete
            self.strangers.setdefault(said.first_name, set()).add(said.born_on)

    def can_be_stranger(self, known: BookMember) -> bool:
        """Returns whether an unnamed subscriber can be somebody who is rejected, with a number that is wrong."""
        words = name_words(known.display_name)
        births = (self.strangers.get(words[:end], ()) for end in range(1, len(words) + 1))
        return any(each and (known.born_on is None or known.born_on in each) for each in births)


class UnnamedPlanner:
    """Plans the people whom a file omits. `whole_from` is the day from which a full file states everybody, or None."""

    def __init__(self, book: Book, mapping: Mapping, whole_from: date | None, today: date) -> None:
        self._book = book
        self._mapped = {ModuleKey(each.contract_id, each.module_id) for each in mapping.coverages}
        self._contract_ids = frozenset(mapping.contract_ids)
        self._days = MemberDays(book, mapping)
        self._own_systems = f"{SYSTEMS}{mapping.namespace}/"
        self._whole_from = whole_from
        self._today = today
        self._slots: dict[ModuleKey, frozenset[ModuleKey]] = {}

    def findings(self, named: NamedPeople) -> tuple[Finding, ...]:
        if self._whole_from is None:
            return ()
        if named.unplaced:
            return (NOT_JUDGED,)
        return (_of_others(count),) if (count := len(self._families_of_others())) else ()

    def plan(self, named: NamedPeople) -> Iterator[PlannedMember]:
        """Yields everybody who loses days, in the order of the book's families."""
        judged = self._whole_from is not None and not named.unplaced
        families = (key.primary_id for key in self._book.families if judged and key.contract_id in self._contract_ids)
        for primary_id in dict.fromkeys((*named.ends, *families)):
            # A rejected dependant who can't be identified could be anybody whom the file seems to omit.
            end = None if primary_id in named.unclear_families else named.ends.get(primary_id)
            primary = self._book.members.get(primary_id)
            is_clear = primary_id not in named.rejected_families and not (
                primary and (named.can_be_stranger(primary) or self._is_of_another(primary))
            )
            whole_from = self._whole_from if judged and is_clear else None
            for member_id, days in self._days.of_family(primary_id).items():
                if (primary_id, member_id) not in named.people:
                    yield from self._member(member_id, primary_id, days, end, whole_from)

    def _families_of_others(self) -> set[str]:
        """Returns the primaries of the families that only another sponsor's files know."""
        primaries = {key.primary_id for key in self._book.families if key.contract_id in self._contract_ids}
        known = (self._book.members.get(each) for each in primaries)
        return {each.member_id for each in known if each and self._is_of_another(each)}

    def _is_of_another(self, primary: BookMember) -> bool:
        systems = [each.system for each in primary.identifiers if each.system.startswith(SYSTEMS)]
        return bool(systems) and not any(each.startswith(self._own_systems) for each in systems)

    def _member(
        self,
        member_id: str,
        primary_id: str,
        days: Lookup[ModuleKey, DayRuns],
        end: SubscriberEnd | None,
        whole_from: date | None,
    ) -> Iterator[PlannedMember]:
        modules, findings = list[ModuleDays](), list[Finding]()
        for key, before in days.items():
            if key not in self._mapped:
                continue
            lost, kept = end.for_dependant(before, key, self._slot(key)) if end else (NO_DAYS, NO_DAYS)
            if lost:
                findings.append(_subscriber_ended(lost))
            reason = SUBSCRIBER_ENDED if lost else MISSING
            if whole_from and (missing := (before & DayRuns.since(whole_from)) - kept - lost):
                lost |= missing
                findings.append(_missing(whole_from))
            if lost:
                slot = self._book.contracts[key.contract_id].slots.get(key.module_id, "")
                modules.append(ModuleDays(*key, before, before - lost, slot, reason))
        if not modules:
            return
        changed = {(each.contract_id, each.module_id) for each in modules}
        others = [each for key, each in days.items() if key not in changed]
        stored = self._book.members.get(member_id)
        types = (family.membership_types.get(member_id) for family in self._days.families(primary_id))
        findings = list(dict.fromkeys(findings))
        yield PlannedMember(
            person=None,
            name=stored.display_name if stored else "",
            member_id=member_id,
            primary_id=primary_id,
            membership_type=next((each for each in types if each), ""),
            kind=kind_of(modules, others, self._today),
            statement="not named",
            modules=tuple(modules),
            findings=tuple(findings),
        )

    def _slot(self, key: ModuleKey) -> frozenset[ModuleKey]:
        """Returns the module and its slot mates."""
        if key not in self._slots:
            slots = self._book.contracts[key.contract_id].slots
            slot = slots.get(key.module_id)
            mates = (ModuleKey(key.contract_id, mate) for mate, other in slots.items() if slot and other == slot)
            self._slots[key] = frozenset((key, *mates))
        return self._slots[key]


def _subscriber_ended(lost: DayRuns) -> Finding:
    last_on = lost.runs[0].first_on - ONE_DAY
    return warning("SUBSCRIBER_ENDED", f"Coverage ends with the subscriber's, after {last_on}.")


def _missing(whole_from: date) -> Finding:
    message = f"The member is enrolled, but not in the full file. Coverage ends before {whole_from}."
    return warning("MEMBER_MISSING", message)


def _of_others(count: int) -> Finding:
    families = "1 family" if count == 1 else f"{count} families"
    message = (
        f"{families} under the contracts of the mapping kept their coverage, although the file doesn't name them: their"
        " subscribers only have numbers from files with another mapping (namespace)."
    )
    return warning("OTHER_SPONSORS_FAMILIES", message, loop="HEADER", element="BGN08")
