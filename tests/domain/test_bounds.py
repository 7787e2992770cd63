"""The number of reasons in a response is limited, and everything that was rejected keeps at least one."""

from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from domain.actors import BEFORE_ACTORS
from domain.days import Days, Span
from domain.enrollment.bounds import MAX_CAUSES, MAX_REASONS, MAX_TOTAL, MAX_VIOLATIONS, Bounds, most_relevant
from domain.enrollment.decisions import Enroll, GroupKey, Requester, RequesterRole, ScopedChange
from domain.enrollment.history import ChangeRequest
from domain.enrollment.verdicts import Cause, MissingFact, Notice, Verdict, Violation, ViolationCode
from domain.members import FactKind as Kind
from domain.membership import MembershipType

PRIMARY = UUID(int=1)
DAYS = Span(1000, 1001)


def module(n: int) -> UUID:
    return UUID(int=1000 + n)


def enroll(n: int) -> Enroll:
    return Enroll(PRIMARY, MembershipType.PRIMARY, module(n), DAYS)


def broken(rule: int, n: int) -> Violation:
    return Violation(ViolationCode.RULE_NOT_SATISFIED, "", f"RULE_{rule:03}", PRIMARY, module(n), 1000)


def in_order(violations: list[Violation]) -> list[Violation]:
    return sorted(violations, key=lambda violation: violation.order)


@given(rules=st.integers(1, 12), changes=st.integers(1, 100), odd=st.sets(st.integers(0, 99), max_size=5))
def test_every_rejected_change_and_every_rule_keeps_a_violation(rules: int, changes: int, odd: set[int]) -> None:
    general = Violation(ViolationCode.CONSEQUENCES_NOT_ACCEPTED, "")
    wrong_type = Violation(ViolationCode.MEMBERSHIP_TYPE_CONFLICT, "", member_id=PRIMARY)
    every = [broken(rule, n) for rule in range(rules) for n in range(changes)]
    every += [replace(broken(200, n), module_id=module(n)) for n in odd if n < changes]
    every = in_order([*every, general, wrong_type])
    reported = most_relevant(every, [enroll(n) for n in range(changes)])
    assert len(reported) == min(len(every), MAX_VIOLATIONS)
    assert list(reported) == in_order(list(reported))
    assert set(reported) <= set(every)
    assert general in reported
    assert {v.module_id for v in reported} >= {module(n) for n in range(changes)}
    assert {v.order[0] for v in reported} == {v.order[0] for v in every}


def test_explanations_get_shorter_the_more_there_are() -> None:
    assert Bounds.of_each(1) == Bounds(MAX_REASONS, MAX_CAUSES)
    for things in (1, 10, 100, 500):
        bounds = Bounds.of_each(things)
        assert bounds.reasons >= 1
        assert bounds.causes >= 1
        assert things * bounds.reasons <= max(MAX_TOTAL, things)


def a_request(violations: tuple[Violation, ...], notices: tuple[Notice, ...] = ()) -> ChangeRequest:
    changes = tuple(ScopedChange(enroll(n), "", "") for n in range(100))
    requester = Requester(RequesterRole.ADMIN, "ada", "a test")
    key, now = GroupKey(UUID(int=7), PRIMARY), datetime(2026, 1, 1, tzinfo=UTC)
    return ChangeRequest(
        UUID(int=8), UUID(int=9), UUID(int=10), key, requester, changes, (), False,
        Verdict.REJECTED, violations, notices, (), 1, False, now, BEFORE_ACTORS,
    )  # fmt: skip


def test_a_stored_request_with_too_many_reasons_is_shortened_and_counts_the_omitted_ones() -> None:
    facts = tuple(MissingFact(PRIMARY, Kind.ATTRIBUTE, f"a{n}") for n in range(50))
    cause = Cause(ViolationCode.NOT_OFFERED, "", PRIMARY, module(0), 1000, "", facts)
    every = tuple(in_order([replace(broken(r, n), chain=(cause,) * 30) for r in range(150) for n in range(100)]))
    notice = Notice(PRIMARY, module(0), Days.of(DAYS), tuple(broken(rule, 0) for rule in range(150)))
    bounded = a_request(every, (notice,)).bounded()
    assert (len(bounded.violations), bounded.violations_omitted) == (MAX_VIOLATIONS, 14_800)
    assert {v.module_id for v in bounded.violations} == {module(n) for n in range(100)}
    assert all(v.is_shortened and 1 <= len(v.chain) <= MAX_TOTAL // MAX_VIOLATIONS for v in bounded.violations)
    assert all(len(cause.missing_facts) == 20 for v in bounded.violations for cause in v.chain)
    (reported,) = bounded.notices
    assert (len(reported.reasons), reported.reasons_omitted) == (MAX_REASONS, 130)
    assert bounded.bounded() == bounded


def test_a_small_request_is_not_shortened() -> None:
    request = a_request((broken(1, 1), broken(2, 1)))
    assert request.bounded() == request
