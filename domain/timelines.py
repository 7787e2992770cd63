"""Timelines: functions of the day that change only now and then, such as an address, a price, or an age.

Immutable; pieces that touch and hold equal values are one. Sets of days without a value stand in `days.py`.
"""

from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise
from typing import Generic, TypeVar

from domain.days import ALL_DAYS, Day, Days, Span

T = TypeVar("T")
U = TypeVar("U")
V = TypeVar("V")


class PiecesOverlap(ValueError):
    """Two pieces of a timeline share a day."""


class Timeline(Generic[T]):
    """Pieces in order of time, none sharing a day; between them there may be days without a value."""

    __slots__ = ("pieces",)
    pieces: tuple[tuple[Span, T], ...]

    def __init__(self, pieces: tuple[tuple[Span, T], ...]) -> None:
        """Of pieces that are in order and merged already; anything else goes through `of`."""
        self.pieces = pieces

    @classmethod
    def of(cls, pieces: Iterable[tuple[Span, T]]) -> "Timeline[T]":
        """Of pieces in any order. Raises PiecesOverlap where two share a day."""
        in_order = sorted(pieces, key=lambda piece: piece[0])
        for (earlier, _), (later, _) in pairwise(in_order):
            if later.start < earlier.end:
                raise PiecesOverlap(f"{earlier} and {later} share a day")
        return cls(tuple(_merged(in_order)))

    @classmethod
    def constant(cls, value: T, days: Days = ALL_DAYS) -> "Timeline[T]":
        """One value on all of some days."""
        return cls(tuple((span, value) for span in days.spans))

    def at(self, day: Day) -> T | None:
        """The value of a day; None where there is none."""
        return next((value for span, value in self.pieces if span.holds(day)), None)

    @property
    def days(self) -> Days:
        """The days that have a value."""
        return Days.of(*(span for span, _ in self.pieces))

    def clip(self, days: Days) -> "Timeline[T]":
        """Only what lies on some days."""
        return Timeline(
            tuple((common, value) for span, value in self.pieces for common in (Days((span,)) & days).spans)
        )

    def without(self, days: Days) -> "Timeline[T]":
        """Only what lies on other days."""
        return self.clip(ALL_DAYS - days)

    def overlay(self, other: "Timeline[T]") -> "Timeline[T]":
        """The other's value where it has one, else this one's."""
        return Timeline.of([*self.without(other.days).pieces, *other.pieces])

    def map(self, change: Callable[[T], U]) -> "Timeline[U]":
        """Every value changed; pieces that become equal and touch are one."""
        return Timeline(tuple(_merged([(span, change(value)) for span, value in self.pieces])))

    def days_where(self, holds: Callable[[T], bool]) -> Days:
        """The days whose value satisfies something."""
        return Days.of(*(span for span, value in self.pieces if holds(value)))

    def __iter__(self) -> Iterator[tuple[Span, T]]:
        return iter(self.pieces)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Timeline) and self.pieces == other.pieces

    def __hash__(self) -> int:
        return hash(self.pieces)

    def __repr__(self) -> str:
        return f"Timeline({', '.join(f'{span}: {value}' for span, value in self.pieces)})"


def zip_timelines(first: Timeline[T], second: Timeline[U], merge: Callable[[T | None, U | None], V]) -> Timeline[V]:
    """Both values of every day on which at least one timeline has one, merged; None stands for a missing value."""
    days = first.days | second.days
    pieces = []
    for span in cut(days, [first.days, second.days, *_changes(first), *_changes(second)]):
        pieces.append((span, merge(first.at(span.start), second.at(span.start))))
    return Timeline(tuple(_merged(pieces)))


def _changes(timeline: Timeline[T]) -> list[Days]:
    return [Days((span,)) for span, _ in timeline.pieces]


def cut(days: Days, sets: Iterable[Days]) -> list[Span]:
    """Days cut wherever one of some sets begins or ends: spans in order, within each of which nothing changes."""
    bounds = sorted({bound for each in sets for span in each.spans for bound in span})
    pieces: list[Span] = []
    for span in days.spans:
        start = span.start
        for bound in bounds:
            if start < bound < span.end:
                pieces.append(Span(start, bound))
                start = bound
        pieces.append(Span(start, span.end))
    return pieces


def _merged(in_order: list[tuple[Span, T]]) -> list[tuple[Span, T]]:
    """Pieces in order, with neighbours that touch and hold equal values made one."""
    merged: list[tuple[Span, T]] = []
    for span, value in in_order:
        if merged and merged[-1][0].end == span.start and merged[-1][1] == value:
            merged[-1] = (Span(merged[-1][0].start, span.end), value)
        else:
            merged.append((span, value))
    return merged
