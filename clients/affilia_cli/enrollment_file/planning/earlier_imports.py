"""Takes into account what earlier requests of a family already asked for, so that nothing is requested twice.

The note of every change identifies its file (`file_mark`). If an earlier import of the same file requested changes of a
member, this import plans none, whatever happened since. If it had nothing to request for a member, this import plans
none if others have changed the member's cover since. So an old file never undoes later changes.

Days that approved requests ask for and that rules don't allow now aren't requested again either: they take effect when
the rules allow them.
"""

from collections.abc import Iterable, Iterator
from collections.abc import Mapping as Lookup
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime

from affilia.enrollment.v1.change_request_pb2 import VERDICT_APPROVED, ChangeRequest, Consequence, Leave, UnmetEnroll
from affilia_cli.enrollment_file.book.batched_calls import batches
from affilia_cli.enrollment_file.book.book import Book, BookContract, BookFamily, EnrollmentKey, FamilyKey
from affilia_cli.enrollment_file.book.day_runs import DayRuns
from affilia_cli.enrollment_file.book.periods import days_of
from affilia_cli.enrollment_file.findings import Finding, ServerStateUnreadable, warning
from affilia_cli.enrollment_file.mapping import Mapping
from affilia_cli.enrollment_file.planning.first_import import first_imported_at, has_mark
from affilia_cli.enrollment_file.planning.kinds import is_reinstated, kind_of
from affilia_cli.enrollment_file.planning.plan import Kind, ModuleDays, Plan, PlannedMember
from affilia_cli.enrollment_file.planning.verdicts import (
    describe_notice,
    describe_violation,
)
from affilia_cli.enrollment_file.reading.file import EnrollmentFile
from affilia_client import CallFailed, Client

MAX_CONCURRENT_FAMILIES = 16
BATCH = 1024
"""Number of families for which calls are queued."""
PAGE_SIZE = 1000
CALL_SECONDS = 60.0


def file_mark(file: EnrollmentFile) -> str:
    """Returns the note of every change. It identifies the file, even if another has the same control numbers."""
    envelope = file.envelope
    return f"834 {envelope.interchange_number}/{envelope.group_number} {file.digest[:16]}"


def with_earlier_imports(plan: Plan, mapping: Mapping, book: Book, today: date, client: Client) -> Plan:
    """Returns the plan without what earlier requests already ask for.

    Reads the requests of families that the plan changes. Raises ServerStateUnreadable if a call fails.
    """
    members = list(plan.members)
    changed = _changed(members)

    def adjusted(family: tuple[str, list[int]]) -> Iterable[tuple[int, PlannedMember]]:
        primary_id, positions = family
        earlier = reader.read(primary_id, [members[i] for i in positions])
        return [(i, adjust(members[i], earlier, today)) for i in positions] if earlier else []

    try:
        reader = _FamilyReader(client, plan.file, mapping, book, finds_first_import=bool(changed))
        with ThreadPoolExecutor(MAX_CONCURRENT_FAMILIES) as pool:
            for batch in batches(changed.items(), BATCH):
                for found in pool.map(adjusted, batch):
                    for i, member in found:
                        members[i] = member
    except CallFailed as failed:
        message = f"Can't read earlier requests from the server: {failed}"
        raise ServerStateUnreadable(message) from failed
    return replace(plan, members=tuple(members))


def _changed(members: Iterable[PlannedMember]) -> dict[str, list[int]]:
    """Returns the positions of the members whom the plan changes and the book knows, by primary."""
    families: dict[str, list[int]] = {}
    for i, member in enumerate(members):
        is_new = member.person is not None and member.person.is_new
        if not is_new and (member.changes_days or member.facts):
            families.setdefault(member.primary_id, []).append(i)
    return families


@dataclass(frozen=True, slots=True)
class EarlierRequests:
    """The requests of the same file in one family, and the enrolls of all requests that rules don't allow now.

    `later` are the approved requests of others since the file was imported first, for anybody.
    `contract` is the family's contract. `merged` has the remaining id for each merged one; requests have the ids that
    they were submitted with.
    """

    contract: BookContract
    family: BookFamily
    of_file: tuple[ChangeRequest, ...]
    unmet: tuple[UnmetEnroll, ...] = ()
    merged: Lookup[str, str] = field(default_factory=dict)
    later: tuple[ChangeRequest, ...] = ()

    def approved(self, member_id: str) -> list[ChangeRequest]:
        """Returns the approved requests of this file that change a member."""
        return [each for each in self._about(member_id) if each.verdict == VERDICT_APPROVED]

    def were_changed_later(self, member_id: str) -> bool:
        """Returns whether others have changed a member's cover since the file was imported first."""
        concerned = (
            self._remaining(each)
            for request in self.later
            for each in (
                *(change.enroll.member_id or change.leave.member_id for change in request.changes),
                *(consequence.member_id for consequence in request.consequences),
            )
        )
        return member_id in concerned

    def rejections(self, member_id: str) -> list[str]:
        """Returns why requests of this file were rejected because of a member."""
        violations = (violation for each in self._about(member_id) for violation in each.violations)
        return [describe_violation(each) for each in violations if self._remaining(each.member_id) == member_id]

    def notices(self, member_id: str) -> list[str]:
        """Returns the notices of approved requests of this file on a member."""
        notices = (notice for each in self.approved(member_id) for notice in each.notices)
        return [describe_notice(each) for each in notices if self._remaining(each.member_id) == member_id]

    def unmet_enrolls(self, key: EnrollmentKey) -> list[UnmetEnroll]:
        """Returns the enrolls of all approved requests that rules don't allow now."""
        return [each for each in self.unmet if self._key(each) == key]

    def unmet_days(self, key: EnrollmentKey) -> DayRuns:
        """Returns the days that approved requests ask for, on which the member isn't covered."""
        return days_of(span for each in self.unmet_enrolls(key) for span in each.days)

    def days_left(self, key: EnrollmentKey) -> DayRuns:
        """Returns the days that approved requests of this file took from an enrollment."""
        changes = (each for request in self.approved(key.member_id) for each in request.changes)
        leaves = (each.leave for each in changes if each.HasField("leave"))
        return days_of(each.days for each in leaves if self._key(each) == key)

    def days_given_up(self, key: EnrollmentKey) -> DayRuns:
        """Returns the days that the member lost as a consequence of this file."""
        approved = (each for each in self.of_file if each.verdict == VERDICT_APPROVED)
        consequences = (each for request in approved for each in request.consequences)
        return days_of(each.days for each in consequences if self._key(each) == key)

    def days_on_other_modules(self, member: PlannedMember) -> Iterator[DayRuns]:
        """Yields the member's days on modules that aren't in the plan."""
        planned = {each.module_id for each in member.modules if each.contract_id == self.family.key.contract_id}
        for key, days in self.family.days.items():
            if key.member_id == member.member_id and key.module_id not in planned:
                yield days

    def _about(self, member_id: str) -> Iterator[ChangeRequest]:
        for request in self.of_file:
            named = {self._remaining(each.enroll.member_id or each.leave.member_id) for each in request.changes}
            if member_id in named:
                yield request

    def _key(self, enrollment: UnmetEnroll | Consequence | Leave) -> EnrollmentKey:
        return EnrollmentKey(self._remaining(enrollment.member_id), enrollment.module_id)

    def _remaining(self, member_id: str) -> str:
        return self.merged.get(member_id, member_id)


class _FamilyReader:
    """Reads the earlier requests of families. Thread-safe."""

    def __init__(
        self, client: Client, file: EnrollmentFile, mapping: Mapping, book: Book, *, finds_first_import: bool
    ) -> None:
        self._client = client
        self._mark = file_mark(file)
        self._contract_ids = mapping.contract_ids
        self._book = book
        self._imported_at: datetime | None = None
        if finds_first_import:
            created_on = file.envelope.created_on
            self._imported_at = first_imported_at(client, mapping.contract_ids, self._mark, created_on)

    def read(self, primary_id: str, members: Iterable[PlannedMember]) -> dict[str, EarlierRequests]:
        """Returns the earlier requests by contract id, for the families of a primary that the book has."""
        members = tuple(members)
        keys = (FamilyKey(contract_id, primary_id) for contract_id in self._contract_ids)
        families = [self._book.families[key] for key in keys if key in self._book.families]
        return {family.key.contract_id: self._read(family, members) for family in families}

    def _read(self, family: BookFamily, members: tuple[PlannedMember, ...]) -> EarlierRequests:
        of_file, later = list[ChangeRequest](), list[ChangeRequest]()
        for request in self._client.changes.all_change_requests(
            group_id=family.group_id, page_size=PAGE_SIZE, timeout=CALL_SECONDS
        ):
            if has_mark(request, self._mark):
                of_file.append(request)
            elif self._is_later(request):
                later.append(request)
        contract_id = family.key.contract_id
        can_be_unmet = any(
            each.contract_id == contract_id and each.before != each.after
            for member in members
            for each in member.modules
        )
        contract = self._book.contracts[contract_id]
        if not can_be_unmet:
            return EarlierRequests(contract, family, tuple(of_file), (), self._book.merged, tuple(later))
        # A dry run reports the enrolls that rules don't allow now, and stores nothing.
        dry_run = self._client.changes.request_recompute(group_id=family.group_id, dry_run=True, timeout=CALL_SECONDS)
        unmet = tuple(dry_run.unmet_enrolls)
        return EarlierRequests(contract, family, tuple(of_file), unmet, self._book.merged, tuple(later))

    def _is_later(self, request: ChangeRequest) -> bool:
        return (
            self._imported_at is not None
            and request.verdict == VERDICT_APPROVED
            and request.recorded_at.ToDatetime(UTC) > self._imported_at
        )


def adjust(member: PlannedMember, earlier: Lookup[str, EarlierRequests], today: date) -> PlannedMember:
    """Returns the plan for a member without what earlier requests, by contract id, already ask for."""
    adjusted = _Adjusted(member, earlier)
    facts = () if adjusted.was_requested else member.facts
    is_kept = member.person is None and all(each.before == each.after for each in adjusted.modules)
    kind = kind_of(
        adjusted.modules,
        [days for requests in earlier.values() for days in requests.days_on_other_modules(member)],
        today,
        reinstates=member.person is not None and is_reinstated(member.person),
        has_facts=bool(facts),
    )
    return replace(
        member,
        kind=Kind.REJECTED if kind is Kind.UNCHANGED and adjusted.reasons else kind,
        modules=tuple(adjusted.modules),
        facts=facts,
        # The findings about somebody whom the file omits say that cover ends.
        findings=(*(() if is_kept else member.findings), *adjusted.findings),
        notices=tuple(dict.fromkeys((*member.notices, *adjusted.notices))),
        reasons=tuple(dict.fromkeys((*member.reasons, *adjusted.reasons))),
    )


class _Adjusted:
    """The modules of a planned member after earlier requests, and what these say about the member."""

    def __init__(self, member: PlannedMember, earlier: Lookup[str, EarlierRequests]) -> None:
        self.modules: list[ModuleDays] = []
        self.findings: list[Finding] = []
        self.notices: list[str] = []
        self.reasons: list[str] = []
        self.was_requested = False
        self._member_id = member.member_id
        for requests in earlier.values():
            self._add_verdicts(requests)
        for module in member.modules:
            changed = module.before != module.after
            found = earlier.get(module.contract_id) if changed else None
            self.modules.append(self._module(module, found) if found is not None else module)

    def _add_verdicts(self, requests: EarlierRequests) -> None:
        approved, rejections = requests.approved(self._member_id), requests.rejections(self._member_id)
        self.was_requested = self.was_requested or bool(approved or rejections)
        if approved:
            self.notices += requests.notices(self._member_id)
        else:
            self.reasons += rejections

    def _module(self, planned: ModuleDays, requests: EarlierRequests) -> ModuleDays:
        key = EnrollmentKey(self._member_id, planned.module_id)
        unmet = requests.unmet_days(key) - planned.before
        module = replace(planned, after=planned.after - unmet, unmet=unmet - planned.after)
        if requests.approved(self._member_id):
            if since := (module.added | module.removed & requests.days_left(key)) - requests.days_given_up(key):
                self.findings.append(_changed_since(requests.contract, module, since))
        elif planned.after & unmet:
            self.notices += map(describe_notice, requests.unmet_enrolls(key))
        if requests.approved(self._member_id) or requests.rejections(self._member_id):
            return replace(module, after=module.before)
        if module.before != module.after and requests.were_changed_later(self._member_id):
            self.findings.append(_changed_since(requests.contract, module, module.added | module.removed))
            return replace(module, after=module.before)
        return module


def _changed_since(contract: BookContract, module: ModuleDays, days: DayRuns) -> Finding:
    name = contract.module_names.get(module.module_id) or f"module {module.module_id}"
    message = (
        f"This file was applied before. Since then, days that it states for {name} were changed: {days}. They stay as"
        " they are. If the file is right, the sponsor must send a new one."
    )
    return warning("CHANGED_SINCE", message)
