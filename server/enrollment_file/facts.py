"""What a file says of a person, beside what the book knows: the requests that make up the difference.

A fact is a timeline in the book and a statement in a file. The statement holds from its effective day on; what the
book knows of the days before stays. What the file does not say is left as it is.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from datetime import date, timedelta
from typing import Any, TypeAlias, TypeVar

from affilia.catalog.v1 import condition_pb2, member_pb2, member_service_pb2
from affilia.type.v1.date_span_pb2 import DateSpan
from server.enrollment_file import codes
from server.enrollment_file.book import Book, day_of, to_day
from server.enrollment_file.families import Placed
from server.enrollment_file.mapping import Mapping

Item = TypeVar("Item", member_pb2.Address, member_pb2.Employment)
FactRequest: TypeAlias = member_service_pb2.UpsertMemberRequest | member_service_pb2.RecordFactsRequest

ONE_DAY = timedelta(days=1)
MOST_POSTAL_CHARACTERS = 16


def fact_requests(placed: Placed, book: Book, mapping: Mapping, employer_id: str, today: date) -> list[FactRequest]:
    """What has to be stored of a member, in order, without request ids; empty: the book knows all of it.

    An empty `employer_id` leaves work alone, as do dependants.
    """
    member, known = placed.member, book.member(placed.member_id)
    kind = member_pb2.MEMBER_KIND_PET if placed.membership_type == "PET" else member_pb2.MEMBER_KIND_PERSON
    wanted = member_pb2.Member(member_id=placed.member_id, kind=kind, display_name=member.display_name)
    requests: list[FactRequest] = []
    if known is None or (known.member.display_name, known.member.kind) != (wanted.display_name, wanted.kind):
        requests.append(member_service_pb2.UpsertMemberRequest(member=wanted))
    facts = known.facts if known else member_pb2.MemberFacts()
    if member.born_on and day_of(facts.born_on) != member.born_on:
        requests.append(_record(placed, birth=member_pb2.Birth(born_on=to_day(member.born_on))))
    since = member.day(codes.CHANGED_ON) or today
    if (addresses := _addresses(placed, facts.addresses, mapping, since)) is not None:
        requests.append(_record(placed, addresses=member_pb2.Addresses(items=addresses)))
    if member.is_subscriber and employer_id:
        employments = _employments(placed, facts.employments, employer_id, since)
        if employments is not None:
            requests.append(_record(placed, employments=member_pb2.Employments(items=employments)))
    return requests


def _record(placed: Placed, **fact: Any) -> FactRequest:
    return member_service_pb2.RecordFactsRequest(member_id=placed.member_id, **fact)


def _addresses(
    placed: Placed, known: Iterable[member_pb2.Address], mapping: Mapping, since: date
) -> list[member_pb2.Address] | None:
    """The whole timeline with the file's address in it; None: as it is."""
    told, items = placed.member.address, list(known)
    if told is None:
        return None
    country = told.country if re.fullmatch("[A-Z]{2}", told.country) else mapping.country
    postal_code = told.postal_code[:MOST_POSTAL_CHARACTERS]
    # The first address of somebody holds always: rules ask about days before the file, too.
    days = DateSpan(first_on=to_day(since)) if items else DateSpan()
    now = [each for each in items if _holds(each.days, since)]
    if any((each.country_code, each.postal_code) == (country, postal_code) for each in now):
        return None
    return [*_before(items, since), member_pb2.Address(days=days, country_code=country, postal_code=postal_code)]


def _employments(
    placed: Placed, known: Iterable[member_pb2.Employment], employer_id: str, since: date
) -> list[member_pb2.Employment] | None:
    """The whole timeline with the file's employment in it; None: as it is."""
    member, items = placed.member, list(known)
    if (name := codes.EMPLOYMENT.get(member.employment_status)) is None:
        return None
    own, others = _split(items, lambda each: each.employer_id == employer_id)
    if not name:
        ends = [coverage.ends_on for coverage in member.coverages if coverage.ends_on]
        ended_on = member.day(codes.EMPLOYED_UNTIL, codes.ELIGIBLE_UNTIL) or max(ends, default=since)
        left = list(_before(own, ended_on + ONE_DAY)) if ended_on < date.max else own
        return None if left == own else [*others, *left]
    status = condition_pb2.EmploymentStatus.Value(f"EMPLOYMENT_STATUS_{name}")
    employed_from = _employed_from(placed, since)
    since = max(since, employed_from)
    now = next((each for each in own if _holds(each.days, since)), None)
    if now is not None and now.status == status:
        return None
    begun_on = since if own else employed_from
    told = member_pb2.Employment(days=DateSpan(first_on=to_day(begun_on)), employer_id=employer_id, status=status)
    if now is not None and now.HasField("salary"):
        told.salary.CopyFrom(now.salary)
    return [*others, *_before(own, begun_on), told]


def _employed_from(placed: Placed, since: date) -> date:
    member = placed.member
    begins = [coverage.begins_on for coverage in member.coverages if coverage.begins_on]
    told = member.day(codes.EMPLOYED_FROM, codes.ELIGIBLE_FROM)
    return told or min([since, *begins])


def _holds(days: DateSpan, day: date) -> bool:
    first_on, last_on = day_of(days.first_on), day_of(days.last_on)
    return (first_on is None or first_on <= day) and (last_on is None or day <= last_on)


def _before(items: Iterable[Item], day: date) -> Iterator[Item]:
    """The items as far as they lie before a day."""
    for each in items:
        first_on, last_on = day_of(each.days.first_on), day_of(each.days.last_on)
        if first_on is not None and first_on >= day:
            continue
        cut = type(each)()
        cut.CopyFrom(each)
        if last_on is None or last_on >= day:
            cut.days.last_on.CopyFrom(to_day(day - ONE_DAY) or cut.days.last_on)
        yield cut


def _split(items: list[Item], chosen: Callable[[Item], bool]) -> tuple[list[Item], list[Item]]:
    return [each for each in items if chosen(each)], [each for each in items if not chosen(each)]
