"""Writes an INS loop as segments."""

from collections.abc import Iterator
from datetime import date

from affilia_cli.enrollment_export.insured import Insured
from affilia_cli.enrollment_export.left_out import LeftOut
from affilia_cli.enrollment_export.member_loops import MemberLoop
from affilia_cli.enrollment_export.outbound_mapping import OutboundMapping
from affilia_cli.enrollment_export.texts import NameParts, is_sendable, name_parts, plain
from affilia_cli.enrollment_file import codes
from affilia_cli.enrollment_file.mapping import NumberKind

Segment = tuple[str, ...]

UNKNOWN_GENDER = "U"
"""DMG03. The server doesn't store a gender."""
MAX_REFERENCE, MIN_PERSON_NUMBER, MAX_PERSON_NUMBER = 50, 2, 80
"""Lengths of REF02 and NM109."""


def member_segments(
    loop: MemberLoop, insured: Insured, subscriber_number: str, mapping: OutboundMapping
) -> list[Segment]:
    """Returns the segments of a member. `subscriber_number` is REF 0F. Raises LeftOut if this isn't possible."""
    relation = mapping.relations.get(loop.membership_type, "")
    if not relation:
        raise LeftOut("RELATION_UNMAPPED")
    is_subscriber = relation == codes.SELF
    employment, employed_from = loop.employment_status, None
    if is_subscriber and not mapping.asks_for_employment:
        employment, employed_from = insured.employment, insured.employed_from
    statuses = (loop.benefit_status, loop.medicare, "", employment)
    return [
        ("INS", "Y" if is_subscriber else "N", relation, loop.maintenance, "", *statuses),
        *_references(insured, subscriber_number, mapping),
        *([_day(codes.EMPLOYED_FROM, employed_from)] if employed_from else []),
        *_person(insured),
        *_coverages(loop, mapping),
    ]


def sendable_name(insured: Insured) -> NameParts:
    """Returns the parts of a name in characters that X12 files can contain. Raises LeftOut if that is impossible."""
    if not insured.name.strip():
        raise LeftOut("NAME_MISSING")
    parts = name_parts(plain(insured.name))
    if parts is None or not is_sendable(" ".join((parts.first, parts.middle, parts.last))):
        raise LeftOut("NAME_NOT_SENDABLE")
    return parts


def _references(insured: Insured, subscriber_number: str, mapping: OutboundMapping) -> Iterator[Segment]:
    yield ("REF", codes.SUBSCRIBER_NUMBER, _number(subscriber_number, 1, MAX_REFERENCE))
    if mapping.policy:
        yield ("REF", codes.POLICY_NUMBER, mapping.policy)
    if client_number := insured.numbers.get(NumberKind.CLIENT):
        yield ("REF", codes.CLIENT_NUMBER, _number(client_number, 1, MAX_REFERENCE))


def _person(insured: Insured) -> Iterator[Segment]:
    name = sendable_name(insured)
    qualifier, number = "", ""
    if stated := insured.numbers.get(NumberKind.SSN) or insured.numbers.get(NumberKind.PERSON):
        qualifier = codes.SOCIAL_SECURITY if NumberKind.SSN in insured.numbers else "ZZ"
        number = _number(stated, MIN_PERSON_NUMBER, MAX_PERSON_NUMBER)
    yield ("NM1", "IL", "1", name.last, name.first, name.middle, "", "", qualifier, number)
    if insured.born_on:
        yield ("DMG", "D8", f"{insured.born_on:%Y%m%d}", UNKNOWN_GENDER)


def _coverages(loop: MemberLoop, mapping: OutboundMapping) -> Iterator[Segment]:
    for entry, coverage in loop.coverages:
        yield ("HD", coverage.maintenance, "", entry.line, entry.plan)
        if coverage.first_on:
            yield _day(codes.BENEFIT_FROM, coverage.first_on)
        if coverage.last_on:
            yield _day(codes.BENEFIT_UNTIL, coverage.last_on)
        if entry.policy and not mapping.policy:
            yield ("REF", codes.POLICY_NUMBER, entry.policy)


def _day(qualifier: str, day: date) -> Segment:
    return ("DTP", qualifier, "D8", f"{day:%Y%m%d}")


def _number(text: str, min_length: int, max_length: int) -> str:
    """Returns a number unchanged, because a changed number means somebody else."""
    if not is_sendable(text) or not min_length <= len(text) <= max_length:
        raise LeftOut("NUMBER_NOT_SENDABLE")
    return text
