"""Finds the position of each segment in the guide, with pyx12's walker, which counts how often each loop and segment
occurred.

pyx12 takes about a quarter of a millisecond for a segment. A walk depends only on the last position, on the counts
since then, and on the segment's name and qualifier. Every walk is therefore made once and its result is used again,
which makes files of 100 000 members readable in seconds.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from affilia_cli.enrollment_file.reading.guide import guide, loop_of, nodes, qualifiers

ENVELOPE_PATHS = {"ISA": "/ISA_LOOP/ISA", "GS": "/ISA_LOOP/GS_LOOP/GS"}

MAX_WALKS = 50_000
"""All results are forgotten when there are more. A usual file has a few hundred."""


@dataclass(frozen=True, slots=True)
class WalkFault:
    """A segment that is missing before the segment that was found, or a loop or segment that occurs too often."""

    is_missing: bool
    message: str
    loop: str
    segment: str


class Position:
    """A node of the guide, how often everything occurred up to there, and the known walks from there."""

    __slots__ = ("counts", "loop", "node", "walks")

    def __init__(self, node: Any, counts: dict[Any, int]) -> None:
        self.node = node
        self.loop = loop_of(node)
        self.counts = counts
        self.walks: dict[tuple[str, str], Walk] = {}


@dataclass(frozen=True, slots=True)
class Walk:
    """A walk to the next segment. `node` is None if the guide doesn't allow the segment there."""

    node: Any
    position: Position
    faults: tuple[WalkFault, ...]


class GuideWalk:
    """Walks through the guide, segment by segment."""

    def __init__(self) -> None:
        self._positions: dict[object, Position] = {}
        self._known = 0
        self.position = Position(guide().getnodebypath(ENVELOPE_PATHS["ISA"]), {})

    def step(self, name: str, elements: Sequence[str], segment: Callable[[], Any]) -> Walk:
        """Walks to the next segment. `segment` makes pyx12's segment, which is rarely needed."""
        first = elements[0] if elements else ""
        key = (name, first if first in qualifiers().get(name, ()) else "")
        walk = self.position.walks.get(key)
        if walk is None:
            walk = self._envelope(name) if name in ENVELOPE_PATHS else self._walk(segment())
            self._remember(key, walk)
        self.position = walk.position
        return walk

    def _remember(self, key: tuple[str, str], walk: Walk) -> None:
        if self._known == MAX_WALKS:
            for position in self._positions.values():
                position.walks.clear()
            self._positions.clear()
            self._known = 0
        self.position.walks[key] = walk
        self._known += 1

    def _envelope(self, name: str) -> Walk:
        from pyx12.map_walker import walk_tree

        path = ENVELOPE_PATHS[name]
        walker: Any = walk_tree(self.position.counts)
        walker.forceWalkCounterToLoopStart(path.rpartition("/")[0], path)
        node = guide().getnodebypath(path)
        return Walk(node, self._position(node, walker), ())

    def _walk(self, segment: Any) -> Walk:
        from pyx12.map_walker import walk_tree

        walker: Any = walk_tree(self.position.counts)
        node, _, _, faults = walker.walk_errors(self.position.node, segment, 0, 0, None)
        if node is None:
            return Walk(None, self.position, ())
        found = tuple(
            WalkFault(fault.err_cde == "3", fault.err_str, loop_of(fault.map_node), fault.map_node.id)
            for fault in faults
        )
        return Walk(node, self._position(node, walker), found)

    def _position(self, node: Any, walker: Any) -> Position:
        # Counts of what can occur without limit don't matter beyond 1, and would make every position a new one.
        counts = {path: 1 if path in _unlimited() else count for path, count in walker.getCountState().items()}
        key = (id(node), frozenset(counts.items()))
        return self._positions.setdefault(key, Position(node, counts))


@cache
def _unlimited() -> frozenset[Any]:
    """Returns the paths of loops and segments that can occur any number of times."""
    limited = {node.x12path for node in nodes() if node.get_max_repeat() < _no_limit()}
    return frozenset(node.x12path for node in nodes()) - limited


def _no_limit() -> int:
    from pyx12.map_if._base import MAXINT

    return int(MAXINT)
