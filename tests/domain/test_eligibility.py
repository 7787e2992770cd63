"""Terms, records and checks, and the read model compared with a dictionary."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from itertools import pairwise
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.catalog.contract import Limit, LimitKind, LimitUnit, TermStart
from domain.days import Span, to_date, to_day
from domain.eligibility.accumulators import Asked, Usage, accumulators, apply
from domain.eligibility.checks import (
    CheckReason,
    Finding,
    OffersOf,
    Question,
    TodayIn,
    capable_days,
    day_under,
    with_day,
)
from domain.eligibility.checks import check as check_under
from domain.eligibility.coverage import CoveredRun, Offers, record_on, records_of, runs_of
from domain.eligibility.terms import term_id, term_of
from domain.enrollment.decisions import GroupKey
from domain.enrollment.group import Period
from domain.errors import AccumulatorNotInForce, LimitReached
from domain.membership import MembershipType
from tests.support.builders import a_contract, a_module, a_version, an_id

PRIMARY, PARTNER, CHILD = MembershipType.PRIMARY, MembershipType.PARTNER, MembershipType.CHILD
HERO, OTHER, KID = UUID(int=11), UUID(int=12), UUID(int=13)
POLICY, SECOND = UUID(int=21), UUID(int=22)
BASE, OPTION = an_id("base"), an_id("option")


def day(text: str) -> int:
    return to_day(date.fromisoformat(text))


def span(first: str, last: str | None) -> Span:
    return Span.between(date.fromisoformat(first), date.fromisoformat(last) if last else None)


def run(first: str, last: str | None = None, **other: Any) -> CoveredRun:
    covered_run = CoveredRun(POLICY, GroupKey(an_id("contract"), HERO), 1, HERO, BASE, PRIMARY, span(first, last))
    return covered_run._replace(**other)


def offers(*capabilities: str, limits: tuple[Limit, ...] = (), term_start: TermStart | None = None) -> Offers:
    module = a_module("base", capabilities=capabilities, limits=limits, network_tier="T1")
    version = a_version(module, a_module("option"), days=span("2020-01-01", None))
    return Offers(a_contract(version, term_start=term_start), 1)


def check(question: Question, runs: Sequence[CoveredRun], offers_of: OffersOf) -> Finding:
    """Checks a member on the day of a question, which must have one."""
    assert question.day is not None
    return check_under(question, runs, offers_of, no_day)


def no_day(time_zone: str) -> int:
    raise AssertionError("today doesn't matter to a question with a day")


# ------------------------------------------------------------------------------------------------ today


@pytest.mark.parametrize(
    ("instant", "covered"),
    [
        ("2026-03-30T09:59", {"Pacific/Kiritimati", "Europe/Paris", "Pacific/Pago_Pago"}),
        ("2026-03-30T10:00", {"Pacific/Kiritimati", "Europe/Paris", "Pacific/Pago_Pago"}),
        ("2026-03-31T09:59", {"Pacific/Kiritimati", "Europe/Paris", "Pacific/Pago_Pago"}),
        ("2026-03-31T10:00", {"Europe/Paris", "Pacific/Pago_Pago"}),
        ("2026-03-31T21:59", {"Europe/Paris", "Pacific/Pago_Pago"}),
        ("2026-03-31T22:00", {"Pacific/Pago_Pago"}),
        ("2026-04-01T10:59", {"Pacific/Pago_Pago"}),
        ("2026-04-01T11:00", set()),
    ],
)
def test_a_record_that_ends_in_march_is_active_until_midnight_in_its_contracts_time_zone(
    instant: str, covered: set[str]
) -> None:
    found = todays_check([run("2026-01-01", "2026-03-31", key=GroupKey(each, HERO)) for each in ZONES], instant)
    assert {ZONES[record.run.key.contract_id] for record in found.records} == covered
    assert found.reason == (CheckReason.COVERED if covered else CheckReason.COVERAGE_ENDED)


ZONES = {an_id(zone): zone for zone in ("Pacific/Kiritimati", "Europe/Paris", "Pacific/Pago_Pago")}


def offers_in_zone(contract_id: UUID) -> Offers:
    version = a_version(a_module("base"), days=span("2020-01-01", None))
    return Offers(a_contract(version, time_zone=ZONES[contract_id]), 1)


def today_at(instant: str) -> TodayIn:
    now = datetime.fromisoformat(instant).replace(tzinfo=UTC)
    return lambda zone: to_day(now.astimezone(ZoneInfo(zone)).date())


def todays_check(runs: Sequence[CoveredRun], instant: str) -> Finding:
    """Checks a member without a day."""
    return check_under(Question(HERO, None), runs, offers_in_zone, today_at(instant))


def test_without_a_day_the_next_and_the_last_day_are_relative_to_each_contracts_today() -> None:
    east, _, west = (GroupKey(contract_id, HERO) for contract_id in ZONES)
    one_day = run("2026-03-31", "2026-03-31")
    noon = "2026-03-31T10:30"  # 1 April in Kiritimati, 30 March in Pago Pago
    ended = todays_check([one_day._replace(key=east)], noon)
    assert (ended.reason, ended.last_day) == (CheckReason.COVERAGE_ENDED, day("2026-03-31"))
    later = todays_check([one_day._replace(key=west)], noon)
    assert (later.reason, later.first_day) == (CheckReason.NOT_YET_COVERED, day("2026-03-31"))
    both = todays_check([one_day._replace(key=key) for key in (west, east)], noon)
    assert (both.reason, both.first_day, both.last_day) == (
        CheckReason.COVERAGE_ENDED,
        day("2026-03-31"),
        day("2026-03-31"),
    )


def test_a_question_gets_the_day_that_is_today_under_all_contracts_of_the_member() -> None:
    east, paris, west = (run("2026-01-01", key=GroupKey(contract_id, HERO)) for contract_id in ZONES)

    def dated(*runs: CoveredRun, on: int | None = None) -> int | None:
        question = Question(HERO, on)
        day_of = day_under(on, offers_in_zone, today_at("2026-03-31T10:30"))
        return with_day(question, runs, day_of, otherwise=1).day

    assert (dated(east), dated(paris), dated(west)) == (day("2026-04-01"), day("2026-03-31"), day("2026-03-30"))
    assert dated(east, paris) is None
    assert dated(east, east._replace(module_id=OPTION)) == day("2026-04-01")
    assert dated() == 1
    assert dated(east, west, on=7) == 7


# ------------------------------------------------------------------------------------------------ terms and records


@given(st.integers(1, 12), st.integers(1, 28), st.dates())
def test_every_day_lies_in_one_term_of_twelve_months(month: int, day_of_month: int, on: date) -> None:
    term = term_of(TermStart(month, day_of_month), to_day(on))
    assert term.holds(to_day(on))
    first = to_date(term.start)
    if first != date.min and term.end <= to_day(date.max):
        assert (first.month, first.day) == (month, day_of_month)
        assert to_date(term.end) == first.replace(year=first.year + 1)
        assert term_of(TermStart(month, day_of_month), term.start) == term
        assert term_of(TermStart(month, day_of_month), term.end) != term


def test_a_term_id_depends_on_policy_and_first_day() -> None:
    one, other = span("2026-04-01", "2027-03-31"), span("2027-04-01", "2028-03-31")
    assert len({term_id(POLICY, one), term_id(POLICY, other), term_id(SECOND, one)}) == 3
    assert term_id(POLICY, one).version == 5


def test_an_open_run_has_one_record_in_every_term() -> None:
    found = list(
        records_of(run("2025-11-15"), offers("A", term_start=TermStart(4, 1)), span("2025-01-01", "2027-12-31"))
    )
    assert [(str(to_date(r.days.start)), str(to_date(r.days.end - 1))) for r in found] == [
        ("2025-11-15", "2026-03-31"),
        ("2026-04-01", "2027-03-31"),
        ("2027-04-01", "2028-03-31"),
    ]
    assert len({record.locator for record in found}) == 3
    assert {record.offer.network_tier for record in found} == {"T1"}


def test_a_record_is_cut_only_where_the_offer_changes() -> None:
    one, same, another = (a_module("base", capabilities=c) for c in (("A",), ("A",), ("A", "B")))
    contract = a_contract(
        a_version(one, days=span("2026-01-01", "2026-03-31")),
        a_version(same, days=span("2026-04-01", "2026-06-30")),
        a_version(another, days=span("2026-07-01", None)),
    )
    found = list(records_of(run("2026-02-01"), Offers(contract, 1), span("2026-01-01", "2026-12-31")))
    assert [(str(to_date(r.days.start)), r.offer.capabilities) for r in found] == [
        ("2026-02-01", ("A",)),
        ("2026-07-01", ("A", "B")),
    ]


def test_days_without_an_offer_have_no_record() -> None:
    contract = a_contract(
        a_version(a_module("base"), days=span("2026-01-01", "2026-03-31")),
        a_version(a_module("option"), days=span("2026-04-01", "2026-06-30")),
        a_version(a_module("base"), days=span("2026-07-01", None)),
    )
    covered_run = run("2026-01-01", "2026-12-31")
    found = list(records_of(covered_run, Offers(contract, 1), span("2026-01-01", "2026-12-31")))
    assert [str(to_date(r.days.start)) for r in found] == ["2026-01-01", "2026-07-01"]
    assert record_on(covered_run, Offers(contract, 1), day("2026-05-01")) is None


def test_equal_periods_that_touch_are_one_run() -> None:
    key = GroupKey(an_id("contract"), HERO)
    periods = [
        Period(HERO, PRIMARY, BASE, span("2026-01-01", "2026-03-31")),
        Period(HERO, PRIMARY, BASE, span("2026-04-01", None)),
        Period(KID, CHILD, BASE, span("2026-01-01", "2026-03-31")),
        Period(KID, PARTNER, BASE, span("2026-04-01", None)),
    ]
    found = runs_of(POLICY, key, 3, periods)
    assert [(r.member_id, r.membership_type) for r in found] == [(HERO, PRIMARY), (KID, CHILD), (KID, PARTNER)]
    assert found[0].days == span("2026-01-01", None)


# ------------------------------------------------------------------------------------------------ checks


@pytest.mark.parametrize(
    ("on", "reason", "first", "last"),
    [
        ("2025-12-31", CheckReason.NOT_YET_COVERED, "2026-02-01", None),
        ("2026-02-01", CheckReason.COVERED, None, None),
        ("2026-03-31", CheckReason.COVERED, None, None),
        ("2026-04-01", CheckReason.COVERAGE_ENDED, "2026-06-01", "2026-03-31"),
        ("2026-06-30", CheckReason.COVERED, None, None),
        ("2026-07-01", CheckReason.COVERAGE_ENDED, None, "2026-06-30"),
    ],
)
def test_check_reasons(on: str, reason: CheckReason, first: str | None, last: str | None) -> None:
    runs = [run("2026-06-01", "2026-06-30"), run("2026-02-01", "2026-03-31")]
    found = check(Question(HERO, day(on)), runs, lambda _: offers("A"))
    assert found.reason == reason
    assert found.first_day == (day(first) if first else None)
    assert found.last_day == (day(last) if last else None)


def test_modules_are_checked_before_capabilities() -> None:
    def found(module: UUID | None = None, capability: str = "") -> CheckReason:
        return check(
            Question(HERO, day("2026-03-01"), module, capability), [run("2026-01-01")], lambda _: offers("A")
        ).reason

    assert found() == found(BASE) == found(capability="A") == found(BASE, "A") == CheckReason.COVERED
    assert found(OPTION) == found(OPTION, "A") == CheckReason.MODULE_NOT_COVERED
    assert found(capability="B") == found(BASE, "B") == CheckReason.CAPABILITY_NOT_INCLUDED
    assert check(Question(KID, day("2026-03-01")), [], lambda _: offers()).reason == CheckReason.NO_COVERAGE


def test_records_are_those_with_the_requested_module_and_capability() -> None:
    module = a_module("option", capabilities=("B",))
    contract = a_contract(a_version(a_module("base", capabilities=("A",)), module, days=span("2020-01-01", None)))
    runs = [run("2026-01-01"), run("2026-01-01", module_id=OPTION)]

    def on(**asked: Any) -> list[UUID]:
        question = replace(Question(HERO, day("2026-03-01")), **asked)
        return [r.run.module_id for r in check(question, runs, lambda _: Offers(contract, 1)).records]

    assert on(capability="B") == [OPTION]
    assert on(module_id=BASE) == [BASE]
    assert set(on()) == {BASE, OPTION}
    assert set(on(capability="C")) == {BASE, OPTION}


def test_a_capability_lasts_as_long_as_any_coverage_has_it() -> None:
    runs = [run("2026-01-10", "2026-03-31"), run("2026-04-01", "2026-05-31", module_id=OPTION)]
    contract = a_contract(
        a_version(
            a_module("base", capabilities=("A",)),
            a_module("option", capabilities=("A",)),
            days=span("2020-01-01", None),
        )
    )
    within = span("2025-01-01", "2027-12-31")
    found = capable_days("A", day("2026-04-01"), runs, lambda _: Offers(contract, 1), within)
    assert found == span("2026-01-10", "2026-05-31")
    assert capable_days("A", day("2026-06-01"), runs, lambda _: Offers(contract, 1), within) is None
    assert capable_days("B", day("2026-04-01"), runs, lambda _: Offers(contract, 1), within) is None


# ------------------------------------------------------------------------------------------------ accumulators

DEDUCTIBLE = Limit(LimitKind.DEDUCTIBLE, "", LimitUnit.MONEY, 100, 150)
VISITS = Limit(LimitKind.BENEFIT, "PHYSIO", LimitUnit.VISITS, None, 5)


def test_the_applied_amount_is_bounded_by_both_limits() -> None:
    limits = {limit.code: limit for limit in (DEDUCTIBLE, VISITS)}
    usage = {"DEDUCTIBLE": Usage(60, 130), "BENEFIT:PHYSIO": Usage(9, 4)}
    asked = [Asked("DEDUCTIBLE", 50), Asked("BENEFIT:PHYSIO", 1)]
    money, visits = apply(asked, limits, usage, reject_excess=False)
    assert (money.applied, money.excess) == (20, 30)  # the family has 20 left, the member 40
    assert (money.accumulator.usage, money.accumulator.is_met) == (Usage(80, 150), True)
    assert (visits.applied, visits.accumulator.individual_remaining, visits.accumulator.is_met) == (1, None, True)
    with pytest.raises(LimitReached) as reached:
        apply(asked, limits, usage, reject_excess=True)
    assert reached.value.facts == {"code": "DEDUCTIBLE", "asked": "50", "available": "20"}
    with pytest.raises(AccumulatorNotInForce):
        apply([Asked("OUT_OF_POCKET_MAX", 1)], limits, {}, reject_excess=False)


def test_nothing_is_left_if_usage_exceeds_a_smaller_limit() -> None:
    (found,) = accumulators({"DEDUCTIBLE": DEDUCTIBLE}, {"DEDUCTIBLE": Usage(120, 120)})
    assert (found.individual_remaining, found.family_remaining, found.remaining, found.is_met) == (0, 30, 0, True)


amounts = st.integers(0, 80)


@given(
    st.lists(st.tuples(st.sampled_from([HERO, KID]), amounts), max_size=12), st.none() | amounts, st.none() | amounts
)
def test_usage_never_exceeds_a_limit(asked: list[tuple[UUID, int]], individual: int | None, family: int | None) -> None:
    limit = Limit(LimitKind.DEDUCTIBLE, "", LimitUnit.MONEY, individual, family)
    used = dict.fromkeys((HERO, KID), 0)
    for who, amount in asked:
        usage = {"DEDUCTIBLE": Usage(used[who], sum(used.values()))}
        (applied,) = apply([Asked("DEDUCTIBLE", amount)], {"DEDUCTIBLE": limit}, usage, reject_excess=False)
        room = min(
            individual - used[who] if individual is not None else amount,
            family - sum(used.values()) if family is not None else amount,
        )
        assert applied.applied == min(amount, room)
        used[who] += applied.applied
    assert individual is None or max(used.values()) <= individual
    assert family is None or sum(used.values()) <= family


def test_records_of_a_term_never_overlap() -> None:
    found = list(records_of(run("2020-05-05", "2031-01-01"), offers("A"), span("2020-01-01", "2035-01-01")))
    assert all(one.days.end == other.days.start for one, other in pairwise(found))
    assert found[-1].days.end == day("2031-01-02")
