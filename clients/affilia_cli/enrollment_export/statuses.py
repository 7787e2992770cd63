"""Gives a family's loops the statuses that the mapping's entries ask for, so that an import finds the same entries."""

from collections.abc import Iterator
from dataclasses import replace

from affilia_cli.enrollment_export.coverage_loops import CoverageLoop
from affilia_cli.enrollment_export.member_loops import MemberLoop
from affilia_cli.enrollment_export.outbound_mapping import OutboundMapping
from affilia_cli.enrollment_file import codes
from affilia_cli.enrollment_file.coverage_mapping import CoverageMapping


def with_statuses(loops: list[MemberLoop], mapping: OutboundMapping) -> tuple[list[MemberLoop], list[str]]:
    """Returns the loops with statuses, and the modules of coverages that an import would read as other modules.

    A member whose coverages ask for different benefit or Medicare statuses has a loop for each. The employment status
    is the subscriber's, so a family has only one. Coverages for which it is the wrong one are left out.
    """
    entries = [entry for loop in loops for entry, _ in loop.coverages]
    employment_status = next((each.employment_status for each in entries if each.employment_status), "")
    wrong = [each.module_id for each in entries if not mapping.is_read_back(each, employment_status)]
    found: list[MemberLoop] = []
    for loop in loops:
        coverages = [each for each in loop.coverages if each[0].module_id not in wrong]
        if coverages or not loop.coverages or loop is loops[0]:
            stated = replace(loop, coverages=tuple(coverages), employment_status=employment_status)
            found.extend(_by_status(stated))
    return found, wrong


def _by_status(loop: MemberLoop) -> Iterator[MemberLoop]:
    parts: dict[tuple[str, str], list[tuple[CoverageMapping, CoverageLoop]]] = {}
    for entry, coverage in loop.coverages:
        parts.setdefault((entry.benefit_status or codes.ACTIVE, entry.medicare), []).append((entry, coverage))
    if not parts:
        yield loop
    for (benefit_status, medicare), coverages in parts.items():
        yield replace(loop, coverages=tuple(coverages), benefit_status=benefit_status, medicare=medicare)
