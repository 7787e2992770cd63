"""Measures how long it takes to explain a difference, compared with one recompute.

The first group has 6 members, 20 modules and 8 changed inputs. The others are larger or have more changed inputs.
"""

import time
from dataclasses import replace
from datetime import date

from benchmarks.figures import Figure
from benchmarks.large_groups import large_group, member_type
from domain.days import Span
from domain.enrollment.changed_inputs import BasisChange
from domain.enrollment.decisions import Decision, Enroll, Leave
from domain.enrollment.effort import search_effort
from domain.enrollment.explained import RunFilter, explained
from domain.enrollment.group import GroupBasis, replay

SIZES = ((6, 20, 8), (6, 20, 40), (40, 20, 40))
"""Members, modules, changed inputs."""


def measure() -> list[Figure]:
    figures = []
    for members, modules, inputs in SIZES:
        change = _change(large_group(modules, members, modules, 0), inputs)
        before, after = replay(change.mixed(())).days, replay(change.after).days
        began = time.perf_counter()
        replay(change.after)
        recompute = time.perf_counter() - began
        began = time.perf_counter()
        found = explained(change, before, after, RunFilter(), search_effort(change.after))
        explaining = time.perf_counter() - began
        sizes = sorted({len(run.decisive.inputs) for run in found.runs})
        reducible = sum(run.decisive.is_reducible for run in found.runs)
        name = f"explanations.{members}_members_{modules}_modules_{len(change.inputs)}_inputs"
        against = f"{len(found.runs)} runs, sets of {sizes} inputs, {reducible} not reduced completely"
        figures += [
            Figure(name=f"{name}.explained", value=explaining * 1e3, unit="ms", against=against),
            Figure(name=f"{name}.recomputed", value=recompute * 1e3, unit="ms"),
        ]
    return figures


def _change(basis: GroupBasis, inputs: int) -> BasisChange:
    """Returns a change in which half of the inputs are birth dates (at most one per member), and the rest decisions.

    The first member leaves and returns twice, so that some runs are decided by several decisions together.
    """
    people = sorted(basis.facts, key=lambda member: member != basis.primary_id)
    corrected = people[: min(len(people), inputs // 2)]
    facts = {
        member: replace(of_one, born_on=date(2015, 6, 1)) if member in corrected else of_one
        for member, of_one in basis.facts.items()
    }
    modules = [module.module_id for module in basis.contract.versions[0].modules]
    made = []
    for n in range(inputs - len(corrected)):
        member, module_id = people[n % len(people)], modules[n % len(modules)]
        days = Span.between(date(2028, n % 12 + 1, 1), date(2028, n % 12 + 1, 28))
        leave, enroll = Leave(member, module_id, days), Enroll(member, member_type(n % len(people)), module_id, days)
        made.append(Decision((enroll if n % 3 == 2 else leave,)))
    return BasisChange(basis, replace(basis, decisions=(*basis.decisions, *made), facts=facts))
