"""Checks control numbers, counts and the nesting of ISA, GS and ST, with pyx12's reader.

pyx12's reader takes most segments only to count them. Those are counted here without it, because it is slow.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from io import StringIO
from typing import Any

from affilia_cli.enrollment_file.findings import FileRejected, error
from affilia_cli.enrollment_file.reading.guide import segment_names

ENVELOPE_SEGMENTS = frozenset({"ISA", "IEA", "GS", "GE", "ST", "SE"})

CODES = {
    ("isa", "001"): "ENVELOPE_CONTROL_NUMBERS",
    ("isa", "021"): "ENVELOPE_GROUP_COUNT",
    ("gs", "4"): "GROUP_CONTROL_NUMBERS",
    ("gs", "5"): "GROUP_SET_COUNT",
    ("gs", "6"): "GROUP_CONTROL_NUMBERS",
    ("st", "3"): "SET_CONTROL_NUMBERS",
    ("st", "4"): "SET_COUNT",
    ("st", "23"): "SET_CONTROL_NUMBERS",
}
"""pyx12's codes of wrong control numbers and counts. All others concern the nesting."""


@dataclass(frozen=True, slots=True)
class EnvelopeFault:
    """`level` is ISA, GS, ST or SEG. A fault that is only a matter of form is no error."""

    code: str
    message: str
    level: str
    is_error: bool = True


class EnvelopeChecks:
    """The checks of one interchange. `opening` is its ISA segment with the terminator, which has fixed positions."""

    def __init__(self, opening: str) -> None:
        """Raises FileRejected if the ISA segment isn't one of a known version."""
        from pyx12.x12file import X12Reader

        try:
            self._reader: Any = X12Reader(StringIO(opening))
        except Exception as fault:  # pyx12 raises its own and other exceptions.
            raise FileRejected([error("NO_INTERCHANGE", str(fault), 1, "ISA_LOOP", "ISA")]) from None
        self.element_separator = str(self._reader.ele_term)
        self.component_separator = str(self._reader.subele_term)
        self._terminator = str(self._reader.seg_term)
        self._counted = segment_names() - ENVELOPE_SEGMENTS
        self._feed = _Feed()
        self._reader.raw = self._feed
        self._segments = iter(self._reader)

    def segment(self, text: str) -> Any:
        """Returns pyx12's segment."""
        from pyx12.segment import Segment

        return Segment(text, self._terminator, self.element_separator, self.component_separator)

    def take(self, text: str, name: str) -> list[EnvelopeFault]:
        """Takes the next segment. Raises arbitrary exceptions if the envelope is badly damaged."""
        if name in self._counted and self._is_well_formed(text, name):
            self._reader.seg_count += 1
            return []
        self._feed.text = text
        next(self._segments)
        if name == "GS":
            # pyx12 looks for each number in a list, which is slow for files with many sets.
            self._reader.st_ids = _Numbers()
        return self._faults(ended=False)

    def close(self) -> list[EnvelopeFault]:
        """Returns the faults of a file that ends here."""
        self._reader.cleanup()
        return self._faults(ended=True)

    def _is_well_formed(self, text: str, name: str) -> bool:
        return (
            len(text) > len(name)
            and text.startswith(name)
            and not text.endswith(self.element_separator)
            and self.component_separator not in text
        )

    def _faults(self, *, ended: bool) -> list[EnvelopeFault]:
        found = []
        for kind, code, message, _, _ in self._reader.pop_errors():
            if kind == "seg":
                found.append(EnvelopeFault("SEGMENT_MALFORMED", message, "SEG", "trailing element" not in message))
            else:
                nesting = "ENVELOPE_CUT_OFF" if ended else "ENVELOPE_STRUCTURE"
                found.append(EnvelopeFault(CODES.get((kind, code), nesting), message, kind.upper()))
        return found


class _Feed:
    """Gives pyx12's reader one text at a time, as often as it asks."""

    def __init__(self) -> None:
        self.text = ""

    def __iter__(self) -> Iterator[str]:
        while True:
            yield self.text


class _Numbers(set[object]):
    """A set that pyx12 can use as a list."""

    append = set.add
