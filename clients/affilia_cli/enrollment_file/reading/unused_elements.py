"""Elements of the guide that files can fill and the import doesn't use. None is ignored silently.

A kind is reported once per file with its count. A loop that isn't read is one kind.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from affilia_cli.enrollment_file.codes import ENVELOPE_LOOPS, READ_ELEMENTS, READ_QUALIFIERS
from affilia_cli.enrollment_file.findings import Finding, warning
from affilia_cli.enrollment_file.reading.guide import loop_of


@dataclass(frozen=True, slots=True)
class UnusedKind:
    """What is filled: a loop, a segment or an element, named as in the guide, such as "INS09 (student status code)"."""

    loop: str
    element: str
    name: str

    def __str__(self) -> str:
        return f"{self.element} ({self.name})"


class UnusedElements:
    """Counts the kinds of a file."""

    def __init__(self) -> None:
        self._counts: Counter[UnusedKind] = Counter()
        self._first: dict[UnusedKind, int] = {}

    def add(self, kind: UnusedKind, segment_number: int) -> None:
        self._counts[kind] += 1
        self._first.setdefault(kind, segment_number)

    def findings(self) -> Iterator[Finding]:
        """Yields one warning for each kind."""
        for kind, count in self._counts.items():
            times = "once" if count == 1 else f"{count} times"
            message = f"{kind} occurs {times}, first in segment {self._first[kind]}, and is not used."
            yield warning("ELEMENT_UNUSED", message, 0, kind.loop, kind.element)


def unused_kinds(node: Any, segment: Any) -> Iterator[UnusedKind]:
    """Yields what a segment fills and the import doesn't use. `node` and `segment` are pyx12's."""
    loop, name = loop_of(node), node.id
    if loop in ENVELOPE_LOOPS:
        return
    read = READ_ELEMENTS.get((loop, name))
    if read is None:
        if not _is_inside_unread_loop(node):
            yield UnusedKind(loop, name, _words(node.name))
        return
    qualifier = segment.get_value("01") or ""
    if (loop, name) in READ_QUALIFIERS and qualifier not in READ_QUALIFIERS[loop, name]:
        yield UnusedKind(loop, f"{name}*{qualifier}", _words(node.name))
        return
    for child, value in zip(node.children, segment.elements, strict=False):
        parts = [(child, value)] if child.is_element() else zip(child.children, value.elements, strict=False)
        for part, content in parts:
            if not content.is_empty() and part.refdes.removeprefix(name) not in read:
                yield UnusedKind(loop, part.refdes, _words(part.name))


def _is_inside_unread_loop(node: Any) -> bool:
    """Whether a segment is reported by the first segment of the outermost loop that isn't read."""
    loop = node.parent
    while loop is not None and not loop.is_map_root() and not _is_read(loop):
        first = loop.get_first_seg()
        if first is not node and first is not None:
            return True
        loop, node = loop.parent, first
    return False


def _is_read(loop: Any) -> bool:
    return loop.id in ENVELOPE_LOOPS or any(loop.id == read for read, _ in READ_ELEMENTS)


def _words(name: str) -> str:
    """Returns a name of the guide in lower case, except for acronyms."""
    return " ".join(word if word.isupper() else word.lower() for word in name.split())
