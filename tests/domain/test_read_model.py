"""The read model of checks: it returns the newest state of everything loaded into it and written to it."""

from array import array
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from domain.days import UNBOUNDED_END, UNBOUNDED_START, Span
from domain.eligibility.accumulators import Usage
from domain.eligibility.columns import FAMILY, PolicyColumns, RunColumns, UsageColumns
from domain.eligibility.coverage import CoveredRun, PolicyCoverage
from domain.eligibility.read_model import KIND_NUMBERS, ReadModel
from domain.enrollment.decisions import GroupKey
from domain.membership import MembershipType

MEMBERS = [UUID(int=n << 64 | n) for n in range(1, 6)]
POLICIES = [UUID(int=n << 70 | n) for n in range(1, 4)]
MODULES = [UUID(int=n) for n in (1, 2)]
CONTRACT = UUID(int=7)
TERMS, CODES = (10, 375), ("A", "B")

days_of_run = st.integers(1, 50).flatmap(lambda a: st.integers(a + 1, 60).map(lambda b: Span(a, b)))
open_ended = st.sampled_from([Span(5, UNBOUNDED_END), Span(UNBOUNDED_START, 9)])
random_runs = st.lists(
    st.tuples(
        st.sampled_from(MEMBERS),
        st.sampled_from(MODULES),
        st.sampled_from(MembershipType),
        days_of_run | open_ended,
    ),
    max_size=6,
)
Run = tuple[UUID, UUID, MembershipType, Span]
UsageKey = tuple[UUID, UUID | None, int, str]
usage_keys = st.tuples(
    st.sampled_from(POLICIES), st.none() | st.sampled_from(MEMBERS), st.sampled_from(TERMS), st.sampled_from(CODES)
)


def coverage_of(policy: UUID, key: GroupKey, revision: int, runs: Sequence[Run]) -> PolicyCoverage:
    return PolicyCoverage(
        policy, key, revision, tuple(CoveredRun(policy, key, revision, m, module, k, d) for m, module, k, d in runs)
    )


def policy_columns(policies: Sequence[PolicyCoverage]) -> tuple[PolicyColumns, RunColumns]:
    runs = [(i, run) for i, policy in enumerate(policies) for run in policy.runs]
    return (
        PolicyColumns(
            [policy.group_id.bytes for policy in policies],
            [policy.key.contract_id.bytes for policy in policies],
            [policy.key.primary_id.bytes for policy in policies],
            array("i", [policy.revision for policy in policies]),
        ),
        RunColumns(
            array("i", [i for i, _ in runs]),
            [run.member_id.bytes for _, run in runs],
            [run.module_id.bytes for _, run in runs],
            array("i", [KIND_NUMBERS[run.membership_type] for _, run in runs]),
            array("i", [run.days.start for _, run in runs]),
            array("i", [run.days.end for _, run in runs]),
        ),
    )


def usage_columns(used: Mapping[UsageKey, int]) -> UsageColumns:
    return UsageColumns(
        [policy.bytes for policy, _, _, _ in used],
        [member.bytes if member else FAMILY for _, member, _, _ in used],
        array("i", [term for _, _, term, _ in used]),
        [code for _, _, _, code in used],
        array("q", used.values()),
    )


class ReadModelLikeADictionary(RuleBasedStateMachine):
    """Some policies and usage are loaded in pages. Then policies and usage are written in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.model = ReadModel()
        self.policies: dict[UUID, PolicyCoverage] = {}
        self.used: dict[UsageKey, int] = {}
        self.stamps: dict[tuple[UUID, tuple[int, ...]], Any] = {}

    @initialize(
        loaded=st.dictionaries(
            st.sampled_from(POLICIES), st.tuples(st.integers(1, 20), st.sampled_from(MEMBERS), random_runs)
        ),
        used=st.dictionaries(usage_keys, st.integers(0, 10**12)),
        cut=st.integers(0, 6),
    )
    def load(self, loaded: dict[UUID, tuple[int, UUID, list[Run]]], used: dict[UsageKey, int], cut: int) -> None:
        self.policies = {
            policy: coverage_of(policy, GroupKey(CONTRACT, primary), revision, runs)
            for policy, (revision, primary, runs) in loaded.items()
        }
        self.used = dict(used)
        policies, balances = list(self.policies.values()), list(used.items())
        for page in (policies[:cut], policies[cut:]):
            self.model.add_policies(*policy_columns(page))
        for part in (balances[:cut], balances[cut:]):
            self.model.add_usage(usage_columns(dict(part)))

    @rule(
        policy=st.sampled_from(POLICIES),
        revision=st.integers(1, 20),
        primary=st.sampled_from(MEMBERS),
        runs=random_runs,
    )
    def put(self, policy: UUID, revision: int, primary: UUID, runs: list[Run]) -> None:
        before = self.policies.get(policy)
        coverage = coverage_of(policy, before.key if before else GroupKey(CONTRACT, primary), revision, runs)
        self.model.put(coverage)
        if before is None or before.revision < revision:
            self.policies[policy] = coverage

    @rule(key=usage_keys, used=st.integers(0, 10**12))
    def use(self, key: UsageKey, used: int) -> None:
        self.model.put_usage(*key, used)
        self.used[key] = used

    @invariant()
    def says_the_same(self) -> None:
        for member in MEMBERS:
            expected = [r for policy in self.policies.values() for r in policy.runs if r.member_id == member]
            assert sorted(self.model.runs(member)) == sorted(expected)
        for policy in POLICIES:
            known = self.policies.get(policy)
            assert self.model.revision_of(policy) == (known.revision if known else 0)
            for member in MEMBERS:
                for term in TERMS:
                    assert self.model.usage(policy, member, term) == self.used_by(policy, member, term)

    def used_by(self, policy: UUID, member: UUID, term: int) -> dict[str, Usage]:
        used = {}
        for code in CODES:
            own, family = (self.used.get((policy, whose, term, code)) for whose in (member, None))
            if own is not None or family is not None:
                used[code] = Usage(own or 0, family or 0)
        return used

    @invariant()
    def an_equal_stamp_means_that_nothing_has_changed(self) -> None:
        for member in MEMBERS:
            runs = sorted(self.model.runs(member))
            known = (runs, [self.model.usage(r.group_id, member, term) for r in runs for term in TERMS])
            assert self.stamps.setdefault((member, self.model.stamp(member)), known) == known


ReadModelLikeADictionary.TestCase.settings = settings(max_examples=80, stateful_step_count=20, deadline=None)
TestReadModel = ReadModelLikeADictionary.TestCase
