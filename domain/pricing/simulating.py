"""Simulated requests and the choices of a member, with what they would cost."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from uuid import UUID

from domain.days import Days, to_day
from domain.enrollment.choices import Choice, available_choices
from domain.enrollment.decisions import ChangeProposal, EnrollmentKey
from domain.enrollment.differences import differences, first_changed_day
from domain.enrollment.group import GroupBasis, Period, periods
from domain.enrollment.judging import Judgement, judge
from domain.identity import group_id
from domain.membership import MembershipType
from domain.pricing.changes import CostChanges, CostOutcome, Enrolled, cost_change, enrolled_on
from domain.pricing.inquiries import Policy

State = Mapping[EnrollmentKey, Days]


@dataclass(frozen=True, slots=True)
class Simulated:
    """The judgement of a proposal, the group's periods before and after it, and the change of cost."""

    judgement: Judgement
    before: tuple[Period, ...]
    after: tuple[Period, ...]
    cost: CostOutcome


def simulated(
    proposal: ChangeProposal, basis: GroupBasis, state: State, today: date, cost_on: date | None
) -> Simulated:
    """Judges a proposal without carrying it out.

    The cost is computed for `cost_on`, or else for the first day that would change, or else for today.
    """
    judgement = judge(proposal, basis, state, to_day(today))
    after, types = judgement.days, judgement.membership_types
    on = cost_on or _first_difference(state, after) or today
    types_before = basis.membership_types()
    enrolled = Enrolled(enrolled_on(state, on), types_before), Enrolled(enrolled_on(after, on), types)
    cost = cost_change(_policy(basis), *enrolled, on)
    return Simulated(judgement, periods(state, types_before), periods(after, types), cost)


def _first_difference(before: State, after: State) -> date | None:
    return first_changed_day(differences(before, after, {}))


def priced_choices(
    basis: GroupBasis, state: State, member_id: UUID, membership_type: MembershipType, on: date
) -> list[tuple[Choice, CostOutcome]]:
    """Returns every module of the version in force on a day, as a choice of the member, with the change of cost."""
    types = {member_id: membership_type} | basis.membership_types()
    costs = CostChanges(_policy(basis), enrolled_on(state, on), types, on)
    choices = available_choices(basis, member_id, membership_type, to_day(on))
    return [(choice, costs.by(effect.gained, effect.lost)) for choice, effect in choices]


def _policy(basis: GroupBasis) -> Policy:
    group = group_id(basis.contract.contract_id, basis.primary_id)
    return Policy(basis.contract, group, basis.primary_id, basis.facts)
