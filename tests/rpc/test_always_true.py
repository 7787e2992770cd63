"""Invariants of a group under random requests, facts and amendments: a state machine over the wire.

Revisions are numbered without gaps, and each is its predecessor plus the recorded difference. Responses as of the past
never change. No member is enrolled in two modules of a slot on one day. Replaying a group changes nothing.
"""

import grpc
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from affilia.enrollment.v1 import change_request_service_pb2, enrollment_group_pb2, enrollment_query_service_pb2
from domain.days import Days
from server.mapping.dates import span_from_proto
from tests.support.calls import Family, admin, new_id

Group = enrollment_group_pb2.EnrollmentGroup
DaysByEnrollment = dict[str, Days]

days_of_2026 = st.builds(lambda month, day: f"2026-{month:02}-{day:02}", st.integers(1, 12), st.integers(1, 28))
modules = st.sampled_from(["base", "plus", "option"])


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
        self.family.submit(self.family.leave("2025-01-01"))
        self.seen: list[Group] = []

    @rule(module=modules, first=days_of_2026, child=st.booleans(), bounded=st.booleans(), accept=st.booleans())
    def enroll(self, module: str, first: str, child: bool, bounded: bool, accept: bool) -> None:
        last = "2026-12-31" if bounded else None
        change = self.family.enroll(getattr(self.family, module), first, last, child=child)
        self.family.submit(change, requester=admin(), accept_consequences=accept)

    @rule(module=st.one_of(st.just(""), modules), first=days_of_2026)
    def leave(self, module: str, first: str) -> None:
        module_id = getattr(self.family, module) if module else ""
        self.family.submit(self.family.leave(first, module_id=module_id), requester=admin(), accept_consequences=True)

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
            before = settled(self.seen[-2]) if len(self.seen) > 1 else {}
            assert settled(group) == self.plus_difference(before, group)

    def plus_difference(self, before: DaysByEnrollment, group: Group) -> DaysByEnrollment:
        request = enrollment_query_service_pb2.DiffRevisionsRequest(
            group_id=group.group_id, from_revision=group.revision - 1, to_revision=group.revision
        )
        after = dict(before)
        for difference in self.family.queries.DiffRevisions(request).differences:
            gained = Days.of(*map(span_from_proto, difference.gained))
            lost = Days.of(*map(span_from_proto, difference.lost))
            its_days = after.pop(difference.enrollment_id, Days(()))
            assert lost <= its_days
            assert not gained & its_days
            if its_days := (its_days - lost) | gained:
                after[difference.enrollment_id] = its_days
        return after

    @invariant()
    def the_past_never_changes(self) -> None:
        for n, group in enumerate(getattr(self, "seen", []), start=1):
            assert self.family.group(revision=n) == group
            assert self.family.group(instant=group.recorded_at) == group

    @invariant()
    def nobody_is_on_two_modules_of_a_slot(self) -> None:
        if not hasattr(self, "family"):
            return
        for member in (self.family.primary, self.family.child):
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
