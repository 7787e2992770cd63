"""Plans the import of a file: for each person, the days before and after, as a pure function of file, mapping and book.

What an earlier import of the same file requested is taken into account afterwards, by `earlier_imports.py`.
"""

import sys
from collections.abc import Callable, Iterable
from collections.abc import Mapping as Lookup
from dataclasses import replace
from datetime import date
from typing import TypeAlias

from affilia_cli.enrollment_file import codes
from affilia_cli.enrollment_file.book.book import Book
from affilia_cli.enrollment_file.book.day_runs import NO_DAYS, DayRuns
from affilia_cli.enrollment_file.findings import Finding, error
from affilia_cli.enrollment_file.mapping import Mapping, Starts
from affilia_cli.enrollment_file.people.facts import planned_fact_kinds
from affilia_cli.enrollment_file.people.identifying import identify
from affilia_cli.enrollment_file.people.people import Person
from affilia_cli.enrollment_file.planning.kinds import is_reinstated, kind_of
from affilia_cli.enrollment_file.planning.loop_conventions import reason_code
from affilia_cli.enrollment_file.planning.member_days import MemberDays
from affilia_cli.enrollment_file.planning.plan import Kind, ModuleDays, Plan, PlannedMember
from affilia_cli.enrollment_file.planning.planned_days import PlannedDays, Scope, plan_days
from affilia_cli.enrollment_file.planning.stated_days import ModuleKey
from affilia_cli.enrollment_file.planning.statements import PersonStatements, statements_of
from affilia_cli.enrollment_file.planning.unnamed import MISSING, NamedPeople, SubscriberEnd, UnnamedPlanner
from affilia_cli.enrollment_file.planning.wording import statement_in_words
from affilia_cli.enrollment_file.reading.file import EnrollmentFile, TransactionSet

FactKinds: TypeAlias = Callable[[Person, str], tuple[str, ...]]
"""Returns the kinds of facts to record for a person whose employer is the given one, such as "date of birth"."""


def make_plan(file: EnrollmentFile, mapping: Mapping, book: Book, today: date) -> Plan:
    """Returns the plan for a file of the mapping's sponsor."""
    people = identify(file, mapping, book)
    return plan_people(people, file, mapping, book, today, planned_fact_kinds(mapping, book, today))


def plan_people(
    people: Iterable[Person], file: EnrollmentFile, mapping: Mapping, book: Book, today: date, fact_kinds: FactKinds
) -> Plan:
    """Returns the plan for the people of a file, and for those whom it omits.

    A full file states everybody from its effective day (DTP 007) or from `today` on, whichever is later.
    """
    named = NamedPeople()
    planner = _Planner(mapping, book, today, fact_kinds, named)
    members = planner.plan(tuple(people))
    unnamed = UnnamedPlanner(book, mapping, whole_from(file.transactions, today), today)
    return Plan(
        file=file,
        members=(*members, *unnamed.plan(named)),
        findings=(*file.envelope_findings(), *unnamed.findings(named)),
    )


def whole_from(transactions: Iterable[TransactionSet], today: date) -> date | None:
    """Returns the day from which the sets speak for everybody, or None if they aren't those of a full file."""
    whole = [each for each in transactions if each.action in codes.FULL_FILES]
    return max([today, *(each.effective_on for each in whole if each.effective_on)]) if whole else None


def _employer(modules: Iterable[ModuleKey], mapping: Mapping, book: Book) -> str:
    contract_id = next((each.contract_id for each in modules), mapping.contract_ids[0])
    return book.contracts[contract_id].sponsor_id


class _Planner:
    """Plans the people of a file. Whom it names is collected in `named`."""

    def __init__(self, mapping: Mapping, book: Book, today: date, fact_kinds: FactKinds, named: NamedPeople) -> None:
        self._mapping = mapping
        self._mapped = frozenset(ModuleKey(each.contract_id, each.module_id) for each in mapping.coverages)
        self._book = book
        self._days = MemberDays(book, mapping)
        self._today = today
        self._fact_kinds = fact_kinds
        self._named = named
        self._rejected_loops: set[int] = set()
        self._unknown_primaries: set[str] = set()

    def plan(self, people: tuple[Person, ...]) -> list[PlannedMember]:
        """Returns the plans in the same order."""
        # By family, and the subscriber first: whether dependants are rejected can depend on the subscriber.
        order = sorted(range(len(people)), key=lambda i: (people[i].primary_id, not _is_subscriber(people[i])))
        planned = {i: self._plan(people[i]) for i in order}
        return [planned[i] for i in range(len(people))]

    def _plan(self, person: Person) -> PlannedMember:
        if person.is_rejected:
            return self._rejected(person, person.findings)
        if finding := self._subscriber_rejected(person):
            return self._rejected(person, (*person.findings, finding))
        before = self._days.of(person.member_id, person.primary_id)
        stated = statements_of(person, self._mapping, self._book, before)
        if any(finding.is_error for finding in stated.findings):
            return self._rejected(person, (*person.findings, *stated.findings))
        days = plan_days(before, stated.modules, self._slot, self._mapped, self._scope(person, stated))
        findings = tuple(dict.fromkeys((*person.findings, *stated.findings, *days.findings)))
        if any(finding.is_error for finding in findings):
            return self._rejected(person, findings)
        self._named.add(person, rejected=False)
        if days.ended:
            self._named.ends[person.primary_id] = SubscriberEnd(days.ended, days.after)
        return self._accepted(person, before, stated, days, findings)

    def _accepted(
        self,
        person: Person,
        before: Lookup[ModuleKey, DayRuns],
        stated: PersonStatements,
        days: PlannedDays,
        findings: tuple[Finding, ...],
    ) -> PlannedMember:
        modules = tuple(
            ModuleDays(
                key.contract_id,
                key.module_id,
                before.get(key, NO_DAYS),
                after,
                self._slot(key),
                self._reason(key, person, stated),
            )
            for key, after in days.after.items()
            if key in stated.modules or after != before.get(key, NO_DAYS)
        )
        facts = self._fact_kinds(person, _employer((*stated.modules, *before), self._mapping, self._book))
        concerned = {ModuleKey(each.contract_id, each.module_id) for each in modules}
        kind = kind_of(
            modules,
            (each for key, each in before.items() if key not in concerned),
            self._today,
            is_new=person.is_new,
            reinstates=is_reinstated(person),
            has_facts=bool(facts),
        )
        return replace(self._described(person), kind=kind, modules=modules, facts=facts, findings=findings)

    def _rejected(self, person: Person, findings: tuple[Finding, ...]) -> PlannedMember:
        self._named.add(person, rejected=True)
        self._rejected_loops.update(loop.member.first_segment for loop in person.loops)
        if _is_subscriber(person) and person.is_new:
            self._unknown_primaries.add(person.primary_id)
        reasons = tuple(str(finding) for finding in findings if finding.is_error)
        return replace(self._described(person), findings=findings, reasons=reasons)

    def _described(self, person: Person) -> PlannedMember:
        return PlannedMember(
            person=person,
            name=person.loops[-1].member.display_name,
            member_id=person.member_id,
            primary_id=person.primary_id,
            membership_type=person.membership_type,
            kind=Kind.REJECTED,
            statement=sys.intern(statement_in_words(person)),
        )

    def _subscriber_rejected(self, person: Person) -> Finding | None:
        """Returns why a dependant is rejected with the subscriber: the group can't exist, or cover can't be shared."""
        member = person.loops[0].member
        if _is_subscriber(person):
            return None
        if person.primary_id in self._unknown_primaries:
            message = "The subscriber is rejected."
            return error("SUBSCRIBER_REJECTED", message, member.first_segment, "2000", "INS01")
        if any(
            loop.subscriber and loop.subscriber.first_segment in self._rejected_loops and not loop.member.coverages
            for loop in person.loops
        ):
            message = "The dependant has no coverage, and the subscriber whose coverage could be shared is rejected."
            return error("SUBSCRIBER_REJECTED", message, member.first_segment, "2000", "INS")
        return None

    def _scope(self, person: Person, stated: PersonStatements) -> Scope:
        follows = self._mapping.starts is Starts.FOLLOW
        # Someone about whose cover the file says nothing keeps it, even if the file is whole.
        transactions = [loop.transaction for loop in person.loops] if stated.mentions_cover else []
        return Scope(whole_from(transactions, self._today), follows)

    def _reason(self, key: ModuleKey, person: Person, stated: PersonStatements) -> str:
        """Returns the reason code of changes on a module. One that no loop names has lost its slot, or is omitted."""
        if key in stated.modules:
            return stated.modules[key].reason_code
        slot = self._slot(key)
        if slot and any((each.contract_id, self._slot(each)) == (key.contract_id, slot) for each in stated.modules):
            return reason_code(person.loops[-1].member)
        return MISSING

    def _slot(self, key: ModuleKey) -> str:
        return self._book.contracts[key.contract_id].slots.get(key.module_id, "")


def _is_subscriber(person: Person) -> bool:
    return person.loops[0].member.is_subscriber
