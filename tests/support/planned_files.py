"""Enrollment files and books as plain values, to plan without segments and without a server.

Lines of coverage are names of modules: BASE and PLUS share a slot, DENTAL has none. Days are ISO texts. A period is a
text such as "2026-01-01.." or "2026-01-01..2026-06-30", as in `files.md`.
"""

from collections.abc import Iterable, Sequence
from collections.abc import Mapping as Lookup
from dataclasses import replace
from datetime import date
from uuid import UUID

from affilia_cli.enrollment_file.book.book import (
    Book,
    BookContract,
    BookFamily,
    BookMember,
    EnrollmentKey,
    FamilyKey,
)
from affilia_cli.enrollment_file.book.day_runs import DayRuns
from affilia_cli.enrollment_file.codes import RELATIONS
from affilia_cli.enrollment_file.coverage_mapping import CoverageMapping
from affilia_cli.enrollment_file.mapping import DependantNumber, Mapping, Starts
from affilia_cli.enrollment_file.people.people import Person, PersonLoop
from affilia_cli.enrollment_file.planning.plan import Plan, PlannedMember
from affilia_cli.enrollment_file.planning.planning import plan_people
from affilia_cli.enrollment_file.reading.file import (
    Coverage,
    EnrollmentFile,
    Envelope,
    FileMember,
    Party,
    TransactionSet,
)
from tests.support.builders import an_id

TODAY = date(2026, 3, 1)
STARTS_ON = date(2025, 1, 1)
CONTRACT = str(an_id("contract"))
SLOTS = {"BASE": "base", "PLUS": "base", "DENTAL": "", "COBRA": ""}
MODULES = {line: str(an_id(line)) for line in SLOTS}
LINES = {module_id: line for line, module_id in MODULES.items()}
ANN, BOB, CID = (str(UUID(int=n)) for n in (1, 2, 3))
"""A subscriber and two dependants, a partner and a child."""
TYPES = {ANN: "PRIMARY", BOB: "PARTNER", CID: "CHILD"}
NAMES = {ANN: "ANN", BOB: "BOB", CID: "CID"}

BOOK_CONTRACT = BookContract(
    contract_id=CONTRACT,
    sponsor_id="ACME",
    time_zone="America/New_York",
    starts_on=STARTS_ON,
    slots={MODULES[line]: slot for line, slot in SLOTS.items() if slot},
    module_names={module_id: line.title() for module_id, line in LINES.items()},
)
MAPPING = Mapping(
    namespace=UUID(int=9),
    sponsor="123456789",
    coverages=(
        *(CoverageMapping(line, "", "", CONTRACT, MODULES[line]) for line in ("BASE", "PLUS", "DENTAL")),
        CoverageMapping("BASE", "", "", CONTRACT, MODULES["COBRA"], benefit_status="C"),
    ),
    relations=RELATIONS,
    dependant_number=DependantNumber.SUBSCRIBER,
    country="US",
)
FOLLOWING = replace(MAPPING, starts=Starts.FOLLOW)


def a_day(text: str) -> date | None:
    return date.fromisoformat(text) if text else None


def days_of(text: str) -> DayRuns:
    """Returns the days of periods, separated by commas."""
    return DayRuns.of(_run(period) for period in text.split(",") if period.strip())


def _run(period: str) -> tuple[date, date]:
    first_on, _, last_on = period.partition("..")
    return date.fromisoformat(first_on.strip()), a_day(last_on.strip()) or date.max


def in_words(days: DayRuns) -> str:
    """Returns days as the text that `days_of` reads."""
    return ", ".join(f"{run.first_on}.." + ("" if run.is_open else f"{run.last_on}") for run in days)


def a_coverage(
    maintenance: str = "021", line: str = "BASE", begins: str = "", ends: str = "", *, level: str = "", at: int = 10
) -> Coverage:
    return Coverage(at, maintenance, line, "", level, a_day(begins), a_day(ends), ())


def stated(maintenance: str, period: str, line: str = "BASE") -> Coverage:
    """Returns a coverage for a period."""
    begins, _, ends = period.partition("..")
    return a_coverage(maintenance, line, begins.strip(), ends.strip())


def a_member(
    *coverages: Coverage,
    maintenance: str = "",
    relation: str = "18",
    reason: str = "",
    status: str = "A",
    dates: Lookup[str, str] | None = None,
    born: str = "1980-05-15",
    died: str = "",
    at: int = 8,
) -> FileMember:
    """Returns an INS loop. Its maintenance is that of the first coverage if that is one of members, otherwise 001."""
    default = next((each.maintenance for each in coverages), "001")
    return FileMember(
        first_segment=at,
        last_segment=at + 9,
        is_subscriber=relation == "18",
        relation=relation,
        maintenance=maintenance or (default if default in ("021", "024", "025", "030") else "001"),
        reason=reason,
        benefit_status=status,
        employment_status="FT",
        references=(("0F", "S1"),),
        dates=tuple((qualifier, date.fromisoformat(day)) for qualifier, day in (dates or {}).items()),
        last_name="DOE",
        first_name="ANN",
        middle_name="",
        person_number="",
        born_on=a_day(born),
        address=None,
        coverages=coverages,
        died_on=a_day(died),
    )


def a_set(*members: FileMember, action: str = "2", effective: str = "") -> TransactionSet:
    party = Party("SPONSOR", "123456789")
    return TransactionSet("0001", "00", "R", action, a_day(effective), party, Party(), members)


def a_file(*sets: TransactionSet) -> EnrollmentFile:
    return EnrollmentFile(Envelope("SENDER", "RECEIVER", "000000001", "1", "P"), sets, "d" * 64, ())


def a_person(
    sets: Iterable[TransactionSet],
    *members: FileMember,
    member_id: str = ANN,
    subscriber: FileMember | None = None,
    is_new: bool = False,
    primary_id: str = ANN,
) -> Person:
    """Returns a person with their loops in the sets. `subscriber` is the subscriber's loop for all loops."""
    of_sets = [(member, each) for each in sets for member in each.members]
    loops = tuple(PersonLoop(member, of, subscriber) for member, of in of_sets if any(member is m for m in members))
    return Person(loops, member_id, primary_id, TYPES.get(member_id, "CHILD"), is_new, frozenset(), ())


def a_book(
    days: Lookup[tuple[str, str], str] | None = None,
    *,
    born: Lookup[str, date] | None = None,
    died: Lookup[str, date] | None = None,
) -> Book:
    """Returns a book with Ann's family. `days` are by member and line."""
    runs = {(member, line): days_of(text) for (member, line), text in (days or {}).items()}
    return book_of(runs, born=born, died=died)


def book_of(
    runs: Lookup[tuple[str, str], DayRuns],
    *,
    born: Lookup[str, date] | None = None,
    died: Lookup[str, date] | None = None,
) -> Book:
    key = FamilyKey(CONTRACT, ANN)
    enrolled = {member for member, _ in runs}
    family = BookFamily(
        key,
        group_id=str(UUID(int=77)),
        revision=1,
        days={EnrollmentKey(member, MODULES[line]): each for (member, line), each in runs.items()},
        membership_types={member: TYPES[member] for member in enrolled},
    )
    members = {
        member: BookMember(member, NAMES[member], (born or {}).get(member), (died or {}).get(member), ())
        for member in {*enrolled, ANN}
    }
    return Book({CONTRACT: BOOK_CONTRACT}, {key: family} if runs else {}, members, {})


def plan_for(
    people: Sequence[Person],
    sets: Sequence[TransactionSet],
    book: Book,
    *,
    mapping: Mapping = MAPPING,
    today: date = TODAY,
    facts: tuple[str, ...] = (),
) -> Plan:
    return plan_people(people, a_file(*sets), mapping, book, today, lambda person, employer_id: facts)


def plan_ann(
    sets: Sequence[TransactionSet], days: Lookup[str, str], *, mapping: Mapping = MAPPING, today: date = TODAY
) -> PlannedMember:
    """Returns the plan for Ann, whose loops are all those of the sets, with days by line in the book."""
    book = a_book({(ANN, line): text for line, text in days.items()})
    ann = a_person(sets, *(member for each in sets for member in each.members))
    return plan_for([ann], sets, book, mapping=mapping, today=today).members[0]


def days_after(planned: PlannedMember, before: Lookup[str, str]) -> dict[str, str]:
    """Returns the days after a plan by line, including modules that aren't in the plan."""
    after = {line: days_of(text) for line, text in before.items()}
    after |= {LINES[each.module_id]: each.after for each in planned.modules}
    return {line: in_words(days) for line, days in after.items() if days}


def codes_of(planned: PlannedMember) -> list[str]:
    return [finding.code for finding in planned.findings]
