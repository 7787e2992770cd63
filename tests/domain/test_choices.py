"""Choices, compared with trying every module with the whole engine, and with the slow model."""

from collections.abc import Iterable, Iterator, Mapping, Set
from dataclasses import replace
from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st

from domain.catalog.contract import Module
from domain.days import NO_DAYS, UNBOUNDED_END, Days, Span, to_date, to_day
from domain.enrollment.choices import available_choices
from domain.enrollment.closing import Closed
from domain.enrollment.decisions import Change, DaysChange, Decision, Enroll, EnrollmentKey, Leave
from domain.enrollment.desired import lay_over
from domain.enrollment.group import GroupBasis
from domain.enrollment.resettling import Resettling
from domain.enrollment.settling import Settlement, settle
from domain.enrollment.unmet import unmet_enrolls
from domain.members import Attribute, Facts
from domain.pricing.changes import enrolled_on
from domain.rules.conditions import EnrolledOn, HasAttribute, Rule, Subject
from tests.domain.histories import FIRST, GRID, LENGTH, MEMBERS, SLOTS, TYPES, Group, changes, groups, on_day
from tests.support.builders import a_contract, a_module, a_span, a_version, an_id
from tests.support.naive_choices import naive_choices

PRIMARY, PARTNER, *_ = MEMBERS
AHEAD = range(FIRST - 1, FIRST + 2 * LENGTH + 2)
"""Nothing changes after these days: they are after the end of the last span that can be drawn."""

days_of_the_grid = st.integers(FIRST - 1, FIRST + LENGTH)


@st.composite
def closed_groups(draw: st.DrawFn) -> Group:
    """Draws groups, some of which are closed up to a day because a member's facts were erased."""
    group = draw(groups)
    if draw(st.booleans()):
        return group
    erased = frozenset(draw(st.lists(st.sampled_from(MEMBERS), min_size=1, max_size=2)))
    had = dict(group.settled().days)
    closed = Closed(draw(days_of_the_grid), had, erased, MEMBERS[0])
    return replace(group, basis=replace(group.basis, closed=closed))


def everything_of(settlement: Settlement) -> list[object]:
    """Returns the content of a settlement without its caches."""
    return [
        {key: days for key, days in settlement.desired.items() if days},
        settlement.allowed,
        settlement.first.days,
        settlement.second.days,
        settlement.second.max_days,
        settlement.days,
        settlement.refused,
    ]


@settings(max_examples=150, deadline=None)
@given(closed_groups())
def test_a_closed_group_keeps_its_past_and_settles_the_other_days_without_erased_members(group: Group) -> None:
    settled, closed = group.settled().days, group.basis.closed
    for day in GRID:
        if closed is None:
            expected = group.on(day).settled()
        elif day < closed.until:
            expected = on_day(closed.days, day)
        elif PRIMARY in closed.erased:
            expected = set()
        else:
            decisions = [without_members(decision, closed.erased) for decision in group.recorded.as_read()]
            expected = replace(group.on(day), decisions=decisions).settled()
        assert on_day(settled, day) == expected


def without_members(decision: Decision, erased: Set[UUID]) -> Decision:
    """Returns a decision without its changes of some members."""
    kept = tuple(each for each in decision.changes if isinstance(each, DaysChange) and each.member_id not in erased)
    return replace(decision, changes=kept)


@settings(max_examples=400, deadline=None)
@given(closed_groups(), st.lists(changes(), min_size=1, max_size=3))
def test_resettling_for_a_difference_equals_settling(group: Group, asked: list[DaysChange]) -> None:
    basis = group.basis
    now = group.settled()
    desired = dict(now.desired)
    lay_over(desired, asked, basis.contract)
    differing = {key: days for key, days in desired.items() if days != now.desired.get(key)}
    again, _ = Resettling(now).with_desired(differing)
    whole = settle({key: days for key, days in desired.items() if days}, now.rulebook)
    assert everything_of(again) == everything_of(whole)


@settings(max_examples=200, deadline=None)
@given(closed_groups(), st.lists(st.lists(changes(), min_size=1, max_size=2), min_size=2, max_size=3))
def test_resettling_can_be_repeated(group: Group, steps: list[list[DaysChange]]) -> None:
    now = group.settled()
    desired = dict(now.desired)
    for asked in steps:
        before = dict(desired)
        lay_over(desired, asked, group.basis.contract)
        now, _ = Resettling(now).with_desired({key: days for key, days in desired.items() if days != before.get(key)})
    assert now.days == settle(desired, now.rulebook).days


@settings(max_examples=300, deadline=None)
@given(closed_groups(), st.sampled_from(MEMBERS), days_of_the_grid)
def test_choices_equal_those_of_trying_each_module_with_the_whole_engine(group: Group, member: UUID, on: int) -> None:
    found = list(available_choices(group.basis, member, TYPES[member], on))
    naive = list(naive_choices(group.basis, member, TYPES[member], on))
    assert [choice for choice, _ in found] == [choice for choice, _ in naive]
    now = enrolled_on(group.settled().days, to_date(on))
    for (_, effect), (_, slow) in zip(found, naive, strict=True):
        assert effect.gained.isdisjoint(now) and effect.lost <= now
        assert (now - effect.lost) | effect.gained == enrolled_on(slow.days, to_date(on))


@settings(max_examples=150, deadline=None)
@given(groups, st.sampled_from(MEMBERS), days_of_the_grid)
def test_a_choice_is_allowed_from_the_first_day_that_the_slow_engine_allows(
    group: Group, member: UUID, on: int
) -> None:
    member = group.recorded.person(member)  # reads resolve the ids of merged members before they ask for choices
    for choice, _ in available_choices(group.basis, member, TYPES[member], on):
        asked = Enroll(member, group.on(on).types[member], choice.module_id, Span(on, AHEAD.stop))
        tried = group.plus(Decision((asked,)))
        kept = [day for day in AHEAD if day >= on and (member, choice.module_id) in tried.on(day).settled()]
        assert choice.allowed == (on in kept)
        later = to_date(kept[0]) if kept and not choice.allowed else None
        # A month that starts in the grid can end after it.
        is_ahead = choice.first_allowed_later is not None and to_day(choice.first_allowed_later) in AHEAD
        assert (choice.first_allowed_later if is_ahead else None) == later


@settings(max_examples=300, deadline=None)
@given(closed_groups())
def test_unmet_days_are_unsettled_and_not_decided_otherwise_later(group: Group) -> None:
    settlement = group.settled()
    unmet = {(u.change_request_id, u.change_index): u.days for u in unmet_enrolls(group.basis, settlement, {}).enrolls}
    expected = {}
    erased = group.basis.closed.erased if group.basis.closed else frozenset()
    decisions = group.recorded.as_read()
    for n, decision in enumerate(decisions):
        for i, change in enumerate(decision.changes):
            if isinstance(change, Enroll) and change.member_id not in erased:
                later = [*decision.changes[i + 1 :], *decision.consequence_leaves]
                later += [c for d in decisions[n + 1 :] for c in (*d.changes, *d.consequence_leaves)]
                asked = Days.of(change.days) - Days.of(*(c.days for c in _about_the_same(later, change)))
                key = EnrollmentKey(change.member_id, change.module_id)
                if days := asked - settlement.days.get(key, NO_DAYS):
                    expected[decision.change_request_id, i] = days
    assert unmet == expected


def _about_the_same(later: Iterable[Change], enroll: Enroll) -> Iterator[DaysChange]:
    """Returns the changes that decide otherwise about what an enroll asks for."""
    slot = SLOTS[enroll.module_id]
    for change in later:
        if not isinstance(change, DaysChange) or change.member_id != enroll.member_id:
            continue
        same_slot = isinstance(change, Enroll) and slot is not None and SLOTS[change.module_id] == slot
        if same_slot or change.module_id == enroll.module_id or (isinstance(change, Leave) and not change.module_id):
            yield change


def test_a_refused_enrollment_is_settled_again_with_the_module_that_it_depends_on() -> None:
    """The reported case: switching back to PLUS settles OPTION again, which an earlier request still asks for."""
    needs_plus = Rule("NEEDS_PLUS", "", (), EnrolledOn(Subject.SELF, (an_id("plus"),)))
    modules = [a_module("base", slot="base"), a_module("plus", slot="base"), a_module("option", rules=[needs_plus])]
    basis = a_family(*modules, enrolled=[(PRIMARY, "plus"), (PRIMARY, "option"), (PRIMARY, "base")])
    base, plus, option = (EnrollmentKey(PRIMARY, an_id(name)) for name in ("base", "plus", "option"))
    kept = {}
    for choice, effect in available_choices(basis, PRIMARY, TYPES[PRIMARY], FIRST):
        kept[choice.module_id] = ({base} - effect.lost) | effect.gained
        assert choice.allowed == (choice.module_id != option.module_id)
    assert kept == {base.module_id: {base}, plus.module_id: {plus, option}, option.module_id: {base}}


def test_an_enrollment_ends_when_the_module_that_it_depends_on_is_replaced() -> None:
    """A chain: OPTION needs PLUS, EXTRA needs OPTION, and BASE replaces PLUS."""
    needs_plus = Rule("NEEDS_PLUS", "", (), EnrolledOn(Subject.SELF, (an_id("plus"),)))
    needs_option = Rule("NEEDS_OPTION", "", (), EnrolledOn(Subject.ANY_MEMBER, (an_id("option"),)))
    basis = a_family(
        a_module("base", slot="base"),
        a_module("plus", slot="base"),
        a_module("option", rules=[needs_plus]),
        a_module("extra", rules=[needs_option]),
        enrolled=[(PRIMARY, "plus"), (PRIMARY, "option"), (PARTNER, "extra")],
    )
    effects = {choice.module_id: effect for choice, effect in available_choices(basis, PRIMARY, TYPES[PRIMARY], FIRST)}
    assert effects[an_id("base")].gained == {EnrollmentKey(PRIMARY, an_id("base"))}
    assert effects[an_id("base")].lost == {
        EnrollmentKey(PRIMARY, an_id("plus")),
        EnrollmentKey(PRIMARY, an_id("option")),
        EnrollmentKey(PARTNER, an_id("extra")),
    }


def test_an_enrollment_refused_because_of_one_member_is_settled_when_that_member_leaves() -> None:
    """OPTION requires that every member works on site. The partner doesn't, and tries to switch to a module that isn't
    offered.
    """
    all_on_site = Rule("ALL_ON_SITE", "", (), HasAttribute(Subject.EVERY_MEMBER, "site", ("n",)))
    with_option = Rule("WITH_OPTION", "", (), EnrolledOn(Subject.PRIMARY, (an_id("option"),)))
    basis = a_family(
        a_module("base", slot="base"),
        a_module("plus", slot="base", membership_types=[TYPES[PRIMARY]]),
        a_module("option", rules=[all_on_site]),
        a_module("extra", rules=[with_option]),
        enrolled=[(PRIMARY, "option"), (PRIMARY, "extra"), (PARTNER, "base")],
        facts={PRIMARY: Facts(attributes=(Attribute(a_span("0001-01-01"), "site", "n"),))},
    )
    effects = {choice.module_id: effect for choice, effect in available_choices(basis, PARTNER, TYPES[PARTNER], FIRST)}
    assert effects[an_id("plus")].lost == {EnrollmentKey(PARTNER, an_id("base"))}
    assert effects[an_id("plus")].gained == {
        EnrollmentKey(PRIMARY, an_id("option")),
        EnrollmentKey(PRIMARY, an_id("extra")),
    }
    # The other way round: someone more, who isn't on site, costs the others the module.
    basis = replace(basis, decisions=basis.decisions[:1])
    effects = {choice.module_id: effect for choice, effect in available_choices(basis, PARTNER, TYPES[PARTNER], FIRST)}
    assert effects[an_id("base")].gained == {EnrollmentKey(PARTNER, an_id("base"))}
    assert effects[an_id("base")].lost == {
        EnrollmentKey(PRIMARY, an_id("option")),
        EnrollmentKey(PRIMARY, an_id("extra")),
    }


def a_family(
    *modules: Module, enrolled: list[tuple[UUID, str]], facts: Mapping[UUID, Facts] | None = None
) -> GroupBasis:
    """Returns a group of a primary and a partner under a contract that is always in force.

    The partner's decision is the last one.
    """
    always = Span(FIRST - 10, UNBOUNDED_END)
    contract = a_contract(a_version(*modules, days=always))
    enrolls = [Enroll(member, TYPES[member], an_id(name), always) for member, name in enrolled]
    of_primary = tuple(enroll for enroll in enrolls if enroll.member_id == PRIMARY)
    of_partner = tuple(enroll for enroll in enrolls if enroll.member_id == PARTNER)
    return GroupBasis(contract, PRIMARY, (Decision(of_primary), Decision(of_partner)), facts or {})
