"""Compares a person in the file with the stored facts and returns the requests that record the difference.

On the server, a fact is a timeline. The file's value applies from its effective day on; earlier days stay unchanged,
and so do facts that the file doesn't mention.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from datetime import date, timedelta
from typing import Any, TypeAlias, TypeVar

from affilia.catalog.v1 import condition_pb2, member_pb2, member_service_pb2
from affilia.type.v1.date_span_pb2 import DateSpan
from affilia_cli.enrollment_file import codes
from affilia_cli.enrollment_file.families import IdentifiedMember
from affilia_cli.enrollment_file.mapping import Mapping
from affilia_cli.enrollment_file.server_state import ServerState
from affilia_client.dates import date_from_proto, date_to_proto, span_from_proto, span_to_proto

Item = TypeVar("Item", member_pb2.Address, member_pb2.Employment)
FactRequest: TypeAlias = member_service_pb2.UpsertMemberRequest | member_service_pb2.RecordFactsRequest

ONE_DAY = timedelta(days=1)
MAX_POSTAL_CODE_CHARACTERS = 16


def fact_requests(
    identified: IdentifiedMember, state: ServerState, mapping: Mapping, employer_id: str, today: date
) -> list[FactRequest]:
    """Returns the requests that update a member, in order, without request ids. Empty if nothing has changed.

    Employments are updated for subscribers only, and only if `employer_id` isn't empty.
    """
    member, known = identified.member, state.member(identified.member_id)
    kind = member_pb2.MEMBER_KIND_PET if identified.membership_type == "PET" else member_pb2.MEMBER_KIND_PERSON
    wanted = member_pb2.Member(member_id=identified.member_id, kind=kind, display_name=member.display_name)
    if known is not None:
        wanted.identifiers.extend(known.member.identifiers)  # an upsert replaces them, and the file has none
    requests: list[FactRequest] = []
    if known is None or (known.member.display_name, known.member.kind) != (wanted.display_name, wanted.kind):
        requests.append(member_service_pb2.UpsertMemberRequest(member=wanted))
    facts = known.facts if known else member_pb2.MemberFacts()
    known_birth = date_from_proto(facts.born_on) if facts.HasField("born_on") else None
    if member.born_on and known_birth != member.born_on:
        requests.append(_record(identified, birth=member_pb2.Birth(born_on=date_to_proto(member.born_on))))
    since = member.day(codes.CHANGED_ON) or today
    if (addresses := _addresses(identified, facts.addresses, mapping, since)) is not None:
        requests.append(_record(identified, addresses=member_pb2.Addresses(items=addresses)))
    if member.is_subscriber and employer_id:
        employments = _employments(identified, facts.employments, employer_id, since)
        if employments is not None:
            requests.append(_record(identified, employments=member_pb2.Employments(items=employments)))
    return requests


def _record(identified: IdentifiedMember, **fact: Any) -> FactRequest:
    return member_service_pb2.RecordFactsRequest(member_id=identified.member_id, **fact)


def _addresses(
    identified: IdentifiedMember, known: Iterable[member_pb2.Address], mapping: Mapping, since: date
) -> list[member_pb2.Address] | None:
    """Returns the whole timeline with the file's address, or None if it is unchanged."""
    address, items = identified.member.address, list(known)
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


def _employments(
    identified: IdentifiedMember, known: Iterable[member_pb2.Employment], employer_id: str, since: date
) -> list[member_pb2.Employment] | None:
    """Returns the whole timeline with the file's employment, or None if it is unchanged."""
    member, items = identified.member, list(known)
    if (name := codes.EMPLOYMENT.get(member.employment_status)) is None:
        return None
    own, others = _split(items, lambda each: each.employer_id == employer_id)
    if not name:
        ends = [coverage.ends_on for coverage in member.coverages if coverage.ends_on]
        ended_on = member.day(codes.EMPLOYED_UNTIL, codes.ELIGIBLE_UNTIL) or max(ends, default=since)
        remaining = list(_before(own, ended_on + ONE_DAY)) if ended_on < date.max else own
        return None if remaining == own else [*others, *remaining]
    status = condition_pb2.EmploymentStatus.Value(f"EMPLOYMENT_STATUS_{name}")
    employed_from = _employed_from(identified, since)
    since = max(since, employed_from)
    now = next((each for each in own if _includes(each.days, since)), None)
    if now is not None and now.status == status:
        return None
    starts_on = since if own else employed_from
    employment = member_pb2.Employment(days=span_to_proto(starts_on), employer_id=employer_id, status=status)
    if now is not None and now.HasField("salary"):
        employment.salary.CopyFrom(now.salary)
    return [*others, *_before(own, starts_on), employment]


def _employed_from(identified: IdentifiedMember, since: date) -> date:
    member = identified.member
    begins = [coverage.begins_on for coverage in member.coverages if coverage.begins_on]
    employed_from = member.day(codes.EMPLOYED_FROM, codes.ELIGIBLE_FROM)
    return employed_from or min([since, *begins])


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
