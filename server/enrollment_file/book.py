"""What the server knows already, read through its public calls: contracts, groups, members, decisions.

Reads only. Answers are kept for the length of one import, so that a plan is made from one state of the book.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import TypeVar

import grpc
from google.type.date_pb2 import Date

from affilia.catalog.v1 import catalog_service_pb2, member_service_pb2
from affilia.catalog.v1.catalog_service_pb2_grpc import CatalogServiceStub
from affilia.catalog.v1.contract_pb2 import Contract
from affilia.catalog.v1.member_service_pb2_grpc import MemberServiceStub
from affilia.enrollment.v1 import change_request_service_pb2, enrollment_query_service_pb2
from affilia.enrollment.v1.change_request_pb2 import ChangeRequest
from affilia.enrollment.v1.change_request_service_pb2_grpc import ChangeRequestServiceStub
from affilia.enrollment.v1.enrollment_group_pb2 import EnrollmentGroup
from affilia.enrollment.v1.enrollment_query_service_pb2_grpc import EnrollmentQueryServiceStub
from server.enrollment_file.findings import BookUnreadable

T = TypeVar("T")

CALL_SECONDS = 30
PAGE = 1000


@dataclass(frozen=True, slots=True)
class Period:
    """A run of days of one member on one module; both ends inclusive, None: open."""

    contract_id: str
    primary_id: str
    member_id: str
    module_id: str
    first_on: date | None
    last_on: date | None

    def reaches(self, day: date) -> bool:
        """Whether it has a day on that day, or later."""
        return self.last_on is None or self.last_on >= day

    def holds(self, day: date) -> bool:
        return self.reaches(day) and (self.first_on is None or self.first_on <= day)


class Book:
    """The state of some contracts, as it is when it is first asked for. BookUnreadable where the server fails."""

    def __init__(self, channel: grpc.Channel, contract_ids: Iterable[str]) -> None:
        self._catalog = CatalogServiceStub(channel)
        self._members = MemberServiceStub(channel)
        self._requests = ChangeRequestServiceStub(channel)
        self._queries = EnrollmentQueryServiceStub(channel)
        self._known: dict[str, member_service_pb2.GetMemberResponse | None] = {}
        self._decided: dict[str, tuple[ChangeRequest, ...]] = {}
        try:
            self.contracts: dict[str, Contract] = {each: self._contract(each) for each in contract_ids}
            groups = [group for each in self.contracts for group in self._groups(each)]
        except grpc.RpcError as fault:
            raise unreadable(fault) from fault
        self.groups: dict[tuple[str, str], EnrollmentGroup] = {
            (group.key.contract_id, group.key.primary_id): group for group in groups
        }
        self._periods: dict[str, list[Period]] = {}
        for period in (period for group in groups for period in _periods(group)):
            self._periods.setdefault(period.member_id, []).append(period)

    def periods(self, member_id: str, primary_id: str) -> list[Period]:
        """Of a member in the groups of a primary, in order of contract, module and first day; may be empty."""
        return [each for each in self._periods.get(member_id, ()) if each.primary_id == primary_id]

    def enrolled(self, contract_id: str, day: date) -> dict[str, str]:
        """Who is enrolled under a contract on a day or later: member ids to the ids of their primaries."""
        return {
            period.member_id: period.primary_id
            for periods in self._periods.values()
            for period in periods
            if period.contract_id == contract_id and period.reaches(day)
        }

    def member(self, member_id: str) -> member_service_pb2.GetMemberResponse | None:
        """A member with facts; None: unknown."""
        if member_id not in self._known:
            try:
                request = member_service_pb2.GetMemberRequest(member_id=member_id)
                self._known[member_id] = self._members.GetMember(request, timeout=CALL_SECONDS)
            except grpc.RpcError as fault:
                if fault.code() != grpc.StatusCode.NOT_FOUND:
                    raise unreadable(fault) from fault
                self._known[member_id] = None
        return self._known[member_id]

    def decided(self, contract_id: str, primary_id: str) -> tuple[ChangeRequest, ...]:
        """Every request of a group, approved or rejected, in the order in which they were judged."""
        group = self.groups.get((contract_id, primary_id))
        if group is None:
            return ()
        if group.group_id not in self._decided:
            try:
                self._decided[group.group_id] = tuple(self._change_requests(group.group_id))
            except grpc.RpcError as fault:
                raise unreadable(fault) from fault
        return self._decided[group.group_id]

    def slot(self, contract_id: str, module_id: str) -> str:
        """Of which slot a module is, in whatever version; empty: none, or no such module."""
        modules = (module for version in self.contracts[contract_id].versions for module in version.modules)
        return next((module.slot for module in modules if module.module_id == module_id), "")

    def begins_on(self, contract_id: str) -> date:
        """The first day of the contract's life."""
        return day_of(self.contracts[contract_id].versions[0].days.first_on) or date.min

    def _contract(self, contract_id: str) -> Contract:
        request = catalog_service_pb2.GetContractRequest(contract_id=contract_id)
        return self._catalog.GetContract(request, timeout=CALL_SECONDS).contract

    def _groups(self, contract_id: str) -> Iterable[EnrollmentGroup]:
        request = enrollment_query_service_pb2.ListEnrollmentGroupsRequest(contract_id=contract_id, page_size=PAGE)
        while True:
            page = self._queries.ListEnrollmentGroups(request, timeout=CALL_SECONDS)
            yield from page.groups
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token

    def _change_requests(self, group_id: str) -> Iterable[ChangeRequest]:
        request = change_request_service_pb2.ListChangeRequestsRequest(group_id=group_id, page_size=PAGE)
        while True:
            page = self._requests.ListChangeRequests(request, timeout=CALL_SECONDS)
            yield from page.change_requests
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token


def unreadable(fault: grpc.RpcError) -> BookUnreadable:
    return BookUnreadable(f"the server answered {fault.code().name}: {fault.details()}")


def day_of(message: Date) -> date | None:
    """A day; None where the message is unset."""
    return date(message.year, message.month, message.day) if message.year else None


def to_day(day: date | None) -> Date | None:
    return None if day is None else Date(year=day.year, month=day.month, day=day.day)


def _periods(group: EnrollmentGroup) -> Iterable[Period]:
    for each in group.periods:
        first_on, last_on = day_of(each.days.first_on), day_of(each.days.last_on)
        yield Period(group.key.contract_id, group.key.primary_id, each.member_id, each.module_id, first_on, last_on)
