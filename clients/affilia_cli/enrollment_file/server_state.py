"""The current state on the server, read through its public calls: contracts, groups, members and change requests.

Responses are cached for one import.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import TypeVar

from affilia.catalog.v1 import member_service_pb2
from affilia.catalog.v1.contract_pb2 import Contract
from affilia.enrollment.v1.change_request_pb2 import ChangeRequest
from affilia.enrollment.v1.enrollment_group_pb2 import EnrollmentGroup
from affilia_cli.enrollment_file.findings import ServerStateUnreadable
from affilia_client import CallFailed, Client, NotFound
from affilia_client.dates import span_from_proto

T = TypeVar("T")

CALL_SECONDS = 30
PAGE_SIZE = 1000


@dataclass(frozen=True, slots=True)
class Period:
    """An enrollment period of one member in one module. Both ends are inclusive, and None means unbounded."""

    contract_id: str
    primary_id: str
    member_id: str
    module_id: str
    first_on: date | None
    last_on: date | None

    def lasts_until(self, day: date) -> bool:
        """Returns whether the period has a day on or after this day."""
        return self.last_on is None or self.last_on >= day

    def includes(self, day: date) -> bool:
        return self.lasts_until(day) and (self.first_on is None or self.first_on <= day)


class ServerState:
    """The state of some contracts, each part as of its first use. Raises ServerStateUnreadable if a call fails."""

    def __init__(self, client: Client, contract_ids: Iterable[str]) -> None:
        self._client = client
        self._members: dict[str, member_service_pb2.GetMemberResponse | None] = {}
        self._change_requests: dict[str, tuple[ChangeRequest, ...]] = {}
        try:
            self.contracts: dict[str, Contract] = {each: self._read_contract(each) for each in contract_ids}
            groups = [group for each in self.contracts for group in self._read_groups(each)]
        except CallFailed as failed:
            raise _unreadable(failed) from failed
        self.groups: dict[tuple[str, str], EnrollmentGroup] = {
            (group.key.contract_id, group.key.primary_id): group for group in groups
        }
        self._periods: dict[str, list[Period]] = {}
        for period in (period for group in groups for period in _periods(group)):
            self._periods.setdefault(period.member_id, []).append(period)

    def periods(self, member_id: str, primary_id: str) -> list[Period]:
        """Returns a member's periods in the groups of a primary, in order of contract, module and first day."""
        return [each for each in self._periods.get(member_id, ()) if each.primary_id == primary_id]

    def enrolled(self, contract_id: str, day: date) -> dict[str, str]:
        """Returns who is enrolled under a contract on or after a day, as primary ids by member id."""
        return {
            period.member_id: period.primary_id
            for periods in self._periods.values()
            for period in periods
            if period.contract_id == contract_id and period.lasts_until(day)
        }

    def member(self, member_id: str) -> member_service_pb2.GetMemberResponse | None:
        """Returns a member with facts, or None if the member is unknown."""
        if member_id not in self._members:
            try:
                self._members[member_id] = self._client.members.get_member(member_id=member_id, timeout=CALL_SECONDS)
            except NotFound:
                self._members[member_id] = None
            except CallFailed as failed:
                raise _unreadable(failed) from failed
        return self._members[member_id]

    def remaining_id(self, member_id: str) -> str:
        """Returns the id of the member into whom a member was merged, or the same id if there is none."""
        known = self.member(member_id) if member_id else None
        return (known.merged_into if known else "") or member_id

    def change_requests(self, contract_id: str, primary_id: str) -> tuple[ChangeRequest, ...]:
        """Returns all change requests of a group, approved or rejected, in the order of the decisions."""
        group = self.groups.get((contract_id, primary_id))
        if group is None:
            return ()
        if group.group_id not in self._change_requests:
            try:
                self._change_requests[group.group_id] = tuple(self._read_change_requests(group.group_id))
            except CallFailed as failed:
                raise _unreadable(failed) from failed
        return self._change_requests[group.group_id]

    def slot(self, contract_id: str, module_id: str) -> str:
        """Returns the slot of a module in any version. Empty if it has no slot or doesn't exist."""
        modules = (module for version in self.contracts[contract_id].versions for module in version.modules)
        return next((module.slot for module in modules if module.module_id == module_id), "")

    def starts_on(self, contract_id: str) -> date:
        """Returns the first day of the contract."""
        first_on, _ = span_from_proto(self.contracts[contract_id].versions[0].days)
        return first_on or date.min

    def _read_contract(self, contract_id: str) -> Contract:
        return self._client.catalog.get_contract(contract_id=contract_id, timeout=CALL_SECONDS).contract

    def _read_groups(self, contract_id: str) -> Iterable[EnrollmentGroup]:
        return self._client.enrollment.all_enrollment_groups(
            contract_id=contract_id, page_size=PAGE_SIZE, timeout=CALL_SECONDS
        )

    def _read_change_requests(self, group_id: str) -> Iterable[ChangeRequest]:
        return self._client.changes.all_change_requests(group_id=group_id, page_size=PAGE_SIZE, timeout=CALL_SECONDS)


def _unreadable(failed: CallFailed) -> ServerStateUnreadable:
    return ServerStateUnreadable(f"cannot read from the server: {failed.code.name}: {failed.message}")


def _periods(group: EnrollmentGroup) -> Iterable[Period]:
    for each in group.periods:
        first_on, last_on = span_from_proto(each.days)
        yield Period(group.key.contract_id, group.key.primary_id, each.member_id, each.module_id, first_on, last_on)
