"""Groups of INS loops that are about one person."""

from collections.abc import Iterator


class LoopGroups:
    """A partition of the loops 0 to `count` - 1 that only gets coarser (a union-find structure)."""

    def __init__(self, count: int) -> None:
        self._parents = list(range(count))

    def root(self, loop: int) -> int:
        """Returns the first loop of a loop's group."""
        parents = self._parents
        while parents[loop] != loop:
            parents[loop] = parents[parents[loop]]
            loop = parents[loop]
        return loop

    def join(self, one: int, other: int) -> int:
        """Joins the groups of two loops. Returns the first loop of the joint group."""
        first, second = sorted((self.root(one), self.root(other)))
        self._parents[second] = first
        return first

    def groups(self) -> Iterator[list[int]]:
        """Yields the loops of each group, in order."""
        found: dict[int, list[int]] = {}
        for loop in range(len(self._parents)):
            found.setdefault(self.root(loop), []).append(loop)
        yield from found.values()
