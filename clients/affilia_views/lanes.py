"""The lines of a drawn timeline: one for each module of a member or, for large groups, one for each member."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from itertools import groupby

from affilia.catalog.v1.contract_pb2 import Contract
from affilia_views.changes import DAY, without
from affilia_views.names import Names
from affilia_views.svg_style import NUM_COLORS
from affilia_views.timeline import Row, Span

ALL = "all"
MAX_LANES = 60
"""Timelines with more rows show one line for each member."""


@dataclass(frozen=True, slots=True)
class Lane:
    """A line of a timeline. `heading` is empty if the line above has the same."""

    heading: str
    label: str
    words: Sequence[str]
    spans: Sequence[Span]
    lost: Sequence[Span]
    gained: Sequence[Span]
    color: str
    """The class of the bars: `c0` to `c7`, or `all`."""
    member_id: str
    counts: Sequence[tuple[date, int]] = ()
    """For a line that stands for several modules: in how many of them the member is enrolled from each day on."""

    @property
    def is_whole_member(self) -> bool:
        """Whether the line stands for all modules of a member. Its label is the member's name."""
        return self.color == ALL

    @property
    def about(self) -> str:
        """Returns the line in words."""
        return f"{self.label}: {'; '.join(self.words)}"


def module_colors(contract: Contract) -> dict[str, int]:
    """Returns a color for each module of a contract. They stay the same when versions are added."""
    modules = [module.module_id for version in contract.versions for module in version.modules]
    return {module_id: n % NUM_COLORS for n, module_id in enumerate(dict.fromkeys(modules))}


def lanes_of(rows: Sequence[Row], names: Names, colors: Mapping[str, int], opened: Collection[str] = ()) -> list[Lane]:
    """Returns a line for each row or, if there are too many, for each member who isn't in `opened`. Modules without a
    color get the next one."""
    known = dict(colors)
    for row in rows:
        known.setdefault(row.module_id, len(known) % NUM_COLORS)
    collapses = len(rows) > MAX_LANES
    lanes = []
    for member_id, grouped in groupby(rows, lambda row: row.member_id):
        own = list(grouped)
        if collapses and member_id not in opened:
            lanes += members_of(own, names)
            continue
        heading = names.member(member_id)
        for row in own:
            color = f"c{known[row.module_id]}"
            lanes.append(_lane(heading, names.module(row.module_id), words_of(row.spans), [row], color))
            heading = ""
    return lanes


def members_of(rows: Iterable[Row], names: Names) -> list[Lane]:
    """Returns a line for each member, with all days on which they are enrolled in some module."""
    lanes = []
    for member_id, grouped in groupby(rows, lambda row: row.member_id):
        own = list(grouped)
        changed = sum(row.changed for row in own)
        ends = words_of(joined(span for row in own for span in row.spans))[-1]
        words = [_counted(sum(bool(row.spans) for row in own)), f"{changed} changed" if changed else "", ends]
        lane = _lane("", names.member(member_id), [", ".join(filter(None, words))], own, ALL)
        lanes.append(replace(lane, counts=counts_of(span for row in own for span in row.spans)))
    return lanes


def _lane(heading: str, label: str, words: Sequence[str], rows: Sequence[Row], color: str) -> Lane:
    spans = joined(span for row in rows for span in row.spans)
    before = joined(span for row in rows for span in (row.spans if row.before is None else row.before))
    return Lane(heading, label, words, spans, without(before, spans), without(spans, before), color, rows[0].member_id)


def counts_of(spans: Iterable[Span]) -> list[tuple[date, int]]:
    """Returns how many of the spans include a day, from each day on which that number changes."""
    changes: Counter[date] = Counter()
    for first, last in spans:
        changes[first] += 1
        if last and last < date.max:
            changes[last + DAY] -= 1
    counts, number = [], 0
    for on in sorted(on for on, change in changes.items() if change):
        number += changes[on]
        counts.append((on, number))
    return counts


def _counted(modules: int) -> str:
    return f"{modules} module" if modules == 1 else f"{modules} modules"


def words_of(spans: Sequence[Span]) -> list[str]:
    """Returns when spans end, one line each, such as `until 2026-03-31` and `from 2026-06-01, open-ended`."""
    lines = []
    for index, (first, last) in enumerate(spans):
        ends = f"until {last}" if last else "open-ended"
        lines.append(f"from {first} {ends}" if index and last else f"from {first}, {ends}" if index else ends)
    return lines or ["not enrolled"]


def joined(spans: Iterable[Span]) -> list[Span]:
    """Returns the days that are in any of the spans, as spans in order that neither overlap nor touch."""
    found: list[Span] = []
    for first, last in sorted(spans, key=lambda span: span[0]):
        end = found[-1][1] if found else None
        if found and (end is None or end >= first or end + DAY == first):
            found[-1] = (found[-1][0], max(end, last) if end and last else None)
        else:
            found.append((first, last))
    return found
