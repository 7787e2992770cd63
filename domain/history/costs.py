"""Computes the monthly cost of a policy before and after revisions, for history entries."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from domain.pricing.changes import CostChange, Enrolled, cost_change
from domain.pricing.inquiries import Policy

SECONDS_PER_ENROLLMENT = 0.02e-3
"""The approximate time to price one enrollment if the prices of its module are cached."""


@dataclass(frozen=True, slots=True)
class CostQuestion:
    """Who is enrolled on a day before and after a revision, and the policy with its contract and facts."""

    policy: Policy
    before: Enrolled
    after: Enrolled
    on: date


def cost_changes(questions: Sequence[CostQuestion]) -> list[CostChange | None]:
    """Returns the change in cost for each question, in order. None if the cost can't be computed."""
    outcomes = [cost_change(q.policy, q.before, q.after, q.on) for q in questions]
    return [outcome if isinstance(outcome, CostChange) else None for outcome in outcomes]


def seconds_of(questions: Sequence[CostQuestion]) -> float:
    """Estimates how long `cost_changes` takes."""
    return sum(len(question.before.keys) + len(question.after.keys) for question in questions) * SECONDS_PER_ENROLLMENT
