"""Finds the line of a field in a JSON file, given its path in the message."""

import json
import re
from collections.abc import Iterator
from json.decoder import scanstring  # type: ignore[attr-defined]

STEP = re.compile(r"\[(\d+)\]|([^.\[\]]+)")
SPACE = re.compile(r"\s*")
UNDERSCORE = re.compile(r"_([a-z0-9])")

DECODER = json.JSONDecoder()


def line_of(text: str, path: str) -> int:
    """Returns the line, from 1 on, of a path such as `versions[0].modules[2].slot` in valid JSON.

    If the file doesn't have the field, this is the line of the innermost part that it has. Names can be in snake case
    or, as protobuf writes them, in camel case.
    """
    position = _after_space(text, 0)
    for index, name in STEP.findall(path):
        found = _item(text, position, int(index)) if index else _member(text, position, name)
        if found is None:
            break
        position = found
    return text.count("\n", 0, position) + 1


def _item(text: str, position: int, index: int) -> int | None:
    if text[position] != "[":
        return None
    return next((start for n, start in enumerate(_items(text, position + 1)) if n == index), None)


def _items(text: str, position: int) -> Iterator[int]:
    """Yields where each item of an array begins. `position` is after its opening bracket."""
    position = _after_space(text, position)
    while text[position] != "]":
        yield position
        position = _after_comma(text, DECODER.raw_decode(text, position)[1])


def _member(text: str, position: int, name: str) -> int | None:
    if text[position] != "{":
        return None
    names = {name, UNDERSCORE.sub(lambda found: found[1].upper(), name)}
    return next((start for key, start in _members(text, position + 1) if key in names), None)


def _members(text: str, position: int) -> Iterator[tuple[str, int]]:
    """Yields the name of each member of an object, and where its value begins."""
    position = _after_space(text, position)
    while text[position] != "}":
        key, position = scanstring(text, position + 1)
        position = _after_space(text, _after_space(text, position) + len(":"))
        yield key, position
        position = _after_comma(text, DECODER.raw_decode(text, position)[1])


def _after_comma(text: str, position: int) -> int:
    position = _after_space(text, position)
    return _after_space(text, position + 1) if text[position] == "," else position


def _after_space(text: str, position: int) -> int:
    found = SPACE.match(text, position)
    return found.end() if found else position
