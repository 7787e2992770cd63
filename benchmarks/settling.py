"""Measures the engine alone: one group with 10 members, 20 modules, 50 decisions and 10 contract versions is replayed
from its decisions, and from what they were folded into before."""

import random
import time
from dataclasses import replace
from datetime import date
from uuid import UUID

from benchmarks.figures import Figure
from domain.catalog.contract import Contract, ContractVersion, Module, ServiceType, TermStart
from domain.days import Span
from domain.enrollment.decisions import Decision, Enroll
from domain.enrollment.group import GroupBasis, replay
from domain.members import Facts
from domain.membership import MembershipType
from domain.rules.conditions import Age, EnrolledOn, Rule, Subject

MEMBERS, MODULES, DECISIONS, VERSIONS = 10, 20, 50, 10
ROUNDS = 200
SEED = 20_261_120


def measure() -> list[Figure]:
    draw = random.Random(SEED)
    basis = GroupBasis(_contract(), UUID(int=1), tuple(_decision(draw) for _ in range(DECISIONS)), _facts())
    enrolled = len(replay(basis).days)
    against = f"{enrolled} enrollments settled, seed {SEED}, mean of {ROUNDS}"
    figures = []
    for name, wanted in (("replay", replace(basis, known=None)), ("replay_folded", basis)):
        began = time.process_time()
        for _ in range(ROUNDS):
            replay(replace(wanted))  # a copy, so that it keeps no fold of its own
        each = (time.process_time() - began) / ROUNDS
        figures.append(Figure(name=f"settling.{name}", value=each * 1e3, unit="ms of CPU", against=against))
    return figures


def _contract() -> Contract:
    adults = Rule("ADULT", "", (), Age(Subject.SELF, 18, None))
    with_primary = Rule("WITH_PRIMARY", "", (MembershipType.CHILD,), EnrolledOn(Subject.PRIMARY, ()))
    versions = []
    for v in range(VERSIONS):
        modules = tuple(
            Module(
                module_id=UUID(int=100 + m),
                display_name="",
                slot=f"slot-{m // 4}",
                service_type=ServiceType.BASE,
                membership_types=(),
                commitment_months=None,
                rules=(Rule(f"NEEDS_{m}", "", (), EnrolledOn(Subject.SELF, (UUID(int=100 + m - 4),))),)
                if m > 3
                else (),
                capabilities=(),
                limits=(),
                network_tier="",
                pricing=None,
            )
            for m in range(MODULES)
        )
        days = Span.between(date(2020 + v, 1, 1), date(2020 + v, 12, 31) if v < VERSIONS - 1 else None)
        versions.append(ContractVersion(days, 0, (adults, with_primary), modules, None, None))
    slots = {UUID(int=100 + m): f"slot-{m // 4}" for m in range(MODULES)}
    return Contract(UUID(int=9), "", "FR", "EUR", "UTC", "", TermStart(), tuple(versions), slots)


def _facts() -> dict[UUID, Facts]:
    return {UUID(int=n): Facts(born_on=date(1980 + n * 2, 3, 1)) for n in range(1, MEMBERS + 1)}


def _decision(draw: random.Random) -> Decision:
    member = draw.randint(1, MEMBERS)
    kind = MembershipType.PRIMARY if member == 1 else MembershipType.CHILD
    first_on = date(2020 + draw.randrange(VERSIONS), draw.randint(1, 12), 1)
    enroll = Enroll(UUID(int=member), kind, UUID(int=100 + draw.randrange(MODULES)), Span.between(first_on, None))
    return Decision((enroll,))
