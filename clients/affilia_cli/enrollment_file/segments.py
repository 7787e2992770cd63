"""Splits bytes into segments and checks them against the implementation guide. Only this module uses pyx12.

pyx12 contains the guide of 005010X220A1 and checks loops, required segments, code lists, lengths, and the counts and
control numbers of the envelope. It is untyped and raises arbitrary exceptions for badly damaged files, which become
findings here.
"""

import importlib.util
import re
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from io import StringIO
from typing import Any

from affilia_cli.enrollment_file.codes import READ_LOOPS, READ_QUALIFIERS, READ_SEGMENTS
from affilia_cli.enrollment_file.findings import FileRejected, Finding, Pyx12Missing, error, warning

GUIDE = "005010X220A1"
MAX_BYTES = 256 * 1024 * 1024

CONTROL_CHARACTERS = re.compile(r"[\x00-\x08\x0b-\x0c\x0e-\x1f\x7f-\x9f]")
CALENDAR_FAULT = "8"
ENVELOPE_PATHS = {"ISA": "/ISA_LOOP/ISA", "GS": "/ISA_LOOP/GS_LOOP/GS"}


@dataclass(frozen=True, slots=True)
class Segment:
    """One segment. `number` counts from 1 through the file. `loop` is a loop of the guide, such as "2100A"."""

    number: int
    name: str
    loop: str
    elements: tuple[str, ...]

    def at(self, position: int) -> str:
        """Returns the element at a position, counted from 1, or an empty string."""
        return self.elements[position - 1].strip() if position <= len(self.elements) else ""


@dataclass(frozen=True, slots=True)
class Reading:
    """All segments of an interchange in order, the violations of the guide, and a digest of the content.

    The digest doesn't depend on the line endings of the file.
    """

    segments: tuple[Segment, ...]
    findings: tuple[Finding, ...]
    digest: str


def read_segments(content: bytes) -> Reading:
    """Returns the segments of one interchange. Raises Pyx12Missing, and FileRejected if segments can't be separated."""
    if importlib.util.find_spec("pyx12") is None:
        raise Pyx12Missing
    from pyx12.x12file import X12Reader

    if len(content) > MAX_BYTES:
        raise FileRejected(
            [error("FILE_TOO_LARGE", f"The file has {len(content)} bytes, more than the maximum of {MAX_BYTES}.")]
        )
    try:
        text = content.decode("utf-8-sig").lstrip()
    except UnicodeDecodeError as fault:
        raise FileRejected([error("NOT_TEXT", f"The file is not UTF-8 text (byte {fault.start}).")]) from None
    if CONTROL_CHARACTERS.search(text):
        raise FileRejected([error("NOT_TEXT", "The file contains control characters.")])
    try:
        source = X12Reader(StringIO(text))
    except Exception as fault:
        raise FileRejected([error("NO_INTERCHANGE", str(fault), 1, "ISA_LOOP", "ISA")]) from None
    walk = _Walk(source)
    walk.run()
    if rest := source.raw.buffer.strip():
        walk.findings.append(error("TEXT_AFTER_END", f"{len(rest)} characters after the last readable segment."))
    canonical = "".join(f"{segment.name}\0{chr(0).join(segment.elements)}\1" for segment in walk.segments)
    return Reading(tuple(walk.segments), tuple(walk.findings), sha256(canonical.encode()).hexdigest())


class _Walk:
    """Walks through a file and the guide in parallel."""

    def __init__(self, source: Any) -> None:
        from pyx12.map_walker import walk_tree

        self.segments: list[Segment] = []
        self.findings: list[Finding] = []
        self._source = source
        self._walker = walk_tree()
        self._node = _guide().getnodebypath(ENVELOPE_PATHS["ISA"])

    def run(self) -> None:
        try:
            for raw in self._source:
                self._take(raw)
            self._source.cleanup()
            self._envelope_errors()
        except Exception as fault:  # pyx12 raises arbitrary exceptions for badly damaged files.
            number = len(self.segments) + 1
            message = f"The nesting of ISA, GS and ST is broken from here on ({type(fault).__name__})."
            self.findings.append(error("ENVELOPE_BROKEN", message, number))

    def _take(self, raw: Any) -> None:
        name = raw.get_seg_id() or ""
        number = len(self.segments) + 1
        found = self._step(raw, name)
        loop = _loop_of(found or self._node)
        elements = tuple(element.format() for element in raw.elements)
        segment = Segment(number, name, loop if found else "", elements)
        self.segments.append(segment)
        if found is None:
            self.findings.append(_unexpected(segment, loop))
        else:
            self._node = found
            self._element_errors(raw, segment)
        self._envelope_errors()

    def _step(self, raw: Any, name: str) -> Any:
        """Returns the segment's node in the guide, or None if the guide doesn't allow the segment here."""
        if path := ENVELOPE_PATHS.get(name):
            self._walker.forceWalkCounterToLoopStart(path.rpartition("/")[0], path)
            return _guide().getnodebypath(path)
        source = self._source
        node, _, _, faults = self._walker.walk_errors(
            self._node, raw, source.get_seg_count(), source.get_cur_line(), source.get_ls_id()
        )
        # A missing segment is reported at the segment before it.
        for fault in faults if node is not None else ():
            missing = fault.err_cde == "3"
            number = self.segments[-1].number if missing else len(self.segments) + 1
            code = "SEGMENT_MISSING" if missing else "SEGMENT_TOO_OFTEN"
            self.findings.append(error(code, fault.err_str, number, _loop_of(fault.map_node), fault.map_node.id))
        return node

    def _element_errors(self, raw: Any, segment: Segment) -> None:
        _, faults = self._node.is_valid_errors(raw)
        # Errors in segments that the import doesn't read are only warnings.
        is_read = segment.loop not in READ_LOOPS or segment.name in READ_SEGMENTS
        finding = error if is_read else warning
        for fault in faults:
            code = "DATE_UNKNOWN" if fault.err_cde == CALENDAR_FAULT else "ELEMENT_MALFORMED"
            # An error that concerns several elements has no element name, or only a number.
            element = fault.refdes if isinstance(fault.refdes, str) and fault.refdes else segment.name
            self.findings.append(finding(code, fault.err_str, segment.number, segment.loop, element))

    def _envelope_errors(self) -> None:
        """Adds the reader's findings: wrong control numbers and counts of segments, sets and groups."""
        for kind, _, message, _, _ in self._source.pop_errors():
            at = self.segments[-1] if self.segments else Segment(1, "ISA", "ISA_LOOP", ())
            if kind == "seg":
                trailing = "trailing element" in message
                finding = warning if trailing else error
                self.findings.append(finding("SEGMENT_MALFORMED", message, at.number, at.loop, at.name))
            else:
                self.findings.append(error("ENVELOPE_CONTRADICTORY", message, at.number, kind.upper(), at.name))


def _unexpected(segment: Segment, loop: str) -> Finding:
    """Returns a warning for dates and references that aren't read anyway, and an error for everything else."""
    message = f"{segment.name}*{segment.at(1)} is not allowed here"
    unread = segment.name in READ_QUALIFIERS and segment.at(1) not in READ_QUALIFIERS[segment.name]
    if unread and loop in READ_LOOPS:
        return warning("SEGMENT_UNEXPECTED", f"{message} and is ignored.", segment.number, loop, segment.name)
    return error("SEGMENT_UNEXPECTED", f"{message}.", segment.number, loop, segment.name)


def _loop_of(node: Any) -> str:
    parts = str(node.get_path()).split("/")
    return parts[-2] if node.is_segment() else parts[-1]


@cache
def _guide() -> Any:
    from pyx12.map_if import load_map_file
    from pyx12.params import ParamsBase

    return load_map_file("834.5010.X220.A1.xml", ParamsBase())
