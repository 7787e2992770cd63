"""Accumulators over the wire as a state machine, compared with a model that lists what isn't reversed."""

from dataclasses import dataclass
from typing import Any

import grpc
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from affilia.eligibility.v1 import eligibility_internal_service_pb2 as internal_pb
from tests.conftest import ServerProcess
from tests.support.calls import failure_of
from tests.support.channels import connected_to
from tests.support.insured import Insured

LIMITS = {False: (100_00, 150_00), True: (200_00, 300_00)}
"""The individual and the family limit, by whether somebody is enrolled in plus."""
ON_BASE, ON_PLUS, LATE = "2026-03-10", "2026-08-10", "2026-11-10"


@dataclass
class Made:
    request: internal_pb.ApplyAccumulatorsRequest
    member: str
    term: str
    asked: int
    applied: int
    live: bool = True


class Accumulators(RuleBasedStateMachine):
    """The primary moves to plus in July and leaves retroactively in October; the child stays."""

    channels: tuple[grpc.Channel, grpc.Channel]
    applications = Bundle("applications")

    @initialize(target=applications)
    def begin(self) -> Any:
        self.insured = Insured(*self.channels).set_up()
        self.members = [self.insured.family.primary, self.insured.family.child]
        self.insured.enroll("2026-01-01")
        self.insured.enroll("2026-01-01", child=True)
        self.insured.enroll("2026-07-01", module=self.insured.family.plus)
        assert self.insured.reason(ON_PLUS) == "COVERED"
        self.made: list[Made] = []
        self.covered_until = "9999-12-31"
        return self.apply(0, ON_BASE, 10_00)

    def used(self, term: str, member: str | None = None) -> int:
        return sum(m.applied for m in self.made if m.live and m.term == term and member in (None, m.member))

    @rule(
        target=applications,
        who=st.integers(0, 1),
        on=st.sampled_from([ON_BASE, ON_PLUS, LATE, "2027-02-02"]),
        amount=st.integers(0, 90_00),
    )
    def apply(self, who: int, on: str, amount: int) -> Any:
        member = self.members[who]
        request = self.insured.application(on, member, deductible=amount)
        if who == 0 and on > self.covered_until:
            assert failure_of(self.insured.claims.ApplyAccumulators, request).reason == "NOT_COVERED"
            return None
        individual, family = LIMITS[who == 0 and on >= "2026-07-01"]
        term = on[:4]
        room = max(0, min(individual - self.used(term, member), family - self.used(term)))
        answer = self.insured.claims.ApplyAccumulators(request)
        applied = min(amount, room)
        assert [(a.applied, a.excess) for a in answer.amounts] == [(applied, amount - applied)]
        self.insured.token = answer.consistency_token
        self.made.append(Made(request, member, term, amount, applied))
        return self.made[-1]

    @rule(made=applications)
    def repeat(self, made: Made | None) -> None:
        if made is None:
            return
        if not made.live:
            failure = failure_of(self.insured.claims.ApplyAccumulators, made.request)
            assert failure.reason == "APPLICATION_ID_REUSED"
            return
        answer = self.insured.claims.ApplyAccumulators(made.request)
        assert [a.applied for a in answer.amounts] == [made.applied]

    @rule(made=applications, times=st.integers(1, 2))
    def reverse(self, made: Made | None, times: int) -> None:
        if made is None:
            return
        made.live = False
        answers = [self.insured.reverse(made.request.application_id) for _ in range(times)]
        assert [[r.applied for r in answer.reversals] for answer in answers] == [[-made.applied]] * times
        later = {each.application_id: each for each in answers[-1].later_excesses}
        for each in self.made:
            if each.request.application_id in later and each.live:
                assert later[each.request.application_id].excess == each.asked - each.applied > 0

    @rule()
    def leave(self) -> None:
        self.covered_until = "2026-09-30"
        self.insured.submit(self.insured.family.leave("2026-10-01"))

    @invariant()
    def what_is_used_is_the_sum_of_what_is_live(self) -> None:
        if not getattr(self, "made", None):
            return
        for who, on in ((0, ON_BASE), (0, ON_PLUS), (1, ON_BASE)):
            member = self.members[who]
            assert self.insured.used(on, member) == (self.used("2026", member), self.used("2026"))
        ledger = self.insured.ledger()
        assert sum(e.applied for e in ledger) == self.used("2026") + self.used("2027")
        orphaned = {e.application_id for e in ledger if e.orphaned}
        late = [m.request.service_date for m in self.made if m.live and m.member == self.members[0]]
        assert len(orphaned) == sum((d.year, d.month) >= (2026, 10) for d in late if self.covered_until < "9999")


@pytest.mark.usefixtures("server")
def test_accumulators_agree_with_a_simple_model(server: ServerProcess) -> None:
    with (
        connected_to(server.address) as channel,
        connected_to(server.internal_address) as internal,
    ):
        Accumulators.channels = (channel, internal)
        run_state_machine_as_test(
            Accumulators,
            settings=settings(
                max_examples=15,
                stateful_step_count=12,
                deadline=None,
                suppress_health_check=list(HealthCheck),
            ),
        )
