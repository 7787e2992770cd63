"""The algebra of reverts, and judgements and differences of random histories, compared with the slow model."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from uuid import UUID

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from domain.days import NO_DAYS, Days, to_date
from domain.enrollment.decisions import Decision, Enroll, EnrollmentKey, Revert
from domain.enrollment.differences import DifferenceKind, corrected_members, differences
from domain.enrollment.group import Period, periods, replay, types_of
from domain.enrollment.verdicts import Verdict, ViolationCode
from domain.membership import MembershipType
from tests.domain.histories import (
    FIRST,
    GRID,
    LENGTH,
    WHOLE_GRID,
    Group,
    groups,
    groups_with_requests,
    histories,
)
from tests.domain.recorded import Recorded

State = tuple[Mapping[EnrollmentKey, Days], Mapping[UUID, MembershipType]]

positions = st.integers(0, 10)


def state(group: Group, recorded: Recorded) -> State:
    """Returns the settled days, and the types of the members who have any."""
    basis = group.with_history(recorded).basis
    days, types = replay(basis).days, basis.membership_types()
    return days, {key.member_id: types[key.member_id] for key in days}


def then(recorded: Recorded, *decisions: Decision) -> Recorded:
    """Returns the group after further decisions, which get ids."""
    for decision in decisions:
        recorded = recorded.plus(replace(decision, change_request_id=UUID(int=1000 + len(recorded.decisions))))
    return recorded


def without(recorded: Recorded, position: int) -> Recorded:
    """Returns the group as if a decision had never been made."""
    return replace(recorded, decisions=recorded.decisions[:position] + recorded.decisions[position + 1 :])


def revert(recorded: Recorded, position: int) -> Revert:
    """Returns a revert of the decision at a position."""
    request = recorded.decisions[position].change_request_id
    assert request
    return Revert(request)


def one_of(recorded: Recorded, position: int) -> int:
    """Returns a position in the history."""
    assume(recorded.decisions)
    return position % len(recorded.decisions)


@settings(max_examples=100, deadline=None)
@given(groups, positions)
def test_reverting_a_revert_equals_never_having_reverted(group: Group, position: int) -> None:
    recorded = group.recorded
    reverted = then(recorded, Decision((revert(recorded, one_of(recorded, position)),)))
    again = then(reverted, Decision((revert(reverted, -1),)))
    assert state(group, again) == state(group, recorded)


@settings(max_examples=100, deadline=None)
@given(groups, positions)
def test_a_revert_equals_the_history_without_that_decision(group: Group, position: int) -> None:
    recorded = group.recorded
    n = one_of(recorded, position)
    assume(recorded.counts(n))
    reverted = then(recorded, Decision((revert(recorded, n),)))
    assert state(group, reverted) == state(group, without(recorded, n))


@settings(max_examples=100, deadline=None)
@given(groups, positions)
def test_a_reverted_decision_that_is_made_again_applies_after_the_others(group: Group, position: int) -> None:
    recorded = group.recorded
    n = one_of(recorded, position)
    assume(recorded.counts(n))
    reverted = then(recorded, Decision((revert(recorded, n),)), recorded.decisions[n])
    assert state(group, reverted) == state(group, then(without(recorded, n), recorded.decisions[n]))


@settings(max_examples=100, deadline=None)
@given(groups, positions, positions)
def test_reverts_of_different_decisions_commute(group: Group, one: int, other: int) -> None:
    recorded = group.recorded
    assume(len(recorded.decisions) > 1)
    first, second = (revert(recorded, one_of(recorded, n)) for n in (one, other))
    assume(first != second)
    in_order = state(group, then(recorded, Decision((first,)), Decision((second,))))
    assert state(group, then(recorded, Decision((second,)), Decision((first,)))) == in_order
    assert state(group, then(recorded, Decision((first, second)))) == in_order


def test_a_request_that_reverts_two_requests_is_reverted_as_a_whole() -> None:
    recorded = then(Recorded(UUID(int=1)), Decision(()), Decision(()))
    both = then(recorded, Decision((revert(recorded, 0), revert(recorded, 1))))
    assert [both.counts(n) for n in range(3)] == [False, False, True]
    undone = then(both, Decision((revert(both, -1),)))
    assert [undone.counts(n) for n in range(4)] == [True, True, False, True]


# ---------------------------------------------------------------- judging


def lost_although_desired(before: Group, after: Group) -> dict[EnrollmentKey, set[int]]:
    """Returns the days that were settled, are still desired, and are no longer settled."""
    found: dict[EnrollmentKey, set[int]] = {}
    for day in WHOLE_GRID:
        now = after.on(day)
        for enrollment in (before.on(day).settled() & now.desired()) - now.settled():
            found.setdefault(EnrollmentKey(*enrollment), set()).add(day)
    return found


def clipped(days: Days) -> set[int]:
    return {day for day in WHOLE_GRID if days.holds(day)}


@settings(max_examples=150, deadline=None)
@given(groups_with_requests())
def test_consequences_are_the_days_that_the_slow_model_loses_although_they_are_desired(
    drawn: tuple[Group, Decision],
) -> None:
    group, asked = drawn
    judgement = group.judged(asked)
    found: dict[EnrollmentKey, set[int]] = {}
    for each in judgement.consequences:
        found.setdefault(EnrollmentKey(each.member_id, each.module_id), set()).update(clipped(Days.of(each.days)))
    assert found == lost_although_desired(group, group.plus(asked))
    codes = [violation.code for violation in judgement.violations]
    assert (ViolationCode.CONSEQUENCES_NOT_ACCEPTED in codes) == bool(found)


@settings(max_examples=150, deadline=None)
@given(groups_with_requests())
def test_an_approved_request_leads_to_the_state_that_replaying_its_decision_gives(
    drawn: tuple[Group, Decision],
) -> None:
    group, asked = drawn
    judgement = group.judged(asked, accept_consequences=True)
    after = group.plus(replace(judgement.decision, change_request_id=UUID(int=500)))
    assert replay(after.basis).days == judgement.days
    assert after.basis.membership_types() == judgement.membership_types
    for day in GRID:
        on = {(key.member_id, key.module_id) for key, days in judgement.days.items() if days.holds(day)}
        assert on == after.on(day).settled()


def with_commitments(group: Group) -> Group:
    """Returns the group under the same contract, but with a commitment of one month to every module."""
    contract = group.basis.contract
    versions = tuple(
        replace(version, modules=tuple(replace(module, commitment_months=1) for module in version.modules))
        for version in contract.versions
    )
    return replace(group, basis=replace(group.basis, contract=replace(contract, versions=versions)))


def a_month_after(day: int) -> int:
    """Returns the day a month after one of the first days of the grid, all of which are before the 29th or so."""
    on = to_date(day)
    year, month = (on.year, on.month + 1) if on.month < 12 else (on.year + 1, 1)
    last = (date(year + month // 12, month % 12 + 1, 1) - date.resolution).day
    return date(year, month, min(on.day, last)).toordinal()


def committed_days_lost(before: Days, after: Days, today: int) -> set[int]:
    """Returns the committed days of the first run that loses any, day by day."""
    for start in range(FIRST - 1, today + 1):
        if before.holds(start) and not before.holds(start - 1):
            end = start
            lost = set()
            while before.holds(end) and end < a_month_after(start):
                if not after.holds(end):
                    lost.add(end)
                end += 1
            if lost:
                return lost
    return set()


@settings(max_examples=200, deadline=None)
@given(groups_with_requests(), st.integers(FIRST, FIRST + LENGTH))
def test_a_request_that_breaks_a_commitment_is_rejected_with_the_first_committed_day_that_it_takes(
    drawn: tuple[Group, Decision], today: int
) -> None:
    group, asked = with_commitments(drawn[0]), drawn[1]
    judgement = group.judged(asked, accept_consequences=True, today=today)
    before = replay(group.basis).days
    # A commitment is judged on what the request itself leads to, before its consequences are recorded.
    after = replay(group.plus(asked).basis).days
    expected = {
        key: min(lost)
        for key, days in before.items()
        if (lost := committed_days_lost(days, after.get(key, NO_DAYS), today))
    }
    reported = {
        EnrollmentKey(v.member_id, v.module_id): v.on
        for v in judgement.violations
        if v.code == ViolationCode.COMMITMENT_NOT_ELAPSED and v.member_id and v.module_id
    }
    bounded = {
        EnrollmentKey(change.member_id, change.module_id) for change in asked.changes if isinstance(change, Enroll)
    }
    assert {key: on for key, on in reported.items() if key in expected or key not in bounded} == expected
    assert judgement.verdict is Verdict.REJECTED or not expected


# ---------------------------------------------------------------- differences


@settings(max_examples=150, deadline=None)
@given(st.data(), groups)
def test_a_state_plus_the_difference_is_the_later_state_with_its_types(data: st.DataObject, group: Group) -> None:
    later = group.with_history(data.draw(histories(group.recorded, 2)))
    before, after = (periods(replay(each.basis).days, each.basis.membership_types()) for each in (group, later))
    assert applied(before, later, after) == after


def applied(before: tuple[Period, ...], later: Group, after: tuple[Period, ...]) -> tuple[Period, ...]:
    """Returns a state after the difference to a later one is applied to it, day by day."""
    types, types_after = types_of(before), later.basis.membership_types()
    days = {(p.member_id, p.module_id): [q.days for q in before if same(p, q)] for p in before}
    days_after = {(p.member_id, p.module_id): [q.days for q in after if same(p, q)] for p in after}
    states = [{EnrollmentKey(*key): Days.of(*spans) for key, spans in each.items()} for each in (days, days_after)]
    had, result = states[0], dict(states[0])
    known = {key: types[key.member_id] for key in had}
    for each in differences(had, states[1], {}, corrected_members(types, types_after)):
        key = EnrollmentKey(each.member_id, each.module_id)
        assert each.kinds
        assert each.lost <= result.get(key, NO_DAYS)
        assert not each.gained & result.get(key, NO_DAYS)
        result[key] = (result.get(key, NO_DAYS) - each.lost) | each.gained
        if DifferenceKind.STARTED in each.kinds:
            known[key] = types_after[key.member_id]
        if DifferenceKind.TYPE_CORRECTED in each.kinds:
            assert types_after[key.member_id] != known[key]
            known[key] = types_after[key.member_id]
    return tuple(
        Period(key.member_id, known[key], key.module_id, span) for key in sorted(result) for span in result[key].spans
    )


def same(one: Period, other: Period) -> bool:
    return (one.member_id, one.module_id) == (other.member_id, other.module_id)
