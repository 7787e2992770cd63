"""Reads the book through the server's public calls: few of them, with many members each.

Responses are converted to small values immediately, and equal ids and days are stored once, because a contract can have
hundreds of thousands of enrollments.
"""

from collections.abc import Iterable, Iterator
from itertools import chain

from affilia.catalog.v1 import member_pb2, member_service_pb2
from affilia.enrollment.v1.enrollment_group_pb2 import EnrollmentGroup
from affilia_cli.enrollment_file import codes
from affilia_cli.enrollment_file.book.batched_calls import in_batches, read_members
from affilia_cli.enrollment_file.book.book import (
    Book,
    BookContract,
    BookFamily,
    BookMember,
    EnrollmentKey,
    FamilyKey,
    SystemValue,
)
from affilia_cli.enrollment_file.book.day_runs import DayRuns, Run
from affilia_cli.enrollment_file.book.periods import run_of, type_name
from affilia_cli.enrollment_file.findings import ServerStateUnreadable
from affilia_cli.enrollment_file.mapping import Mapping
from affilia_cli.enrollment_file.people.family_loops import FamilyLoop, family_loops
from affilia_cli.enrollment_file.people.member_numbers import (
    derived_ids,
    earlier_identifiers_of,
    family_identifiers,
    identifiers_of,
    ids_derived_from_name,
)
from affilia_cli.enrollment_file.reading.file import EnrollmentFile, FileMember
from affilia_client import CallFailed, Client
from affilia_client.dates import date_from_proto

CALL_SECONDS = 30
PAGE_SIZE = 1000


def read_book(client: Client, mapping: Mapping, file: EnrollmentFile) -> Book:
    """Returns the contracts of a mapping with all their families, and the members whom a file can mean.

    Raises ServerStateUnreadable if a call fails.
    """
    reader = _Reader(client, mapping, file)
    try:
        reader.read_contracts()
        reader.read_numbers()
        reader.read_families_of_unknown_dependants()
        reader.read_names_of_unnamed_members()
    except CallFailed as failed:
        raise ServerStateUnreadable(f"Can't read members and enrollments from the server: {failed}") from failed
    return reader.book


class _Reader:
    def __init__(self, client: Client, mapping: Mapping, file: EnrollmentFile) -> None:
        self._client = client
        self._mapping = mapping
        self._file = file
        self._contracts: dict[str, BookContract] = {}
        self._families: dict[FamilyKey, BookFamily] = {}
        self._members: dict[str, BookMember] = {}
        self._member_ids: dict[SystemValue, str] = {}
        self._merged: dict[str, str] = {}
        self._ids: dict[str, str] = {}
        self._days: dict[tuple[Run, ...], DayRuns] = {}
        self._identifiers: dict[SystemValue, SystemValue] = {}

    @property
    def book(self) -> Book:
        # Somebody can have been merged after the identifiers were resolved.
        member_ids = {each: self._merged.get(member_id, member_id) for each, member_id in self._member_ids.items()}
        return Book(self._contracts, self._families, self._members, member_ids, self._merged)

    # ---------------------------------------------------------------------------------- contracts and families

    def read_contracts(self) -> None:
        for contract_id in self._mapping.contract_ids:
            contract = self._client.catalog.get_contract(contract_id=contract_id, timeout=CALL_SECONDS).contract
            modules = [module for version in contract.versions for module in version.modules]
            slots = {module.module_id: module.slot for module in modules}
            self._contracts[contract_id] = BookContract(
                contract_id=contract_id,
                sponsor_id=contract.sponsor_id,
                time_zone=contract.time_zone,
                starts_on=run_of(contract.versions[0].days).first_on,
                slots={module_id: slot for module_id, slot in slots.items() if slot},
                module_names={module.module_id: module.display_name or module.module_id for module in modules},
            )
            for group in self._client.enrollment.all_enrollment_groups(
                contract_id=contract_id, page_size=PAGE_SIZE, timeout=CALL_SECONDS
            ):
                family = self._family(group)
                self._families[family.key] = family

    def _family(self, group: EnrollmentGroup) -> BookFamily:
        runs: dict[EnrollmentKey, list[Run]] = {}
        types: dict[str, str] = {}
        for period in group.periods:
            member_id = self._once(period.member_id)
            enrollment = EnrollmentKey(member_id, self._once(period.module_id))
            runs.setdefault(enrollment, []).append(run_of(period.days))
            types[member_id] = self._once(type_name(period.membership_type))
        key = FamilyKey(self._once(group.key.contract_id), self._once(group.key.primary_id))
        days = {each: self._days_of(listed) for each, listed in runs.items()}
        return BookFamily(key, group.group_id, group.revision, days, types)

    def _days_of(self, runs: list[Run]) -> DayRuns:
        days = DayRuns.of(runs)
        return self._days.setdefault(days.runs, days)

    def _once(self, text: str) -> str:
        return self._ids.setdefault(text, text)

    # ---------------------------------------------------------------------------------- members

    def read_numbers(self) -> None:
        """Reads everyone whom a number of the file finds, by an identifier or by an id derived from the number."""
        for response in in_batches(self._numbers(), self._resolve):
            for each in response.resolved_identifiers:
                identifier = SystemValue(each.identifier.system, each.identifier.value)
                self._member_ids[self._identifiers[identifier]] = self._once(each.member_id)
        self._read_members(self._ids_of_numbers())

    def _numbers(self) -> Iterator[SystemValue]:
        for each in family_loops(self._file, self._mapping):
            member = each.loop.member
            of_family = family_identifiers(self._mapping, each.family_numbers)
            for identifier in (*self._identifiers_of(member), *of_family):
                if identifier not in self._identifiers:
                    self._identifiers[identifier] = identifier
                    yield identifier

    def _resolve(self, identifiers: list[SystemValue]) -> member_service_pb2.ResolveIdentifiersResponse:
        request = member_service_pb2.ResolveIdentifiersRequest(
            identifiers=[member_pb2.Identifier(system=each.system, value=each.value) for each in identifiers]
        )
        return self._client.members.resolve_identifiers(request, timeout=CALL_SECONDS)

    def _ids_of_numbers(self) -> Iterator[str]:
        yield from dict.fromkeys(self._member_ids.values())
        for each in family_loops(self._file, self._mapping):
            yield from derived_ids(each.loop.member, self._mapping, each.family_numbers)
            if not each.loop.member.is_subscriber:
                yield from map(self._mapping.subscriber_id, each.family_numbers)

    def read_families_of_unknown_dependants(self) -> None:
        """Reads the names and dates of birth that can find dependants whom no number finds."""
        self._read_members(self._ids_of_families())

    def _ids_of_families(self) -> Iterator[str]:
        subscribers: dict[int, str] = {}
        by_number: dict[str, str] = {}
        for index, each in enumerate(family_loops(self._file, self._mapping)):
            known = self._known(each)
            if each.loop.member.is_subscriber:
                if known:
                    subscribers[index] = known
                    by_number.update(dict.fromkeys(each.family_numbers, known))
                continue
            numbers = [by_number.get(number) or self._known_subscriber(number) for number in each.family_numbers]
            found = subscribers.get(each.subscriber_index, "") if each.subscriber_index is not None else ""
            primary_ids = {found, *numbers} - {""}
            # A number that finds the subscriber isn't the dependant's.
            if not known or known in primary_ids:
                yield from ids_derived_from_name(each.loop.member, self._mapping, each.family_numbers)
                for primary_id in primary_ids:
                    yield from self._family_ids(primary_id)

    def _known(self, each: FamilyLoop) -> str:
        """Returns a member whom a number of the loop finds, or an empty string."""
        member = each.loop.member
        by_identifier = map(self._member_ids.get, self._identifiers_of(member))
        by_derived_id = map(self._stored, derived_ids(member, self._mapping, each.family_numbers))
        return next((found for found in chain(by_identifier, by_derived_id) if found), "")

    def _identifiers_of(self, member: FileMember) -> Iterator[SystemValue]:
        yield from identifiers_of(member, self._mapping)
        for possible in earlier_identifiers_of(member, self._mapping):
            yield from possible

    def _known_subscriber(self, number: str) -> str:
        owners = [
            self._member_ids[each] for each in family_identifiers(self._mapping, [number]) if each in self._member_ids
        ]
        return owners[0] if owners else self._stored(self._mapping.subscriber_id(number))

    def _stored(self, member_id: str) -> str:
        member_id = self._merged.get(member_id, member_id)
        return member_id if member_id in self._members else ""

    def _family_ids(self, primary_id: str) -> Iterator[str]:
        for contract_id in self._mapping.contract_ids:
            if family := self._families.get(FamilyKey(contract_id, primary_id)):
                yield from family.membership_types

    def read_names_of_unnamed_members(self) -> None:
        """Reads the members who can lose coverage without being named."""
        is_whole = any(each.action in codes.FULL_FILES for each in self._file.transactions)
        if is_whole:
            unnamed = (each for family in self._families.values() for each in family.membership_types)
        else:
            unnamed = (
                member_id
                for each in family_loops(self._file, self._mapping)
                if each.loop.member.is_subscriber and _ends(each.loop.member)
                for member_id in self._family_ids(self._known(each))
            )
        self._read_members(unnamed, with_records=False)

    def _read_members(self, member_ids: Iterable[str], *, with_records: bool = True) -> None:
        for response in read_members(self._unread(member_ids), self._get_members):
            for merged in response.merged_members:
                self._merged[self._once(merged.member_id)] = self._once(merged.merged_into)
            for found in response.members:
                known = self._member(found, with_records)
                self._members[known.member_id] = known

    def _unread(self, member_ids: Iterable[str]) -> Iterator[str]:
        """Yields the ids of members who haven't been read, each once among its neighbors."""
        recent: dict[str, None] = {}
        for member_id in member_ids:
            if member_id in self._members or member_id in self._merged or member_id in recent:
                continue
            if len(recent) >= PAGE_SIZE:
                recent.clear()
            recent[member_id] = None
            yield member_id

    def _get_members(self, member_ids: list[str]) -> member_service_pb2.BatchGetMembersResponse:
        return self._client.members.batch_get_members(member_ids=member_ids, timeout=CALL_SECONDS)

    def _member(self, found: member_service_pb2.MemberWithFacts, with_record: bool) -> BookMember:
        member, facts = found.member, found.facts
        identifiers = (SystemValue(each.system, each.value) for each in member.identifiers)
        return BookMember(
            member_id=self._once(member.member_id),
            display_name=member.display_name,
            born_on=date_from_proto(facts.born_on) if facts.HasField("born_on") else None,
            died_on=date_from_proto(facts.died_on) if facts.HasField("died_on") else None,
            identifiers=tuple(self._identifiers.get(each, each) for each in identifiers),
            is_erased=member.HasField("erased_on"),
            record=_record(found) if with_record else b"",
        )


def _ends(member: FileMember) -> bool:
    return member.maintenance == codes.END or any(
        coverage.maintenance in codes.COVERAGE_ENDS for coverage in member.coverages
    )


def _record(found: member_service_pb2.MemberWithFacts) -> bytes:
    """Returns the member with facts, without who recorded them and when."""
    found.member.ClearField("actor")
    found.member.ClearField("recorded_at")
    return found.SerializeToString()
