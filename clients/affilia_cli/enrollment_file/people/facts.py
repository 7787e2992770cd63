"""Compares a person of a file with the stored member and returns the requests that record the difference.

On the server, a fact is a timeline. The file's value applies from its effective day on; earlier days stay unchanged,
and so do facts that the file doesn't mention. If several loops mention a fact, the last one applies.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date, timedelta
from typing import Any, TypeAlias, TypeVar

from affilia.catalog.v1 import condition_pb2, member_pb2, member_service_pb2
from affilia.type.v1.date_span_pb2 import DateSpan
from affilia_cli.enrollment_file import codes
from affilia_cli.enrollment_file.book.book import Book
from affilia_cli.enrollment_file.mapping import Mapping
from affilia_cli.enrollment_file.people.identified_people import MAX_IDENTIFIERS
from affilia_cli.enrollment_file.people.people import Person
from affilia_cli.enrollment_file.reading.file import FileMember
from affilia_client.dates import date_from_proto, date_to_proto, span_from_proto, span_to_proto

Item = TypeVar("Item", member_pb2.Address, member_pb2.Employment)
FactRequest: TypeAlias = member_service_pb2.UpsertMemberRequest | member_service_pb2.RecordFactsRequest

ONE_DAY = timedelta(days=1)
MAX_POSTAL_CODE_CHARACTERS = 16

IS_DISABLED = "Y"
"""The value of the custom fact that the mapping names for handicapped members, as in INS10."""


def fact_requests(
    person: Person,
    stored: member_service_pb2.MemberWithFacts | None,
    mapping: Mapping,
    employer_id: str,
    today: date,
) -> list[FactRequest]:
    """Returns the requests that update a member, in order, without request ids. Empty if nothing has changed.

    Employments are updated for subscribers only, and only if `employer_id` isn't empty. Facts apply from DTP 303 on, or
    else from `today`.
    """
    facts = stored.facts if stored else member_pb2.MemberFacts()
    members = [loop.member for loop in person.loops]
    requests: list[FactRequest] = list(_member(person, members, stored))

    def record(**fact: Any) -> None:
        requests.append(member_service_pb2.RecordFactsRequest(member_id=person.member_id, **fact))

    born_on = next((each.born_on for each in reversed(members) if each.born_on), None)
    if born_on and born_on != _known(facts, "born_on"):
        record(birth=member_pb2.Birth(born_on=date_to_proto(born_on)))
    died_on = next((each.died_on for each in reversed(members) if each.died_on), None)
    if died_on and died_on != _known(facts, "died_on"):
        record(death=member_pb2.Death(died_on=date_to_proto(died_on)))
    located = next((each for each in reversed(members) if each.address), None)
    if located and (addresses := _addresses(located, facts.addresses, mapping, _since(located, today))) is not None:
        record(addresses=member_pb2.Addresses(items=addresses))
    employed = next((each for each in reversed(members) if each.is_subscriber and _has_employment(each)), None)
    if employed and employer_id:
        employments = _employments(employed, facts.employments, employer_id, _since(employed, today))
        if employments is not None:
            record(employments=member_pb2.Employments(items=employments))
    handicapped = next((each for each in reversed(members) if each.handicapped), None)
    if handicapped and mapping.disabled:
        disability = _disability(handicapped, facts.attributes, mapping.disabled, _since(handicapped, today))
        if disability is not None:
            record(attributes=member_pb2.Attributes(items=[disability]), spans=True)
    return requests


def fact_kinds(requests: Iterable[FactRequest], stored: member_service_pb2.MemberWithFacts | None) -> tuple[str, ...]:
    """Returns the kinds of facts that requests record about a member, in words."""
    kinds = []
    for request in requests:
        if isinstance(request, member_service_pb2.RecordFactsRequest):
            kinds.append(_WORDS[request.WhichOneof("facts") or ""])
            continue
        known = stored.member if stored else member_pb2.Member()
        if request.member.display_name != known.display_name:
            kinds.append("name")
        if len(request.member.identifiers) != len(known.identifiers):
            kinds.append("identifiers")
        if stored and request.member.kind != known.kind:
            kinds.append("kind")
    return tuple(kinds)


def planned_fact_kinds(mapping: Mapping, book: Book, today: date) -> Callable[[Person, str], tuple[str, ...]]:
    """Returns a function that returns the kinds of facts to record for a person who has a given employer."""

    def kinds(person: Person, employer_id: str) -> tuple[str, ...]:
        known = book.members.get(person.member_id)
        stored = member_service_pb2.MemberWithFacts.FromString(known.record) if known and known.record else None
        return fact_kinds(fact_requests(person, stored, mapping, employer_id, today), stored)

    return kinds


_WORDS = {
    "birth": "date of birth",
    "death": "date of death",
    "addresses": "address",
    "employments": "employment",
    "attributes": "disability",
}


def _member(
    person: Person, members: Sequence[FileMember], stored: member_service_pb2.MemberWithFacts | None
) -> Iterator[FactRequest]:
    """Yields the request that stores the name and adds identifiers, if either changes."""
    known = stored.member if stored else member_pb2.Member()
    kind = member_pb2.MEMBER_KIND_PET if person.membership_type == "PET" else member_pb2.MEMBER_KIND_PERSON
    name = next((each.display_name for each in reversed(members) if each.last_name), known.display_name)
    present = {(each.system, each.value) for each in known.identifiers}
    new = sorted(each for each in person.identifiers if each not in present)
    identifiers = [
        *known.identifiers,  # an upsert replaces all identifiers
        *(member_pb2.Identifier(system=system, value=value) for system, value in new),
    ][:MAX_IDENTIFIERS]
    is_known = stored is not None and (known.display_name, known.kind) == (name, kind)
    if not is_known or len(identifiers) > len(known.identifiers):
        member = member_pb2.Member(member_id=person.member_id, kind=kind, display_name=name, identifiers=identifiers)
        yield member_service_pb2.UpsertMemberRequest(member=member, etag=known.etag)


def _known(facts: member_pb2.MemberFacts, field: str) -> date | None:
    return date_from_proto(getattr(facts, field)) if facts.HasField(field) else None  # type: ignore[arg-type]


def _since(member: FileMember, today: date) -> date:
    return member.day(codes.CHANGED_ON) or today


def _disability(
    member: FileMember, known: Iterable[member_pb2.Attribute], name: str, since: date
) -> member_pb2.Attribute | None:
    """Returns the custom fact, or None if it is recorded. A first one applies from the first day of coverage."""
    own = [each for each in known if each.name == name]
    if any(each.value == IS_DISABLED and _includes(each.days, since) for each in own):
        return None
    starts_on = since if own else min([since, *_coverage_begins(member)])
    return member_pb2.Attribute(days=span_to_proto(starts_on), name=name, value=IS_DISABLED)


def _addresses(
    member: FileMember, known: Iterable[member_pb2.Address], mapping: Mapping, since: date
) -> list[member_pb2.Address] | None:
    """Returns the whole timeline with the file's address, or None if it is unchanged."""
    address, items = member.address, list(known)
    if address is None:
        return None
    country = address.country if re.fullmatch("[A-Z]{2}", address.country) else mapping.country
    postal_code = address.postal_code[:MAX_POSTAL_CODE_CHARACTERS]
    # A first address is unbounded, because rules also look at days before the file.
    days = span_to_proto(since) if items else DateSpan()
    now = [each for each in items if _includes(each.days, since)]
    if any((each.country_code, each.postal_code) == (country, postal_code) for each in now):
        return None
    return [*_before(items, since), member_pb2.Address(days=days, country_code=country, postal_code=postal_code)]


def _has_employment(member: FileMember) -> bool:
    return member.employment_status in codes.EMPLOYMENT


def _employments(
    member: FileMember, known: Iterable[member_pb2.Employment], employer_id: str, since: date
) -> list[member_pb2.Employment] | None:
    """Returns the whole timeline with the file's employment, or None if it is unchanged."""
    items, name = list(known), codes.EMPLOYMENT[member.employment_status]
    own, others = _split(items, lambda each: each.employer_id == employer_id)
    if not name:
        ends = [coverage.ends_on for coverage in member.coverages if coverage.ends_on]
        ended_on = member.day(codes.EMPLOYED_UNTIL, codes.ELIGIBLE_UNTIL) or max(ends, default=since)
        remaining = list(_before(own, ended_on + ONE_DAY)) if ended_on < date.max else own
        return None if remaining == own else [*others, *remaining]
    status = condition_pb2.EmploymentStatus.Value(f"EMPLOYMENT_STATUS_{name}")
    employed_from = member.day(codes.EMPLOYED_FROM, codes.ELIGIBLE_FROM) or min([since, *_coverage_begins(member)])
    since = max(since, employed_from)
    now = next((each for each in own if _includes(each.days, since)), None)
    if now is not None and now.status == status:
        return None
    starts_on = since if own else employed_from
    employment = member_pb2.Employment(days=span_to_proto(starts_on), employer_id=employer_id, status=status)
    if now is not None and now.HasField("salary"):
        employment.salary.CopyFrom(now.salary)
    return [*others, *_before(own, starts_on), employment]


def _coverage_begins(member: FileMember) -> list[date]:
    return [coverage.begins_on for coverage in member.coverages if coverage.begins_on]


def _includes(days: DateSpan, day: date) -> bool:
    first_on, last_on = span_from_proto(days)
    return (first_on is None or first_on <= day) and (last_on is None or day <= last_on)


def _before(items: Iterable[Item], day: date) -> Iterator[Item]:
    """Yields the items, cut off before a day."""
    for each in items:
        first_on, last_on = span_from_proto(each.days)
        if first_on is not None and first_on >= day:
            continue
        cut = type(each)()
        cut.CopyFrom(each)
        if last_on is None or last_on >= day:
            cut.days.last_on.CopyFrom(date_to_proto(day - ONE_DAY))
        yield cut


def _split(items: list[Item], chosen: Callable[[Item], bool]) -> tuple[list[Item], list[Item]]:
    return [each for each in items if chosen(each)], [each for each in items if not chosen(each)]
