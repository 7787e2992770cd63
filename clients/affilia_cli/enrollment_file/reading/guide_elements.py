"""Checks the elements of a segment against the guide, with pyx12, and finds elements that the import doesn't use.

pyx12 takes about a fifth of a millisecond for a segment. Its result doesn't depend on free text that only has allowed
characters and an allowed length, nor on valid dates. These are replaced by a mark, and the result for the remaining
elements is remembered.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Any

from affilia_cli.enrollment_file.reading.guide import guide
from affilia_cli.enrollment_file.reading.unused_elements import UnusedKind, unused_kinds

MAX_RESULTS = 50_000
"""All results of a node are forgotten when there are more."""

FORMAT, FORMATTED = "1250", "1251"
"""Data elements: the format of a date, and the date."""

DAY = "D8"
"""The format of a single date, such as 20260131."""

MAX_DAYS = 100_000

PRINTABLE = [chr(code) for code in range(33, 127)]


@dataclass(frozen=True, slots=True)
class ElementFault:
    """An element that breaks the guide. `element` is its name, such as "INS02", or empty if it concerns several."""

    code: str
    message: str
    element: str
    position: int
    value: str


@dataclass(frozen=True, slots=True)
class CheckedElements:
    """What is wrong with a segment's elements, and what it fills that the import doesn't use."""

    faults: tuple[ElementFault, ...]
    unused: tuple[UnusedKind, ...]


class ElementChecks:
    """The checks of an interchange with its own separators."""

    def __init__(self, component_separator: str) -> None:
        self._separator = component_separator
        self._of_nodes: dict[int, _NodeChecks] = {}

    def check(self, node: Any, elements: Sequence[str], segment: Callable[[], Any]) -> CheckedElements:
        """Checks a segment that was found at a node. `segment` makes pyx12's segment, which is rarely needed."""
        checks = self._of_nodes.get(id(node))
        if checks is None:
            checks = self._of_nodes[id(node)] = _NodeChecks(node, self._separator)
        return checks.check(elements, segment)


class _NodeChecks:
    def __init__(self, node: Any, separator: str) -> None:
        self._node = node
        self._texts = [_free_text(child, separator) for child in node.children]
        self._days = [i for i, (before, child) in enumerate(pairwise(node.children), 1) if _is_day(before, child)]
        self._results: dict[tuple[str | None, ...], CheckedElements] = {}

    def check(self, elements: Sequence[str], segment: Callable[[], Any]) -> CheckedElements:
        # None stands for valid free text and dates. Elements beyond those of the guide are kept.
        marked = [
            None if is_valid is not None and is_valid(element) else element
            for element, is_valid in zip(elements, self._texts, strict=False)
        ]
        for i in self._days:
            if i < len(elements) and elements[i - 1] == DAY and _is_valid_day(elements[i]):
                marked[i] = None
        key = (*marked, *elements[len(marked) :])
        result = self._results.get(key)
        if result is None:
            if len(self._results) == MAX_RESULTS:
                self._results.clear()
            result = self._results[key] = self._checked(segment())
        return result

    def _checked(self, segment: Any) -> CheckedElements:
        unused = tuple(unused_kinds(self._node, segment))
        try:
            _, faults = self._node.is_valid_errors(segment)
        except Exception as fault:  # pyx12 raises arbitrary exceptions, for example for too many components.
            message = f"The elements of {self._node.id} can't be checked ({type(fault).__name__})."
            return CheckedElements((ElementFault("6", message, "", 0, ""),), unused)
        return CheckedElements(tuple(_fault(fault) for fault in faults), unused)


def _fault(fault: Any) -> ElementFault:
    # A fault that concerns several elements has the number of one of them, or no element.
    name = fault.refdes if isinstance(fault.refdes, str) else ""
    digits = re.search(r"(\d\d)(?:-\d+)?$", name)
    position = int(digits[1]) if digits else fault.refdes if isinstance(fault.refdes, int) else 0
    return ElementFault(str(fault.err_cde), fault.err_str, name, position, str(fault.err_val or ""))


def _is_day(before: Any, child: Any) -> bool:
    """Whether an element is a date in the format of the element before it, which can be D8."""
    if not before.is_element() or not child.is_element() or child.usage == "N":
        return False
    return before.data_ele == FORMAT and DAY in before.valid_codes and child.data_ele == FORMATTED


@lru_cache(MAX_DAYS)
def _is_valid_day(text: str) -> bool:
    from pyx12.validation import IsValidDataType

    return bool(IsValidDataType(text, DAY))


def _free_text(child: Any, separator: str) -> Callable[[str], object] | None:
    """Returns a test that free text is certainly valid. Returns None for codes, dates, numbers and components."""
    from pyx12.validation import IsValidDataType

    if not child.is_element() or child.usage == "N" or child.valid_codes or child.external_codes or child.rec:
        return None
    if child.data_type not in ("AN", "ID") or child.data_ele == FORMATTED:
        return None
    root = guide()
    allowed = [
        character
        for character in PRINTABLE
        if character != separator
        and IsValidDataType(character, child.data_type, str(root.param.get("charset")), root.icvn)
    ]
    characters = re.escape("".join(allowed))
    shortest, longest = max(child.min_len - 1, 0), child.max_len - 1
    return re.compile(f"[{characters} ]{{{shortest},{longest}}}[{characters}]").fullmatch
