"""Reads the envelope of a received file, even if the file is damaged: what an acknowledgement names of it.

The import has another reader (`reading/envelope_checks.py`), which stops where a file can't be imported. This one only
needs separators, so it also describes files that the import rejects.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from affilia_cli.enrollment_file.acknowledging.separators import Separators
from affilia_cli.enrollment_file.reading.segment_texts import MAX_BYTES
from affilia_cli.local_files import read_regular

BYTE_ORDER_MARK = b"\xef\xbb\xbf"
ISA_ELEMENTS = 16
LINE_ENDS = b"\r\n", b"\n"
MAX_ISA_BYTES = 1000
"""An ISA segment has 106 bytes. A damaged one can be longer."""

STRUCTURE, CUT_OFF = "022", "023"
"""TA105: the nesting of the envelope is wrong; the file ends too early."""


@dataclass(slots=True)
class ReceivedSet:
    """A transaction set (ST to SE). `segments` is the actual number of segments, including ST and SE."""

    kind: str
    number: str
    guide: str
    segments: int = 0
    named_segments: str = ""
    trailer_number: str = ""


@dataclass(slots=True)
class ReceivedGroup:
    """A functional group (GS to GE)."""

    kind: str
    sender: str
    receiver: str
    number: str
    guide: str
    sets: list[ReceivedSet] = field(default_factory=list)
    named_sets: str = ""
    trailer_number: str = ""


@dataclass(slots=True)
class ReceivedEnvelope:
    """An interchange (ISA to IEA). `isa` are its 16 elements; missing ones are empty.

    `fault` is the TA105 code of a wrong structure, or empty. If it is set, the groups are incomplete.
    """

    isa: tuple[str, ...]
    separators: Separators
    groups: list[ReceivedGroup] = field(default_factory=list)
    named_groups: str = ""
    trailer_number: str = ""
    fault: str = ""
    has_ta1: bool = False

    @property
    def is_acknowledgement(self) -> bool:
        """Whether the interchange only acknowledges others. Such an interchange must never be acknowledged."""
        return (self.has_ta1 or bool(self.groups)) and all(group.kind == "FA" for group in self.groups)

    @property
    def number(self) -> str:
        return self.isa[12]

    @property
    def wants_acknowledgement(self) -> bool:
        return self.isa[13] == "1"


def read_envelope(path: Path) -> ReceivedEnvelope | None:
    """Returns the envelope of a file, as `envelope_of` does. Raises OSError."""
    return envelope_of(read_regular(path, MAX_BYTES))


def envelope_of(content: bytes) -> ReceivedEnvelope | None:
    """Returns the envelope of a file, or None if the file doesn't begin with ISA."""
    start = len(BYTE_ORDER_MARK) if content.startswith(BYTE_ORDER_MARK) else 0
    while content[start : start + 1].isspace():
        start += 1
    head = content[start : start + MAX_ISA_BYTES]
    if not head.startswith(b"ISA") or len(head) < 4:
        return None
    separator = head[3:4]
    # The last part begins with ISA16, which is one character, and the terminator.
    *isa, tail = head.split(separator, ISA_ELEMENTS)
    if len(isa) < ISA_ELEMENTS or len(tail) < 2:
        return _with_damaged_header([*isa[1:], tail], separator)
    component, terminator = tail[:1], tail[1:2]
    line_end = next((end for end in LINE_ENDS if tail.startswith(end, 2)), b"")
    separators = Separators(*map(_text, (separator, isa[11], component, terminator, line_end)))
    envelope = ReceivedEnvelope((*map(_element, isa[1:]), _text(component)), separators)
    end_of_isa = start + len(head) - len(tail) + 1
    _Reader(envelope, content, separator, terminator).read(end_of_isa)
    return envelope


def _with_damaged_header(elements: list[bytes], separator: bytes) -> ReceivedEnvelope:
    missing = [""] * (ISA_ELEMENTS - len(elements))
    separators = replace(Separators(), element=_text(separator))
    return ReceivedEnvelope((*map(_element, elements), *missing)[:ISA_ELEMENTS], separators, fault=CUT_OFF)


class _Reader:
    """Fills an envelope with the groups and sets of a file."""

    def __init__(self, envelope: ReceivedEnvelope, content: bytes, separator: bytes, terminator: bytes) -> None:
        self._envelope = envelope
        self._content = content
        self._separator = separator
        self._terminator = terminator
        self._group: ReceivedGroup | None = None
        self._set: ReceivedSet | None = None
        self._set_start = 0

    def read(self, start: int) -> None:
        """Reads what follows the ISA segment, whose terminator is at `start`. Stops where the nesting is wrong."""
        envelope, end = self._envelope, start
        for segment in self._segments(start):
            end = segment.end()
            elements = ["", *map(_element, segment[2].split(self._separator))]
            if not self._take(segment[1], elements + [""] * 8, segment.start(), end):
                envelope.fault = STRUCTURE
                return
            if segment[1] == b"IEA":
                break
        else:
            envelope.fault = CUT_OFF
            return
        if self._content[end + 1 :].strip():
            envelope.fault = STRUCTURE

    def _segments(self, start: int) -> Iterator[re.Match[bytes]]:
        """Yields the segments of the envelope, each without its own terminator, but with the one before it."""
        separator, terminator = re.escape(self._separator), re.escape(self._terminator)
        names = b"ISA|IEA|TA1|GS|GE|ST|SE"
        pattern = rb"%b[\r\n]*(%b)%b([^%b]*)(?=%b)" % (terminator, names, separator, terminator, terminator)
        yield from re.compile(pattern).finditer(self._content, start)

    def _take(self, name: bytes, at: list[str], start: int, end: int) -> bool:
        """Takes one segment. Returns False if it isn't allowed here."""
        envelope, group, transaction = self._envelope, self._group, self._set
        match name:
            case b"GS" if group is None:
                self._group = ReceivedGroup(at[1], at[2], at[3], at[6], at[8])
                envelope.groups.append(self._group)
            case b"ST" if group is not None and transaction is None:
                self._set, self._set_start = ReceivedSet(at[1], at[2], at[3]), start + 1
                group.sets.append(self._set)
            case b"SE" if transaction is not None:
                transaction.segments = self._content.count(self._terminator, self._set_start, end + 1)
                transaction.named_segments, transaction.trailer_number = at[1], at[2]
                self._set = None
            case b"GE" if group is not None and transaction is None:
                group.named_sets, group.trailer_number = at[1], at[2]
                self._group = None
            case b"TA1" if group is None:
                envelope.has_ta1 = True
            case b"IEA" if group is None:
                envelope.named_groups, envelope.trailer_number = at[1], at[2]
            case _:
                return False
        return True


def _element(value: bytes) -> str:
    return _text(value).strip()


def _text(value: bytes) -> str:
    return value.decode("utf-8", "replace")
