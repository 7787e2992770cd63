"""Bytes to segments, each at its place in the implementation guide: the only file that knows pyx12.

pyx12 brings the guide of 005010X220A1 as data and walks it: loops, required segments, code lists, lengths, and the
counts and control numbers of the envelope. It has no types and now and then trips over what is badly broken, so
whatever it raises becomes a finding here.
"""

import re
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from io import StringIO
from typing import Any

from pyx12.map_if import load_map_file
from pyx12.map_walker import walk_tree
from pyx12.params import ParamsBase
from pyx12.x12file import X12Reader

from server.enrollment_file.codes import READ_LOOPS, READ_QUALIFIERS, READ_SEGMENTS
from server.enrollment_file.findings import FileRefused, Finding, error, warning

GUIDE = "005010X220A1"
MOST_BYTES = 256 * 1024 * 1024

CONTROL_CHARACTERS = re.compile(r"[\x00-\x08\x0b-\x0c\x0e-\x1f\x7f-\x9f]")
CALENDAR_FAULT = "8"
ENVELOPE_PATHS = {"ISA": "/ISA_LOOP/ISA", "GS": "/ISA_LOOP/GS_LOOP/GS"}


@dataclass(frozen=True, slots=True)
class Segment:
    """One segment as written. `number` counts from 1 through the file; `loop` is the guide's, such as "2100A"."""

    number: int
    name: str
    loop: str
    elements: tuple[str, ...]

    def at(self, position: int) -> str:
        """The element at a position, counted from 1; empty where the segment ends before it."""
        return self.elements[position - 1].strip() if position <= len(self.elements) else ""


@dataclass(frozen=True, slots=True)
class Reading:
    """All segments of an interchange in order, what is wrong with them, and a digest of what they say.

    `findings` holds what the guide alone can tell. The digest is the same whatever line ends the file has.
    """

    segments: tuple[Segment, ...]
    findings: tuple[Finding, ...]
    digest: str


def read_segments(content: bytes) -> Reading:
    """The segments of one interchange. FileRefused where there is no telling where segments begin and end."""
    if len(content) > MOST_BYTES:
        raise FileRefused([error("FILE_TOO_LARGE", f"has {len(content)} bytes; at most {MOST_BYTES} are read")])
    try:
        text = content.decode("utf-8-sig").lstrip()
    except UnicodeDecodeError as fault:
        raise FileRefused([error("NOT_TEXT", f"byte {fault.start} is no UTF-8 text")]) from None
    if CONTROL_CHARACTERS.search(text):
        raise FileRefused([error("NOT_TEXT", "holds control characters")])
    try:
        source = X12Reader(StringIO(text))
    except Exception as fault:
        raise FileRefused([error("NO_INTERCHANGE", str(fault), 1, "ISA_LOOP", "ISA")]) from None
    walk = _Walk(source)
    walk.run()
    if rest := source.raw.buffer.strip():
        walk.findings.append(
            error("TEXT_AFTER_END", f"{len(rest)} characters follow the last segment that could be read")
        )
    said = "".join(f"{segment.name}\0{chr(0).join(segment.elements)}\1" for segment in walk.segments)
    return Reading(tuple(walk.segments), tuple(walk.findings), sha256(said.encode()).hexdigest())


class _Walk:
    """One pass through a file beside the guide."""

    def __init__(self, source: Any) -> None:
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
        except Exception as fault:  # Of pyx12, which is not written for everything that a line can do to a file.
            number = len(self.segments) + 1
            message = f"the nesting of ISA, GS and ST cannot be followed from here on ({type(fault).__name__})"
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
        """The guide's node of a segment; None where the guide has none at this place."""
        if path := ENVELOPE_PATHS.get(name):
            self._walker.forceWalkCounterToLoopStart(path.rpartition("/")[0], path)
            return _guide().getnodebypath(path)
        source = self._source
        node, _, _, faults = self._walker.walk_errors(
            self._node, raw, source.get_seg_count(), source.get_cur_line(), source.get_ls_id()
        )
        # What is missing was missing before this segment; so it is told of the segment before.
        for fault in faults if node is not None else ():
            missing = fault.err_cde == "3"
            place = self.segments[-1].number if missing else len(self.segments) + 1
            code = "SEGMENT_MISSING" if missing else "SEGMENT_TOO_OFTEN"
            self.findings.append(error(code, fault.err_str, place, _loop_of(fault.map_node), fault.map_node.id))
        return node

    def _element_errors(self, raw: Any, segment: Segment) -> None:
        _, faults = self._node.is_valid_errors(raw)
        # What the import does not read may be as it likes.
        matters = segment.loop not in READ_LOOPS or segment.name in READ_SEGMENTS
        tell = error if matters else warning
        for fault in faults:
            code = "DATE_UNKNOWN" if fault.err_cde == CALENDAR_FAULT else "ELEMENT_MALFORMED"
            # A fault of several elements together names none of them, or only a number.
            element = fault.refdes if isinstance(fault.refdes, str) and fault.refdes else segment.name
            self.findings.append(tell(code, fault.err_str, segment.number, segment.loop, element))

    def _envelope_errors(self) -> None:
        """What the reader counted: control numbers and numbers of segments, transaction sets and groups."""
        for kind, _, message, _, _ in self._source.pop_errors():
            at = self.segments[-1] if self.segments else Segment(1, "ISA", "ISA_LOOP", ())
            if kind == "seg":
                trailing = "trailing element" in message
                tell = warning if trailing else error
                self.findings.append(tell("SEGMENT_MALFORMED", message, at.number, at.loop, at.name))
            else:
                self.findings.append(error("ENVELOPE_CONTRADICTORY", message, at.number, kind.upper(), at.name))


def _unexpected(segment: Segment, loop: str) -> Finding:
    """A date or a reference of a kind that is not read anyway is passed over; anything else may hide a shift."""
    message = f"{segment.name}*{segment.at(1)} is not foreseen at this place"
    unread = segment.name in READ_QUALIFIERS and segment.at(1) not in READ_QUALIFIERS[segment.name]
    if unread and loop in READ_LOOPS:
        return warning("SEGMENT_UNEXPECTED", f"{message}, and was not read", segment.number, loop, segment.name)
    return error("SEGMENT_UNEXPECTED", message, segment.number, loop, segment.name)


def _loop_of(node: Any) -> str:
    parts = str(node.get_path()).split("/")
    return parts[-2] if node.is_segment() else parts[-1]


@cache
def _guide() -> Any:
    return load_map_file("834.5010.X220.A1.xml", ParamsBase())
