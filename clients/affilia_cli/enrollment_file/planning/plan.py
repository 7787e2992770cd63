"""The plan of an import: for each person of each family, the days before and after.

`planning.py` makes a plan, `applying/` applies it.
"""

from collections import Counter
from collections.abc import Iterator
from collections.abc import Mapping as Lookup
from dataclasses import dataclass, field
from enum import Enum

from affilia_cli.enrollment_file.book.day_runs import NO_DAYS, DayRuns
from affilia_cli.enrollment_file.findings import Finding
from affilia_cli.enrollment_file.people.people import Person
from affilia_cli.enrollment_file.reading.file import EnrollmentFile


class Kind(Enum):
    """The action planned for a member."""

    ADD = "add"
    CHANGE = "change"
    TERMINATE = "terminate"
    CANCEL = "cancel"
    REINSTATE = "reinstate"
    UNCHANGED = "unchanged"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True)
class ModuleDays:
    """The days of a member on one module, as in the book and as planned.

    `slot` is the module's slot, or empty. `reason_code` is sent with the changes. `unmet` are days that approved
    requests ask for, that rules don't allow now, and that the file doesn't state (`earlier_imports.py`).
    """

    contract_id: str
    module_id: str
    before: DayRuns
    after: DayRuns
    slot: str = ""
    reason_code: str = ""
    unmet: DayRuns = NO_DAYS

    @property
    def added(self) -> DayRuns:
        return self.after - self.before

    @property
    def removed(self) -> DayRuns:
        return self.before - self.after


@dataclass(frozen=True, slots=True)
class PlannedMember:
    """The plan for one person of one family.

    `person` is None for members whom the file doesn't name. `statement` says in words what the file says. `modules` are
    those that the file concerns, changed or not; all are unchanged if the member is rejected. `facts` are the kinds of
    facts to record, such as "date of birth". `notices` are the server's notices on an earlier import of this file.
    `reasons` explain a rejection.
    """

    person: Person | None
    name: str
    member_id: str
    primary_id: str
    membership_type: str
    kind: Kind
    statement: str
    modules: tuple[ModuleDays, ...] = ()
    facts: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()
    notices: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()

    @property
    def segment_number(self) -> int:
        """The number of the first loop's first segment, or 0 if the file doesn't name the member."""
        return self.person.loops[0].member.first_segment if self.person else 0

    @property
    def changes_days(self) -> bool:
        return any(each.before != each.after for each in self.modules)


@dataclass(frozen=True, slots=True)
class Plan:
    """The whole plan: members in file order, then those whom the file doesn't name. No finding is an error.

    `module_names` has the names of the contracts' modules by id, for people.
    """

    file: EnrollmentFile
    members: tuple[PlannedMember, ...]
    findings: tuple[Finding, ...]
    module_names: Lookup[str, str] = field(default_factory=dict)

    def counts(self) -> dict[Kind, int]:
        counted = Counter(member.kind for member in self.members)
        return {kind: counted[kind] for kind in Kind}

    def summary(self) -> str:
        """Returns how many members the plan changes in each way, such as "3 to change, 9 unchanged"."""
        words = {Kind.UNCHANGED: "unchanged", Kind.REJECTED: "rejected"}
        counts = ((count, words.get(kind, f"to {kind.value}")) for kind, count in self.counts().items())
        return ", ".join(f"{count} {word}" for count, word in counts if count) or "no members"

    def families(self) -> Iterator[tuple[str, list[PlannedMember]]]:
        """Yields the primary's id and the members of each family that has something to apply, in plan order."""
        families: dict[str, list[PlannedMember]] = {}
        for member in self.members:
            if member.kind not in (Kind.REJECTED, Kind.UNCHANGED):
                families.setdefault(member.primary_id, []).append(member)
        yield from families.items()
