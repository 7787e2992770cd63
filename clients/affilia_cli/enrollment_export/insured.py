"""Who a member is, in the words of a file: number, name, birth date and employment."""

from collections.abc import Collection
from collections.abc import Mapping as Lookup
from dataclasses import dataclass
from datetime import date

from affilia.catalog.v1.condition_pb2 import EmploymentStatus
from affilia.catalog.v1.member_pb2 import MemberFacts
from affilia.catalog.v1.member_service_pb2 import MemberWithFacts
from affilia_cli.enrollment_file.mapping import Mapping, NumberKind
from affilia_client.dates import date_from_proto, span_from_proto

EMPLOYMENT_CODES = {"ACTIVE": "AC", "LEAVE": "L1", "RETIRED": "RT"}
"""Employment statuses as INS08."""


@dataclass(frozen=True, slots=True)
class Insured:
    """A member. `numbers` has the first identifier of each kind. `employment` is INS08 and `employed_from` DTP 336."""

    member_id: str
    name: str
    born_on: date | None
    numbers: Lookup[NumberKind, str]
    employment: str
    employed_from: date | None


def number_systems(mapping: Mapping) -> dict[str, NumberKind]:
    """Returns the kind of number for each system of identifiers."""
    return {mapping.identifier(kind, "").system: kind for kind in NumberKind}


def insured_of(
    stored: MemberWithFacts, systems: Lookup[str, NumberKind], employers: Collection[str], today: date
) -> Insured:
    """Returns a member as stored. Only an employment with one of the employers today counts."""
    numbers: dict[NumberKind, str] = {}
    for each in stored.member.identifiers:
        if kind := systems.get(each.system):
            numbers.setdefault(kind, each.value)
    facts = stored.facts
    employment, employed_from = _employment(facts, employers, today)
    return Insured(
        stored.member.member_id,
        stored.member.display_name,
        date_from_proto(facts.born_on) if facts.HasField("born_on") else None,
        numbers,
        employment,
        employed_from,
    )


def _employment(facts: MemberFacts, employers: Collection[str], today: date) -> tuple[str, date | None]:
    for each in facts.employments:
        first_on, last_on = span_from_proto(each.days)
        is_current = (first_on or date.min) <= today <= (last_on or date.max)
        status = EmploymentStatus.Name(each.status).removeprefix("EMPLOYMENT_STATUS_")
        if is_current and each.employer_id in employers and status in EMPLOYMENT_CODES:
            return EMPLOYMENT_CODES[status], first_on
    return "", None
