"""Invariants of a group under random requests, reverts, corrected types, merges, facts and amendments: a state machine
over the wire.

Revisions are numbered without gaps, and each is its predecessor plus the recorded difference, with membership types.
Responses as of the past never change. No member is enrolled in two modules of a slot on one day. Replaying a group
changes nothing.
"""

import grpc
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from affilia.catalog.v1 import member_service_pb2
from affilia.enrollment.v1 import (
    change_request_pb2,
    change_request_service_pb2,
    enrollment_group_pb2,
    enrollment_query_service_pb2,
)
from affilia.type.v1 import membership_type_pb2
from domain.days import Days
from server.mapping.dates import span_from_proto
from tests.support.calls import Family, admin, decoded, new_id

Group = enrollment_group_pb2.EnrollmentGroup
DaysByEnrollment = dict[str, Days]

days_of_2026 = st.builds(lambda month, day: f"2026-{month:02}-{day:02}", st.integers(1, 12), st.integers(1, 28))
modules = st.sampled_from(["base", "plus", "option"])
PARTNER, CHILD = membership_type_pb2.MEMBERSHIP_TYPE_PARTNER, membership_type_pb2.MEMBERSHIP_TYPE_CHILD
TYPE_CORRECTED = enrollment_group_pb2.DIFFERENCE_KIND_TYPE_CORRECTED


def types_of(group: Group) -> dict[str, int]:
    """Returns the membership type of each enrollment."""
    return {period.enrollment_id: period.membership_type for period in group.periods}


def settled(group: Group) -> DaysByEnrollment:
    found: dict[str, Days] = {}
    for period in group.periods:
        days = Days.of(span_from_proto(period.days))
        assert not found.get(period.enrollment_id, Days(())) & days
        found[period.enrollment_id] = found.get(period.enrollment_id, Days(())) | days
    return found


class AlwaysTrue(RuleBasedStateMachine):
    """One family, and random calls of everybody who can change it."""

    channel: grpc.Channel

    @initialize()
    def begin(self) -> None:
        self.family = Family(self.channel).set_up()
        self.double = new_id()
        self.family.store(self.double)
        self.children = [self.family.child, self.double]
        self.approved: list[str] = []
        self.seen: list[Group] = []
        self.submit(self.family.leave("2025-01-01"))
        everyone = [self.family.enroll(self.family.base, "2026-01-01", child=child) for child in (False, True, True)]
        everyone[2].enroll.member_id = self.double
        self.submit(*everyone)

    def submit(self, *changes: change_request_pb2.ScopedChange, accept: bool = True) -> None:
        """Submits an admin's request. It can fail because of what was reverted, or because nobody was enrolled yet."""
        try:
            answer = self.family.submit(*changes, requester=admin(), accept_consequences=accept)
        except grpc.RpcError as error:
            assert decoded(error).reason in ("NOT_REVERTIBLE", "MEMBER_NOT_IN_GROUP"), error
            return
        if answer.change_request.verdict == change_request_pb2.VERDICT_APPROVED:
            self.approved.append(answer.change_request.change_request_id)

    @rule(module=modules, first=days_of_2026, who=st.integers(0, 2), bounded=st.booleans(), accept=st.booleans())
    def enroll(self, module: str, first: str, who: int, bounded: bool, accept: bool) -> None:
        last = "2026-12-31" if bounded else None
        change = self.family.enroll(getattr(self.family, module), first, last, child=who > 0)
        if who:
            change.enroll.member_id = self.a_child(who)
            known = {p.member_id: p.membership_type for group in self.seen[-1:] for p in group.periods}
            change.enroll.membership_type = known.get(change.enroll.member_id, CHILD)
        self.submit(change, accept=accept)

    def a_child(self, who: int) -> str:
        return self.children[who % len(self.children)]

    @rule(which=st.lists(st.integers(0, 50), min_size=1, max_size=2, unique=True), accept=st.booleans())
    def revert(self, which: list[int], accept: bool) -> None:
        """Reverts earlier requests, also those that revert others."""
        named = dict.fromkeys(self.approved[-1 - n % len(self.approved)] for n in which)
        reverts = [change_request_pb2.Revert(change_request_id=each) for each in named]
        self.submit(*(change_request_pb2.ScopedChange(revert=each) for each in reverts), accept=accept)

    @rule(who=st.integers(1, 2), membership_type=st.sampled_from([PARTNER, CHILD]))
    def correct(self, who: int, membership_type: membership_type_pb2.MembershipType.ValueType) -> None:
        corrected = change_request_pb2.CorrectMembershipType(
            member_id=self.a_child(who), membership_type=membership_type
        )
        self.submit(change_request_pb2.ScopedChange(correct_membership_type=corrected))

    @precondition(lambda self: len(getattr(self, "seen", ())) > 2)
    @rule()
    def merge(self) -> None:
        """The second child turns out to be the first one, if they have the same type."""
        if len(self.children) == 1:
            return
        request = member_service_pb2.MergeMembersRequest(
            request_id=new_id(), from_member_id=self.double, into_member_id=self.family.child, reason="a test"
        )
        try:
            self.family.members.MergeMembers(request)
        except grpc.RpcError as error:
            assert decoded(error).reason == "MERGE_NOT_POSSIBLE", error
        else:
            self.children = [self.family.child]

    @rule(module=st.one_of(st.just(""), modules), first=days_of_2026)
    def leave(self, module: str, first: str) -> None:
        module_id = getattr(self.family, module) if module else ""
        self.submit(self.family.leave(first, module_id=module_id))

    @rule(born_on=st.sampled_from([None, "1980-01-01", "2008-07-15"]), child=st.booleans())
    def record(self, born_on: str | None, child: bool) -> None:
        self.family.born(self.family.child if child else self.family.primary, born_on)
        self.settle_down()

    @rule(without=st.sampled_from([None, 0, 1, 2]))
    def amend(self, without: int | None) -> None:
        contract = self.family.contract()
        if without is not None:
            del contract.versions[0].modules[without]
        self.family.amend(contract)
        self.settle_down()

    def settle_down(self) -> None:
        request = change_request_service_pb2.ListRecomputesRequest(group_id=self.family.group().group_id)
        while self.family.requests.ListRecomputes(request).waiting_count:
            pass

    @invariant()
    def revisions_follow_each_other(self) -> None:
        if not hasattr(self, "family"):
            return
        group = self.family.group()
        if group.revision > len(self.seen):
            assert group.revision == len(self.seen) + 1
            self.seen.append(group)
            before = self.seen[-2] if len(self.seen) > 1 else Group()
            days, types = self.plus_difference(before, group)
            assert days == settled(group)
            assert types == types_of(group)

    def plus_difference(self, before: Group, group: Group) -> tuple[DaysByEnrollment, dict[str, int]]:
        """Returns a revision's days and types after the difference to the next one is applied to them."""
        request = enrollment_query_service_pb2.DiffRevisionsRequest(
            group_id=group.group_id, from_revision=group.revision - 1, to_revision=group.revision
        )
        after, types = settled(before), types_of(before)
        for difference in self.family.queries.DiffRevisions(request).differences:
            gained = Days.of(*map(span_from_proto, difference.gained))
            lost = Days.of(*map(span_from_proto, difference.lost))
            its_days = after.pop(difference.enrollment_id, Days(()))
            assert lost <= its_days
            assert not gained & its_days
            known = types.pop(difference.enrollment_id, None)
            if left := (its_days - lost) | gained:
                after[difference.enrollment_id] = left
                types[difference.enrollment_id] = difference.membership_type
                is_corrected = known not in (None, difference.membership_type)
                assert (TYPE_CORRECTED in difference.kinds) == is_corrected
        return after, types

    @invariant()
    def the_past_never_changes(self) -> None:
        for n, group in enumerate(getattr(self, "seen", []), start=1):
            assert self.family.group(revision=n) == group
            assert self.family.group(instant=group.recorded_at) == group

    @invariant()
    def nobody_is_on_two_modules_of_a_slot(self) -> None:
        if not hasattr(self, "family"):
            return
        for member in (self.family.primary, *self.children):
            on: dict[str, Days] = {self.family.base: Days(()), self.family.plus: Days(())}
            for period in self.family.group().periods:
                if period.member_id == member and period.module_id in on:
                    on[period.module_id] |= Days.of(span_from_proto(period.days))
            assert not on[self.family.base] & on[self.family.plus]

    @invariant()
    def replaying_changes_nothing(self) -> None:
        if not hasattr(self, "family"):
            return
        request = change_request_service_pb2.RequestRecomputeRequest(
            request_id=new_id(), group_id=self.family.group().group_id, dry_run=True
        )
        assert not self.family.requests.RequestRecompute(request).differences


@pytest.mark.parametrize("steps", [20])
def test_invariants_hold_after_random_calls(server_channel: grpc.Channel, steps: int) -> None:
    AlwaysTrue.channel = server_channel
    run_state_machine_as_test(AlwaysTrue, settings=settings(max_examples=12, stateful_step_count=steps, deadline=None))
