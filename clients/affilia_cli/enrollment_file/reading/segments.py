"""Reads the segments of an interchange and checks each of them against the implementation guide.

pyx12 contains the guide of 005010X220A1 and checks loops, required segments, code lists, lengths, and the counts and
control numbers of the envelope. It raises arbitrary exceptions for badly damaged files, which become findings here.
"""

import importlib.util
from collections.abc import Iterator
from hashlib import sha256
from typing import BinaryIO, NamedTuple

from affilia_cli.enrollment_file.codes import READ_LOOPS, READ_QUALIFIERS, READ_SEGMENTS, SOCIAL_SECURITY_NUMBER
from affilia_cli.enrollment_file.findings import (
    VALUE_CHARACTERS,
    Finding,
    GuideViolation,
    Pyx12Missing,
    Severity,
    ViolationKind,
    error,
)
from affilia_cli.enrollment_file.reading.envelope_checks import EnvelopeChecks, EnvelopeFault
from affilia_cli.enrollment_file.reading.guide_elements import ElementChecks, ElementFault
from affilia_cli.enrollment_file.reading.guide_walk import GuideWalk, WalkFault
from affilia_cli.enrollment_file.reading.segment_texts import SegmentTexts
from affilia_cli.enrollment_file.reading.unused_elements import UnusedElements

CALENDAR_FAULT = "8"
INVALID_CODE = "7"

READ_ANYWHERE = {
    name: frozenset().union(*(codes for (_, segment), codes in READ_QUALIFIERS.items() if segment == name))
    for name in ("DTP", "REF")
}


class Segment(NamedTuple):
    """One segment. `number` counts from 1 through the file.

    `loop` is a loop of the guide, such as "2100A". It is empty if the guide doesn't allow the segment where it is.
    """

    number: int
    name: str
    loop: str
    elements: tuple[str, ...]

    def at(self, position: int) -> str:
        """Returns the element at a position, counted from 1, or an empty string."""
        return self.elements[position - 1].strip() if position <= len(self.elements) else ""


class SegmentReader:
    """Reads the segments of one interchange in order, once.

    After the last segment, `findings` has all violations of the guide and all elements that aren't used, and `digest`
    is a digest of the content that doesn't depend on the line endings of the file.
    """

    def __init__(self, stream: BinaryIO) -> None:
        """Raises Pyx12Missing, and FileRejected if segments can't be separated."""
        if importlib.util.find_spec("pyx12") is None:
            raise Pyx12Missing
        self._texts = SegmentTexts(stream)
        self._envelope = EnvelopeChecks(self._texts.opening)
        self._walk = GuideWalk()
        self._elements = ElementChecks(self._envelope.component_separator)
        self._unused = UnusedElements()
        self._content = sha256()
        self._last = Segment(0, "ISA", "ISA_LOOP", ())
        self._set_number, self._set_start = "", 0
        self.findings: list[Finding] = []

    @property
    def digest(self) -> str:
        return self._content.hexdigest()

    def __iter__(self) -> Iterator[Segment]:
        """Raises FileRejected if the file is too large or isn't text."""
        for text in self._texts:
            try:
                segment = self._take(text)
            except Exception as fault:  # pyx12 raises arbitrary exceptions for badly damaged files.
                message = f"The nesting of ISA, GS and ST is broken from here on ({type(fault).__name__})."
                self.findings.append(error("ENVELOPE_STRUCTURE", message, self._last.number + 1))
                return
            yield segment
        self._add_envelope_faults(self._envelope.close(), self._last)
        self.findings += self._unused.findings()
        if rest := self._texts.remaining():
            self.findings.append(error("TEXT_AFTER_END", f"{rest} characters follow the last readable segment."))

    def _take(self, text: str) -> Segment:
        content = text.lstrip() if text.startswith(" ") else text
        name, *parts = content.split(self._envelope.element_separator)
        envelope_faults = self._envelope.take(text, name)
        elements = tuple(parts)
        if name != "ISA" and self._envelope.component_separator in text:
            elements = tuple(part.rstrip(self._envelope.component_separator) for part in parts)
        self._content.update(f"{name}\0{chr(0).join(elements)}\1".encode())
        number = self._last.number + 1

        walk = self._walk.step(name, elements, lambda: self._envelope.segment(content))
        for missing in walk.faults:
            self._add_walk_fault(missing, number)
        if name == "ST":
            self._set_number, self._set_start = elements[1] if len(elements) > 1 else "", number
        if walk.node is None:
            segment = self._unexpected(Segment(number, name, "", elements), walk.position.loop)
        else:
            segment = Segment(number, name, walk.position.loop, elements)
            checked = self._elements.check(walk.node, parts, lambda: self._envelope.segment(content))
            for fault in checked.faults:
                self._add_element_fault(fault, segment)
            for kind in checked.unused:
                self._unused.add(kind, number)
        if envelope_faults:
            self._add_envelope_faults(envelope_faults, segment)
        if name == "SE":
            self._set_number, self._set_start = "", 0
        self._last = segment
        return segment

    def _add_walk_fault(self, fault: WalkFault, number: int) -> None:
        # A missing segment is reported at the segment before it, which belongs to the same member.
        at = self._last.number if fault.is_missing else number
        code = "SEGMENT_MISSING" if fault.is_missing else "SEGMENT_TOO_OFTEN"
        kind = ViolationKind.MISSING if fault.is_missing else ViolationKind.TOO_OFTEN
        violation = self._violation(number, fault.segment, fault.loop, kind)
        self.findings.append(Finding(Severity.ERROR, code, fault.message, at, fault.loop, fault.segment, violation))

    def _unexpected(self, segment: Segment, loop: str) -> Segment:
        """Reports a segment that the guide doesn't allow, and returns it. It is a warning for dates and references that
        aren't read anyway, and for the social security number of a member, which is read although it isn't allowed."""
        name, qualifier = segment.name, segment.at(1)
        message, severity = f"{name}*{qualifier} is not allowed here", Severity.ERROR
        if (name, qualifier, loop) == ("REF", SOCIAL_SECURITY_NUMBER, "2000"):
            message, severity = f"{message}, but is read", Severity.WARNING
            segment = segment._replace(loop=loop)
        elif loop in READ_LOOPS and name in READ_ANYWHERE and qualifier not in READ_ANYWHERE[name]:
            message, severity = f"{message} and is ignored", Severity.WARNING
        violation = self._violation(segment.number, name, loop, ViolationKind.UNEXPECTED)
        self.findings.append(
            Finding(severity, "SEGMENT_UNEXPECTED", f"{message}.", segment.number, loop, name, violation)
        )
        return segment

    def _add_element_fault(self, fault: ElementFault, segment: Segment) -> None:
        # Errors in segments that the import doesn't read are only warnings.
        is_read = segment.loop not in READ_LOOPS or segment.name in READ_SEGMENTS
        severity = Severity.ERROR if is_read else Severity.WARNING
        code = "DATE_UNKNOWN" if fault.code == CALENDAR_FAULT else "ELEMENT_MALFORMED"
        violation = self._violation(
            segment.number,
            segment.name,
            segment.loop,
            ViolationKind.ELEMENTS,
            fault.position,
            fault.code,
            fault.value[:VALUE_CHARACTERS],
        )
        element = fault.element or segment.name
        self.findings.append(Finding(severity, code, fault.message, segment.number, segment.loop, element, violation))

    def _add_envelope_faults(self, faults: list[EnvelopeFault], at: Segment) -> None:
        for fault in faults:
            violation = None
            if fault.code in ("SET_COUNT", "SET_CONTROL_NUMBERS"):
                position = 1 if fault.code == "SET_COUNT" else 2
                violation = self._violation(
                    at.number, at.name, "", ViolationKind.ELEMENTS, position, INVALID_CODE, at.at(position)
                )
            severity = Severity.ERROR if fault.is_error else Severity.WARNING
            loop = at.loop if fault.level == "SEG" else fault.level
            self.findings.append(Finding(severity, fault.code, fault.message, at.number, loop, at.name, violation))

    def _violation(
        self,
        number: int,
        segment: str,
        loop: str,
        kind: ViolationKind,
        element: int = 0,
        code: str = "",
        value: str = "",
    ) -> GuideViolation:
        position = number - self._set_start + 1 if self._set_start else 0
        return GuideViolation(self._set_number, position, segment, loop, kind, element, code, value)
