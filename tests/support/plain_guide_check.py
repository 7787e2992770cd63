"""Checks a file against the implementation guide with pyx12 alone: the obvious way, which is slow."""

from io import StringIO
from typing import Any, NamedTuple

from affilia_cli.enrollment_file.reading.guide import guide

FORCED = {"ISA": "/ISA_LOOP/ISA", "GS": "/ISA_LOOP/GS_LOOP/GS"}


class Violation(NamedTuple):
    segment_number: int
    message: str


def violations(content: str) -> list[Violation]:
    """Returns all violations, sorted. Stops where pyx12 raises an exception."""
    from pyx12.map_walker import walk_tree
    from pyx12.x12file import X12Reader

    reader: Any = X12Reader(StringIO(content))
    walker: Any = walk_tree()
    node: Any = guide().getnodebypath(FORCED["ISA"])
    found: list[Violation] = []
    number = 0
    try:
        for number, segment in enumerate(reader, 1):
            place, messages = _step(walker, node, segment)
            # A missing segment is reported at the segment before it.
            found += [Violation(number - is_missing, message) for is_missing, message in messages]
            node = place or node
            found += [Violation(number, message) for message in (_element_errors(node, segment) if place else ())]
            found += [Violation(number, message) for _, _, message, _, _ in reader.pop_errors()]
        reader.cleanup()
        found += [Violation(number, message) for _, _, message, _, _ in reader.pop_errors()]
    except Exception:
        found.append(Violation(number + 1, "broken"))
    return sorted(found)


def _step(walker: Any, node: Any, segment: Any) -> tuple[Any, list[tuple[bool, str]]]:
    name = segment.get_seg_id() or ""
    if path := FORCED.get(name):
        walker.forceWalkCounterToLoopStart(path.rpartition("/")[0], path)
        return guide().getnodebypath(path), []
    place, _, _, faults = walker.walk_errors(node, segment, 0, 0, None)
    if place is None:
        return None, [(False, "unexpected")]
    return place, [(fault.err_cde == "3", fault.err_str) for fault in faults]


def _element_errors(node: Any, segment: Any) -> list[str]:
    try:
        return [fault.err_str for fault in node.is_valid_errors(segment)[1]]
    except Exception:
        return ["unchecked"]
