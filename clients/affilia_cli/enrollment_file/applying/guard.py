"""Refuses plans that would take cover away from an unlikely number of people.

A truncated file, another sponsor's, or one with a shifted column looks as if the sponsor had ended almost everybody's
cover. The plan is therefore simulated with all its consequences before it is shown.
"""

from collections.abc import Mapping as Lookup
from dataclasses import dataclass
from datetime import date
from fractions import Fraction

from affilia_cli.enrollment_file.applying.losses import Losses, count_losses
from affilia_cli.enrollment_file.applying.progress import Progress
from affilia_cli.enrollment_file.applying.simulating import Simulator
from affilia_cli.enrollment_file.book.book import Book
from affilia_cli.enrollment_file.findings import Excess, TooManyDaysLost, TooManyTerminations
from affilia_cli.enrollment_file.mapping import Mapping
from affilia_cli.enrollment_file.planning.plan import Plan

MAX_NAMED_MEMBERS = 20


@dataclass(frozen=True, slots=True)
class Limits:
    """The shares (0 to 1) up to which a plan can end people's cover and take covered days away. 1 means no limit."""

    max_terminations: float = 0.10
    max_days_lost: float = 0.10

    @property
    def exist(self) -> bool:
        return self.max_terminations < 1 or self.max_days_lost < 1


def check_plan(
    plan: Plan, book: Book, mapping: Mapping, simulator: Simulator, limits: Limits, today: date, progress: Progress
) -> None:
    """Raises TooManyTerminations, TooManyDaysLost or ServerStateUnreadable. Writes nothing."""
    if not limits.exist:
        return
    changed = simulator.changed_families(plan, today, progress)
    modules: dict[str, frozenset[str]] = {
        contract_id: frozenset(each.module_id for each in mapping.coverages if each.contract_id == contract_id)
        for contract_id in mapping.contract_ids
    }
    names = {member_id: member.display_name for member_id, member in book.members.items()}
    names |= {each.member_id: each.name for each in plan.members if each.name}
    check_losses(count_losses(book, modules, changed, today), limits, names)


def check_losses(losses: Losses, limits: Limits, names: Lookup[str, str]) -> None:
    """Raises TooManyTerminations or TooManyDaysLost if a plan takes away more than the limits allow.

    If both limits are exceeded, TooManyTerminations has both. `names` has the names of members by id.
    """
    terminations, days_lost = _terminations(losses, limits, names), _days_lost(losses, limits, names)
    if terminations:
        raise TooManyTerminations([*terminations, *days_lost])
    if days_lost:
        raise TooManyDaysLost(days_lost)


def _terminations(losses: Losses, limits: Limits, names: Lookup[str, str]) -> list[Excess]:
    """Returns an excess for each contract under which too many people would lose coverage."""
    return [
        Excess(
            f"contract {each.contract_id}: {len(each.ended)} of {each.covered} members would lose coverage, which is"
            f" more than {_percent(limits.max_terminations)}:"
            f" {_listed(sorted(names.get(member) or member for member in each.ended))}.",
            "--max-terminations",
        )
        for each in losses.terminations
        if limits.max_terminations < 1 and len(each.ended) > _exact(limits.max_terminations) * each.covered
    ]


def _days_lost(losses: Losses, limits: Limits, names: Lookup[str, str]) -> list[Excess]:
    lost = sum(losses.days_lost.values())
    if limits.max_days_lost >= 1 or lost <= _exact(limits.max_days_lost) * losses.covered_days:
        return []
    members = [f"{names.get(member) or member} ({_days(count)})" for member, count in losses.days_lost.items()]
    return [
        Excess(
            f"{lost} of {losses.covered_days} covered days of the next twelve months would be lost, which is more than"
            f" {_percent(limits.max_days_lost)}: {_listed(members)}.",
            "--max-days-lost",
        )
    ]


def _exact(limit: float) -> Fraction:
    """Returns a limit as it was written: 0.29 of 100 is 29, which isn't true of floating-point numbers."""
    return Fraction(str(limit))


def _percent(limit: float) -> str:
    return f"{limit * 100:g}%"


def _listed(texts: list[str]) -> str:
    more = len(texts) - MAX_NAMED_MEMBERS
    return ", ".join(texts[:MAX_NAMED_MEMBERS]) + (f" and {more} more" if more > 0 else "")


def _days(count: int) -> str:
    return f"{count} day" if count == 1 else f"{count} days"
