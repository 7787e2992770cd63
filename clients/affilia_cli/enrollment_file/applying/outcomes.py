"""The outcome for each member of a file: what the file says, the days before and after, and what the server decided."""

from collections.abc import Iterable, Iterator
from collections.abc import Mapping as Lookup
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

from affilia_cli.enrollment_file.book.book import EnrollmentKey
from affilia_cli.enrollment_file.book.day_runs import DayRuns
from affilia_cli.enrollment_file.planning.plan import Kind, ModuleDays, PlannedMember


class Outcome(Enum):
    """The outcome for a member.

    PLANNED: nothing was requested, because the plan wasn't confirmed or the import ended before. FAILED: a call failed.
    """

    ACCEPTED = "accepted"
    ACCEPTED_WITH_NOTICES = "accepted with notices"
    REJECTED = "rejected"
    UNCHANGED = "unchanged"
    FAILED = "failed"
    PLANNED = "planned"


class Cover(NamedTuple):
    """The days of a member on one module."""

    module_id: str
    module_name: str
    days: DayRuns

    def __str__(self) -> str:
        return f"{self.module_name} {self.days}"


@dataclass(frozen=True, slots=True)
class MemberOutcome:
    """One line of a report.

    `reasons` explain a rejection or failure. `notices` are for information; they include the warnings about the member.
    `statement` says in words what the file says. `days_before` and `days_after` are those on the modules that the file
    concerns. After an applied import, `days_after` are those that the server reported after the family's last request.
    """

    segment_number: int
    name: str
    member_id: str
    planned: Kind
    outcome: Outcome
    reasons: tuple[str, ...]
    notices: tuple[str, ...]
    statement: str = ""
    days_before: tuple[Cover, ...] = ()
    days_after: tuple[Cover, ...] = ()

    def changed_days(self) -> Iterator[tuple[str, DayRuns, DayRuns]]:
        """Yields the name of each module whose days differ, with the days before and after."""
        before, after = ({each.module_id: each for each in side} for side in (self.days_before, self.days_after))
        for module_id, cover in {**before, **after}.items():
            was, now = (side[module_id].days if module_id in side else DayRuns() for side in (before, after))
            if was != now:
                yield cover.module_name, was, now


GroupDays = Lookup[EnrollmentKey, DayRuns]
"""The days of a group after its last request."""


def final_outcome(
    member: PlannedMember, names: Lookup[str, str], groups: Lookup[str, GroupDays] | None = None
) -> MemberOutcome | None:
    """Returns the outcome of a member for whom nothing is sent, or None if requests are to be sent."""
    outcome = {Kind.REJECTED: Outcome.REJECTED, Kind.UNCHANGED: Outcome.UNCHANGED}.get(member.kind)
    return outcome_of(member, outcome, names, groups=groups) if outcome else None


def planned_outcome(member: PlannedMember, names: Lookup[str, str]) -> MemberOutcome:
    """Returns the outcome of a member as long as nothing is applied."""
    return final_outcome(member, names) or outcome_of(member, Outcome.PLANNED, names)


def outcome_of(
    member: PlannedMember,
    outcome: Outcome,
    names: Lookup[str, str],
    reasons: Iterable[str] = (),
    notices: Iterable[str] = (),
    groups: Lookup[str, GroupDays] | None = None,
) -> MemberOutcome:
    """Returns a line of the report with the reasons and notices of the plan and of its application.

    `names` has the names of modules. `groups` has the days that the server reported, by contract.
    """
    warnings = [str(finding) for finding in member.findings if not finding.is_error]
    all_notices = tuple(dict.fromkeys((*warnings, *member.notices, *notices)))
    all_reasons = tuple(dict.fromkeys((*member.reasons, *reasons)))
    if outcome is Outcome.ACCEPTED and (all_notices or all_reasons):
        outcome = Outcome.ACCEPTED_WITH_NOTICES
    applies = outcome in (Outcome.ACCEPTED, Outcome.ACCEPTED_WITH_NOTICES, Outcome.PLANNED)

    def after(days: ModuleDays) -> DayRuns:
        reported = (groups or {}).get(days.contract_id)
        if reported is not None:
            return reported.get(EnrollmentKey(member.member_id, days.module_id), DayRuns())
        return days.after if applies else days.before

    return MemberOutcome(
        member.segment_number,
        member.name,
        member.member_id,
        member.kind,
        outcome,
        all_reasons,
        all_notices,
        member.statement,
        _covers(((each, each.before) for each in member.modules), names),
        _covers(((each, after(each)) for each in member.modules), names),
    )


def _covers(modules: Iterable[tuple[ModuleDays, DayRuns]], names: Lookup[str, str]) -> tuple[Cover, ...]:
    return tuple(
        Cover(each.module_id, names.get(each.module_id) or each.module_id, days) for each, days in modules if days
    )
