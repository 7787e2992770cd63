"""The numbers of X12 data elements, by which a 999 names wrong elements."""

from functools import cache

from affilia_cli.enrollment_file.reading.guide import nodes


def data_element_number(segment: str, position: int) -> str:
    """Returns the number of a data element, such as "1069" for INS02.

    Returns an empty string for composites and for elements that the guide doesn't have. `position` counts from 1.
    """
    return _numbers().get((segment, position), "")


@cache
def _numbers() -> dict[tuple[str, int], str]:
    """Returns the numbers by segment and position, which are the same in all loops."""
    return {
        (node.id, element.seq): element.data_ele
        for node in nodes()
        if node.is_segment()
        for element in node.children
        if element.is_element() and element.data_ele.isdigit()
    }
