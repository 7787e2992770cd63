"""Measures what reverts cost: large groups are replayed with and without 20 reverts, alternately in one run.

The history with reverts reverts 20 of its last requests. It is compared with the same history before the reverts, and
with the history that is left, without the reverted requests.
"""

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from uuid import UUID

from benchmarks.figures import Figure
from benchmarks.large_groups import large_group
from domain.days import Days
from domain.enrollment.decisions import Decision, EnrollmentKey, Revert
from domain.enrollment.group import GroupBasis, replay
from domain.enrollment.recomputing import Recomputed, recomputed
from domain.enrollment.settling import Settlement

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
    replays = _alternately(*(partial(_replayed, each) for each in (basis, reverted, left)))
    recomputes = _alternately(*(partial(_recomputed, each, days) for each in (basis, reverted)))
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
    one_more = Decision(basis.decisions[-1].changes)
    parts = (
        lambda: _unfolded(reverted).folded,
        lambda: _unfolded(aliased).folded,
        lambda: reverted.with_decision(one_more),
    )
    folding, with_aliases, one = _alternately(*parts)
    return [
        *figures,
        _ms(f"{size}.folding", folding, "folding the decisions"),
        _ms(f"{size}.folding_merged", with_aliases, "folding the decisions, with a merged member"),
        _ms(f"{size}.one_more", one, "one more decision"),
    ]


def _ms(name: str, seconds: float, against: str = "") -> Figure:
    return Figure(name=name, value=seconds * 1e3, unit="ms of CPU", against=against)


def _unfolded(basis: GroupBasis) -> GroupBasis:
    return replace(basis, known=None)


def _replayed(basis: GroupBasis) -> Settlement:
    return replay(_unfolded(basis))


def _recomputed(basis: GroupBasis, days: Mapping[EnrollmentKey, Days]) -> Recomputed:
    return recomputed(_unfolded(basis), days)


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
