"""The implementation guide 005010X220A1, as pyx12 contains it. Its nodes are pyx12's and untyped."""

from collections.abc import Iterator
from functools import cache
from typing import Any

GUIDE = "005010X220A1"


@cache
def guide() -> Any:
    from pyx12.map_if import load_map_file
    from pyx12.params import ParamsBase

    return load_map_file("834.5010.X220.A1.xml", ParamsBase())


def nodes() -> Iterator[Any]:
    """Yields all loops and segments of the guide, each loop before what it contains."""

    def inside(parent: Any) -> Iterator[Any]:
        for position in sorted(parent.pos_map):
            for node in parent.pos_map[position]:
                yield node
                if node.is_loop():
                    yield from inside(node)

    yield from inside(guide())


def loop_of(node: Any) -> str:
    """Returns the loop of a segment, such as "2100A", or a loop's own name."""
    parts = str(node.get_path()).split("/")
    return parts[-2] if node.is_segment() else parts[-1]


@cache
def segment_names() -> frozenset[str]:
    return frozenset(node.id for node in nodes() if node.is_segment())


@cache
def qualifiers() -> dict[str, frozenset[str]]:
    """Returns, for segments whose place in the guide depends on their first element, all codes of that element."""
    found: dict[str, frozenset[str]] = {}
    for node in nodes():
        if node.is_segment() and (codes := getattr(node.children[0], "valid_codes", ())):
            found[node.id] = found.get(node.id, frozenset()) | frozenset(codes)
    return found


@cache
def data_element_numbers() -> dict[tuple[str, int], str]:
    """Returns the numbers of data elements by segment and position from 1, such as "1069" for INS02.

    They are the same in all loops. Composites have none.
    """
    return {
        (node.id, element.seq): element.data_ele
        for node in nodes()
        if node.is_segment()
        for element in node.children
        if element.is_element() and element.data_ele.isdigit()
    }
