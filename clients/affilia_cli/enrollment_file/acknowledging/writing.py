"""Writes a TA1 and a 999 (005010X231A1) as X12 text."""

import re
import string
from collections.abc import Iterator, Sequence
from datetime import date, datetime
from itertools import groupby

from affilia_cli.enrollment_file.acknowledging.judging import GroupAnswer, SetAnswer
from affilia_cli.enrollment_file.acknowledging.received_envelope import ReceivedEnvelope, ReceivedGroup
from affilia_cli.enrollment_file.acknowledging.separators import Separators, safe_separators
from affilia_cli.enrollment_file.findings import VALUE_CHARACTERS, GuideViolation, ViolationKind
from affilia_cli.enrollment_file.reading.guide import data_element_numbers

GUIDE_OF_999 = "005010X231A1"

CHARACTERS = frozenset(string.ascii_letters + string.digits + string.punctuation + " ")
"""X12's extended character set without national characters."""

SEGMENT_ERRORS = {
    ViolationKind.MISSING: "3",
    ViolationKind.TOO_OFTEN: "5",
    ViolationKind.UNEXPECTED: "2",
    ViolationKind.ELEMENTS: "8",
}
"""IK304."""

ELEMENT_ERRORS = frozenset(map(str, range(1, 14)))
"""IK403."""

MISSING_ELEMENT, INVALID_CHARACTER = "1", "6"

SEGMENT_NAME = re.compile("[A-Z][A-Z0-9]{1,2}")
LOOP_NAME = re.compile("[0-9]{4}[A-Z]*")
MAX_LOOP_CHARACTERS = 4
MAX_ELEMENT_POSITION = 99
MAX_SEGMENT_POSITION = 999_999


def ta1_of(envelope: ReceivedEnvelope, refusal: str, number: int, now: datetime) -> str:
    """Returns an interchange with a TA1. `refusal` is TA105, or empty if the interchange is accepted.

    `number` is the control number of the interchange, and `now` an instant in UTC.
    """
    document = _Document(safe_separators(envelope.separators))
    document.isa(envelope, number, now)
    day, time = envelope.isa[8], envelope.isa[9]
    if not (_is_day(day) and _is_time(time)):
        day, time = f"{now:%y%m%d}", f"{now:%H%M}"
    document.add("TA1", nine_digits(envelope.number), day, time, "R" if refusal else "A", refusal or "000")
    document.add("IEA", "0", f"{number:09}")
    return document.text()


def functional_of(envelope: ReceivedEnvelope, answers: Sequence[GroupAnswer], number: int, now: datetime) -> str:
    """Returns an interchange with a 999 for each group. `number` and `now` are as for `ta1_of`."""
    document = _Document(safe_separators(envelope.separators))
    document.isa(envelope, number, now)
    document.gs(answers[0].received, number, now)
    for position, answer in enumerate(answers, start=1):
        start = document.count
        document.add("ST", "999", f"{position:04}", GUIDE_OF_999)
        for segment in _segments_of(answer):
            document.add(*segment)
        document.add("SE", str(document.count - start + 1), f"{position:04}")
    document.add("GE", str(len(answers)), str(number))
    document.add("IEA", "1", f"{number:09}")
    return document.text()


def nine_digits(number: str) -> str:
    """Returns a control number as received, or the nine last digits of a damaged one."""
    return "".join(each for each in number if each in string.digits)[-9:].zfill(9)


def _segments_of(answer: GroupAnswer) -> Iterator[tuple[str, ...]]:
    group = answer.received
    yield "AK1", group.kind, group.number, group.guide
    for each in answer.sets:
        yield "AK2", each.received.kind, each.received.number, each.received.guide
        yield from _violations_of(each)
        yield "IK5", each.code, *each.codes
    received = str(len(answer.sets))
    named = group.named_sets if re.fullmatch("[0-9]{1,6}", group.named_sets) else received
    yield "AK9", answer.code, named, received, str(answer.accepted), *answer.codes


def _violations_of(answer: SetAnswer) -> Iterator[tuple[str, ...]]:
    """Yields an IK3 for each violation, but only one for all wrong elements of a segment, each of which has an IK4."""
    # A segment with a damaged name can't be named. The set is answered with E or R all the same.
    nameable = filter(_can_be_named, answer.violations)
    for (position, _, name, loop), found in groupby(sorted(nameable, key=_order), _order):
        violations = list(found)
        kind = violations[0].kind
        named_loop = loop[:MAX_LOOP_CHARACTERS] if LOOP_NAME.fullmatch(loop) else ""
        note = ("IK3", name, str(position), named_loop, SEGMENT_ERRORS[kind])
        if kind is ViolationKind.ELEMENTS:
            yield note
            yield from filter(None, map(_element_note, violations))
        else:
            yield from [note] * len(violations)


def _can_be_named(violation: GuideViolation) -> bool:
    return bool(SEGMENT_NAME.fullmatch(violation.segment)) and 0 < violation.segment_position <= MAX_SEGMENT_POSITION


def _order(violation: GuideViolation) -> tuple[int, str, str, str]:
    return violation.segment_position, SEGMENT_ERRORS[violation.kind], violation.segment, violation.loop


def _element_note(violation: GuideViolation) -> tuple[str, ...] | None:
    if not 0 < violation.element <= MAX_ELEMENT_POSITION or violation.code not in ELEMENT_ERRORS:
        return None
    shows_value = violation.code not in (MISSING_ELEMENT, INVALID_CHARACTER)
    return (
        "IK4",
        str(violation.element),
        data_element_numbers().get((violation.segment, violation.element), ""),
        violation.code,
        violation.value[:VALUE_CHARACTERS] if shows_value else "",
    )


class _Document:
    """Segments with separators. Elements can't break it: characters that it can't contain become spaces."""

    def __init__(self, separators: Separators) -> None:
        self._separators = separators
        self._characters = frozenset(each for each in CHARACTERS if each not in separators)
        self._segments: list[str] = []

    @property
    def count(self) -> int:
        return len(self._segments)

    def isa(self, envelope: ReceivedEnvelope, number: int, now: datetime) -> None:
        """Adds the header. Its sender is the receiver of the received interchange and vice versa."""
        sender_kind, sender, receiver_kind, receiver = map(self._clean, envelope.isa[4:8])
        separators, usage = self._separators, envelope.isa[14]
        elements = (
            *("ISA", "00", " " * 10, "00", " " * 10),
            *(_qualifier(receiver_kind), f"{receiver:15.15}", _qualifier(sender_kind), f"{sender:15.15}"),
            *(f"{now:%y%m%d}", f"{now:%H%M}", separators.repetition, "00501", f"{number:09}", "0"),
            *(usage if usage in ("P", "T") else "P", separators.component),
        )
        self._segments.append(separators.element.join(elements))

    def gs(self, received: ReceivedGroup, number: int, now: datetime) -> None:
        """Adds the header of the group, with the sides of the received group turned. They have 2 to 15 characters."""
        sides = [self._clean(side)[:15] for side in (received.receiver, received.sender)]
        receiver, sender = (side if len(side) >= 2 else "ZZ" for side in sides)
        self.add("GS", "FA", receiver, sender, f"{now:%Y%m%d}", f"{now:%H%M}", str(number), "X", GUIDE_OF_999)

    def add(self, *elements: str) -> None:
        """Adds a segment without its empty trailing elements."""
        text = self._separators.element.join(map(self._clean, elements))
        self._segments.append(text.rstrip(self._separators.element))

    def text(self) -> str:
        end = self._separators.segment + self._separators.line_end
        return "".join(segment + end for segment in self._segments)

    def _clean(self, element: str) -> str:
        return "".join(each if each in self._characters else " " for each in element).strip()


def _qualifier(kind: str) -> str:
    """Returns ISA05 or ISA07 as received, or ZZ (mutually defined) if it is damaged."""
    return kind if re.fullmatch("[A-Z0-9]{2}", kind) else "ZZ"


def _is_day(text: str) -> bool:
    if not re.fullmatch("[0-9]{6}", text):
        return False
    try:
        date(2000 + int(text[:2]), int(text[2:4]), int(text[4:]))
    except ValueError:
        return False
    return True


def _is_time(text: str) -> bool:
    return bool(re.fullmatch("([01][0-9]|2[0-3])[0-5][0-9]", text))
