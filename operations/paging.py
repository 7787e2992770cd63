"""The requested page of a list."""

from dataclasses import dataclass
from typing import Generic, TypeVar

K = TypeVar("K")


@dataclass(frozen=True, slots=True)
class Page(Generic[K]):
    """At most `size` items of an ordered list, beginning after the item with the key `after`."""

    after: K
    size: int
