"""The members of an export, and their segments. Members who can't be written become remarks."""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date

from affilia_cli.enrollment_export.insured import Insured, insured_of, number_systems
from affilia_cli.enrollment_export.left_out import LeftOut, Remarks
from affilia_cli.enrollment_export.member_loops import MemberLoop
from affilia_cli.enrollment_export.member_segments import Segment, member_segments
from affilia_cli.enrollment_export.outbound_mapping import OutboundMapping
from affilia_cli.enrollment_export.reading import members_by_id
from affilia_cli.enrollment_export.texts import plain
from affilia_cli.enrollment_file.mapping import DependantNumber, Mapping, NumberKind
from affilia_client import Client


@dataclass(slots=True)
class Population:
    """Members as stored, some at a time. `employers` are the sponsors of the contracts."""

    client: Client
    mapping: Mapping
    outbound: OutboundMapping
    employers: Collection[str]
    today: date
    remarks: Remarks
    _members: dict[str, Insured] = field(init=False, default_factory=dict)
    _systems: dict[str, NumberKind] = field(init=False)

    def __post_init__(self) -> None:
        self._systems = number_systems(self.mapping)

    def load(self, member_ids: Iterable[str]) -> None:
        """Reads members, and forgets those read before."""
        self._members = {
            member_id: insured_of(stored, self._systems, self.employers, self.today)
            for member_id, stored in members_by_id(self.client, member_ids).items()
        }

    def remaining_ids(self) -> dict[str, str]:
        """Returns the id of the member into whom each merged member was merged."""
        return {
            member_id: insured.member_id
            for member_id, insured in self._members.items()
            if insured.member_id != member_id
        }

    def segments(self, primary_id: str, loops: list[MemberLoop]) -> Iterator[list[Segment]]:
        """Yields the segments of each member of a family. Without the subscriber's loop, dependants are left out."""
        subscriber = self._members.get(primary_id)
        number = subscriber.numbers.get(NumberKind.SUBSCRIBER, "") if subscriber else ""
        if loops and not number:
            self.remarks.add("NUMBER_UNKNOWN", [self._name(primary_id)])
            return
        for loop in loops:
            try:
                yield self._written(loop, number)
            except LeftOut as left_out:
                self.remarks.add(left_out.code, [self._name(loop.member_id)])
                if loop.member_id == primary_id:
                    others = [self._name(each.member_id) for each in loops if each is not loop]
                    self.remarks.add("SUBSCRIBER_LEFT_OUT", others)
                    return

    def _written(self, loop: MemberLoop, subscriber_number: str) -> list[Segment]:
        insured = self._members.get(loop.member_id)
        if insured is None:
            raise LeftOut("MEMBER_UNKNOWN")
        number = subscriber_number
        if self.mapping.dependant_number is DependantNumber.OWN:
            number = insured.numbers.get(NumberKind.SUBSCRIBER, "")
            if not number:
                raise LeftOut("NUMBER_UNKNOWN")
        segments = member_segments(loop, insured, number, self.outbound)
        if plain(insured.name) != insured.name:
            self.remarks.add("NAME_SIMPLIFIED", [self._name(loop.member_id)])
        return segments

    def _name(self, member_id: str) -> str:
        insured = self._members.get(member_id)
        return (insured.name if insured else "") or member_id
