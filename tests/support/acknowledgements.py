"""Reads acknowledgements with pyx12, whose guide of the 999 contains the TA1, too."""

from collections.abc import Iterator
from functools import cache
from io import StringIO
from typing import Any

from pyx12.map_if import load_map_file
from pyx12.map_walker import walk_tree
from pyx12.params import ParamsBase
from pyx12.x12file import X12Reader

Segment = list[str]

AFTER_ISA = {"GS": "/ISA_LOOP/GS_LOOP/GS", "TA1": "/ISA_LOOP/TA1"}
"""Paths of segments that follow ISA. pyx12's guide has a TA1 only after a group."""


def read_back(text: str) -> list[Segment]:
    """Returns the segments of an acknowledgement, each as its elements. Asserts that the guide allows all of them."""
    reader = X12Reader(StringIO(text))
    walker, node = walk_tree(), _guide().getnodebypath("/ISA_LOOP/ISA")
    segments = []
    for raw in reader:
        name = raw.get_seg_id()
        segments.append([name, *(element.format() for element in raw.elements)])
        if name == "ISA" or (name in AFTER_ISA and len(segments) == 2):
            path = AFTER_ISA.get(name, "/ISA_LOOP/ISA")
            walker.forceWalkCounterToLoopStart(path.rpartition("/")[0], path)
            node = _guide().getnodebypath(path)
        elif name != "IEA" or segments[-2][0] != "TA1":
            found, _, _, faults = walker.walk_errors(
                node, raw, reader.get_seg_count(), reader.get_cur_line(), reader.get_ls_id()
            )
            assert found is not None, (segments[-1], text)
            assert not faults, ([fault.err_str for fault in faults], text)
            node = found
        _, faults = node.is_valid_errors(raw) if name != "IEA" else (True, [])
        assert not faults, ([(fault.refdes, fault.err_str) for fault in faults], segments[-1])
    reader.cleanup()
    assert reader.pop_errors() == []
    assert not reader.raw.buffer.strip()
    return segments


def named(segments: list[Segment], *names: str) -> Iterator[str]:
    """Yields the segments with these names as text, such as "AK9*A*1*1*1"."""
    for segment in segments:
        if segment[0] in names:
            yield "*".join(segment)


@cache
def _guide() -> Any:
    return load_map_file("999.5010X231.A1.xml", ParamsBase())
