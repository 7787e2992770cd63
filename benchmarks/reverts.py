"""Measures what reverts cost: large groups are replayed with and without 20 reverts, alternately in one run.

The history with reverts reverts 20 of its last requests. It is compared with the same history before the reverts, and
with the history that is left, without the reverted requests.
"""

import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from uuid import UUID

from benchmarks.figures import Figure
from benchmarks.large_groups import large_group
from domain.enrollment.decisions import Decision, Revert
from domain.enrollment.group import GroupBasis, replay
from domain.enrollment.recomputing import recomputed

REVERTS, DECISIONS = 20, 500
ROUNDS = 5
MAX_RATIO = 1.3
SIZES = ((20, 200), (200, 20))
"""Modules and members."""


def measure() -> list[Figure]:
    return [figure for modules, members in SIZES for figure in _measure(modules, members)]


def _measure(modules: int, members: int) -> list[Figure]:
    basis = _with_ids(large_group(modules, members, enrolled=modules, decisions=DECISIONS))
    reverted = with_reverts(basis, REVERTS)
    left = replace(basis, decisions=reverted.counting()[:-REVERTS])
    assert replay(reverted).days == replay(left).days  # noqa: S101 (otherwise the figures mean nothing)
    days = replay(basis).days
    replays = _alternately(lambda: replay(basis), lambda: replay(reverted), lambda: replay(left))
    recomputes = _alternately(lambda: recomputed(basis, days), lambda: recomputed(reverted, days))
    size, figures = f"reverts.{modules}_modules_{members}_members", []
    for name, (before, after, *without) in (("replay", replays), ("recompute", recomputes)):
        ratio, reverts = after / before, f"with {REVERTS} reverts"
        figures += [
            Figure(name=f"{size}.{name}.factor", value=ratio, unit="x", at_most=MAX_RATIO, against=reverts),
            _ms(f"{size}.{name}.before", before, f"{len(basis.decisions)} decisions"),
            _ms(f"{size}.{name}.after", after, reverts),
            *(_ms(f"{size}.{name}.left", each, "without the reverted requests") for each in without),
        ]
    *_, merged, into = basis.facts
    aliased = replace(reverted, aliases={merged: into})
    parts = (reverted.counting, aliased.counting, reverted.membership_types)
    counting, with_aliases, types = _alternately(*parts)
    return [
        *figures,
        _ms(f"{size}.counting", counting, "which decisions count"),
        _ms(f"{size}.counting_merged", with_aliases, "which decisions count, with a merged member"),
        _ms(f"{size}.membership_types", types),
    ]


def _ms(name: str, seconds: float, against: str = "") -> Figure:
    return Figure(name=name, value=seconds * 1e3, unit="ms of CPU", against=against)


def with_reverts(basis: GroupBasis, reverts: int) -> GroupBasis:
    """Returns a group in which single requests then revert every second one of the last requests."""
    reverted = basis.decisions[-2 * reverts :: 2]
    made = [Decision((Revert(each.change_request_id),)) for each in reverted if each.change_request_id]
    return _with_ids(replace(basis, decisions=(*basis.decisions, *made)))


def _with_ids(basis: GroupBasis) -> GroupBasis:
    numbered = (replace(each, change_request_id=UUID(int=n + 1)) for n, each in enumerate(basis.decisions))
    return replace(basis, decisions=tuple(numbered))


def _alternately(*computations: Callable[[], object]) -> list[float]:
    """Returns the median CPU time of each computation. They take turns, so that all are slowed down alike."""
    rounds = [[_cpu_seconds(each) for each in computations] for _ in range(ROUNDS)]
    return [statistics.median(of_one) for of_one in zip(*rounds, strict=True)]


def _cpu_seconds(compute: Callable[[], object]) -> float:
    began = time.process_time()
    compute()
    return time.process_time() - began
