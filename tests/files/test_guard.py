"""Which plans are refused because they take too much cover away, with the counts against a slow, obvious model."""

from collections.abc import Mapping as Lookup
from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from affilia_cli.enrollment_file.applying.guard import Limits, check_losses
from affilia_cli.enrollment_file.applying.losses import FamilyDays, Losses, Terminations, count_losses
from affilia_cli.enrollment_file.applying.simulating import can_lose_days
from affilia_cli.enrollment_file.book.book import Book, BookContract, BookFamily, EnrollmentKey, FamilyKey
from affilia_cli.enrollment_file.book.day_runs import DayRuns
from affilia_cli.enrollment_file.findings import TooManyDaysLost, TooManyTerminations

TODAY = date(2026, 3, 1)
SLOTS = {"BASE": "base", "PLUS": "base", "UNMAPPED": "base"}
MAPPED = frozenset({"BASE", "PLUS", "DENTAL"})
MODULES = ("BASE", "PLUS", "UNMAPPED", "DENTAL", "OTHER")

Enrolled = dict[str, DayRuns]
"""The days of one member by module."""


def days(*runs: str) -> DayRuns:
    """Returns days from texts such as 2026-01-01/2026-03-31, or 2026-01-01/ without an end."""
    parts = [run.partition("/") for run in runs]
    return DayRuns.of((date.fromisoformat(a), date.fromisoformat(z) if z else date.max) for a, _, z in parts)


def keyed(members: Lookup[str, Enrolled]) -> dict[EnrollmentKey, DayRuns]:
    return {EnrollmentKey(m, module): each for m, modules in members.items() for module, each in modules.items()}


def losses_of(
    before: Lookup[str, Lookup[str, Enrolled]], after: Lookup[str, Lookup[str, Enrolled]], today: date = TODAY
) -> Losses:
    """Counts the losses of families, named by their primary, of one contract. `after` has the changed ones only."""
    families = {
        FamilyKey("C", primary): BookFamily(FamilyKey("C", primary), primary, 1, keyed(members), {})
        for primary, members in before.items()
    }
    contract = BookContract("C", "ACME", "UTC", date(2025, 1, 1), SLOTS, {})
    book = Book({"C": contract}, families, {}, {})
    changed = {
        FamilyKey("C", primary): FamilyDays(keyed(before[primary]), keyed(members))
        for primary, members in after.items()
    }
    return count_losses(book, {"C": MAPPED}, changed, today)


def ended(before: Enrolled, after: Enrolled) -> bool:
    (counted,) = losses_of({"P": {"P": before}}, {"P": {"P": after}}).terminations
    return counted.ended == ("P",)


OPEN = days("2025-01-01/")


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ({"BASE": OPEN}, {"BASE": days("2025-01-01/2026-12-31")}, True),
        ({"BASE": OPEN}, {}, True),
        ({"BASE": OPEN}, {"BASE": days("2025-01-01/2026-03-31", "2026-06-01/")}, False),
        ({"BASE": OPEN}, {"BASE": days("2025-01-01/2026-03-31", "2026-06-01/2026-06-30")}, True),
        ({"BASE": OPEN}, {"BASE": days("2025-01-01/2026-03-31"), "PLUS": days("2026-04-01/")}, False),
        ({"BASE": OPEN}, {"BASE": days("2025-01-01/2026-03-31"), "UNMAPPED": days("2026-04-01/")}, False),
        ({"BASE": OPEN, "DENTAL": OPEN}, {"BASE": OPEN}, True),
        ({"BASE": OPEN, "OTHER": OPEN}, {"BASE": OPEN}, False),
        ({"BASE": days("2025-01-01/2026-02-28")}, {}, False),
        ({"BASE": OPEN}, {"BASE": days("2026-01-01/")}, False),
        ({"BASE": days("2025-01-01/2026-06-30")}, {"BASE": OPEN}, False),
    ],
)
def test_cover_ends_if_a_day_from_today_on_is_lost_and_nothing_follows_in_the_slot(
    before: Enrolled, after: Enrolled, expected: bool
) -> None:
    assert ended(before, after) is expected


def test_members_covered_by_another_family_of_the_contract_are_not_terminated() -> None:
    both = {"ANN": {"CHILD": {"BASE": OPEN}}, "BOB": {"CHILD": {"BASE": OPEN}}}
    (counted,) = losses_of(both, {"ANN": {}}).terminations
    assert (counted.covered, counted.ended) == (1, ())


def test_only_members_on_a_mapped_module_from_today_on_count() -> None:
    book = {
        "A": {"A": {"BASE": OPEN}, "CHILD": {"DENTAL": OPEN}},
        "B": {"B": {"BASE": days("2025-01-01/2026-02-28")}},
        "C": {"C": {"OTHER": OPEN}},
    }
    (counted,) = losses_of(book, {}).terminations
    assert counted.covered == 2


def test_lost_days_are_those_of_the_next_twelve_months() -> None:
    book = {"A": {"A": {"BASE": OPEN}}, "B": {"B": {"BASE": OPEN, "DENTAL": days("2026-03-01/2026-03-10")}}}
    counted = losses_of(book, {"B": {"B": {"BASE": days("2025-06-01/2026-03-31"), "PLUS": days("2026-05-01/")}}})
    assert counted.covered_days == 365 + 365 + 10
    assert counted.days_lost == {"B": 30 + 10}


@pytest.mark.parametrize(
    ("ending", "covered", "limit", "refused"),
    [(1, 1, 0.1, True), (1, 10, 0.1, False), (2, 10, 0.1, True), (29, 100, 0.29, False), (5, 5, 1.0, False)],
)
def test_a_plan_is_refused_if_more_than_the_share_is_terminated(
    ending: int, covered: int, limit: float, refused: bool
) -> None:
    losses = Losses((Terminations("C", covered, tuple(f"M{n:02}" for n in range(ending))),), 0, {})
    if refused:
        with pytest.raises(TooManyTerminations, match=f"{ending} of {covered} members"):
            check_losses(losses, Limits(limit, 1.0), {})
    else:
        check_losses(losses, Limits(limit, 1.0), {})


def test_a_refusal_names_the_first_twenty_members_and_the_option_that_allows_it() -> None:
    losses = Losses((Terminations("C", 100, tuple(f"M{n:02}" for n in range(25))),), 0, {})
    with pytest.raises(TooManyTerminations) as refused:
        check_losses(losses, Limits(), {"M00": "JANE DOE"})
    text = str(refused.value)
    assert "25 of 100 members would lose coverage, which is more than 10%: JANE DOE, M01, " in text
    assert ", M19 and 5 more. To allow it, raise the limit with --max-terminations" in text


def test_a_plan_is_refused_if_more_than_the_share_of_days_is_lost() -> None:
    losses = Losses((), 3650, {"A": 365, "B": 1})
    with pytest.raises(
        TooManyDaysLost, match=r"366 of 3650 covered days.*A \(365 days\), B \(1 day\).*--max-days-lost"
    ):
        check_losses(losses, Limits(), {})
    check_losses(losses, Limits(max_days_lost=1.0), {})
    check_losses(Losses((), 3650, {"A": 365}), Limits(), {})


def test_a_refusal_for_both_reasons_says_both() -> None:
    losses = Losses((Terminations("C", 1, ("A",)),), 365, {"A": 365})
    with pytest.raises(TooManyTerminations, match=r"1 of 1 members[^\n]*\n365 of 365 covered days"):
        check_losses(losses, Limits(), {})


# ------------------------------------------------------------------------------------------------- against a model

HORIZON = [TODAY + timedelta(days=offset) for offset in (-3, -2, -1, 0, 1, 2, 3, 363, 364, 365, 366)]


@st.composite
def some_days(draw: st.DrawFn) -> DayRuns:
    """Returns days around today and around the end of the next twelve months, at times without an end."""
    single = draw(st.sets(st.sampled_from(HORIZON)))
    found = DayRuns.of((day, day) for day in single)
    return found | DayRuns.since(draw(st.sampled_from(HORIZON))) if draw(st.booleans()) else found


@st.composite
def some_enrollments(draw: st.DrawFn) -> Enrolled:
    """Returns the days of a member on each module; modules of a slot share no day."""
    found: Enrolled = {}
    taken = DayRuns()
    for module in draw(st.lists(st.sampled_from(MODULES), unique=True)):
        each = draw(some_days())
        if module in SLOTS:
            each, taken = each - taken, taken | each
        found[module] = each
    return found


MEMBERS = ("X", "Y")
some_families = st.dictionaries(
    st.sampled_from(("F", "G")), st.dictionaries(st.sampled_from(MEMBERS), some_enrollments()), min_size=1
)
NUM_DAYS = {
    **{day: 1 for day in HORIZON if TODAY <= day < TODAY + timedelta(days=365)},
    TODAY + timedelta(days=100): 365 - 4 - 2,  # stands for the days between, which are alike
    TODAY + timedelta(days=365): 0,
    TODAY + timedelta(days=366): 0,
    date(2100, 1, 1): 0,  # stands for all later days
}
"""Days from today on, with the number of days of the next twelve months that they stand for."""


def slot_of(module: str) -> str:
    return SLOTS.get(module, module)


def single_days(enrolled: Enrolled, slot: str) -> set[date]:
    """Returns the covered days in a slot from today on."""
    return {day for day in NUM_DAYS if any(day in d for module, d in enrolled.items() if slot_of(module) == slot)}


@given(before=some_families, data=st.data())
@settings(deadline=None)
def test_losses_are_those_of_single_days(before: dict[str, dict[str, Enrolled]], data: st.DataObject) -> None:
    changed: dict[str, Any] = {
        primary: {member: data.draw(some_enrollments()) for member in MEMBERS}
        for primary in data.draw(st.sets(st.sampled_from(sorted(before))))
    }
    after = {**before, **changed}
    counted = losses_of(before, changed)
    slots = {slot_of(module) for module in MAPPED}

    def everywhere(state: dict[str, dict[str, Enrolled]], member: str, slot: str) -> set[date]:
        return set().union(*(single_days(family.get(member, {}), slot) for family in state.values()))

    covered = {
        member
        for family in before.values()
        for member, enrolled in family.items()
        if any(day >= TODAY for module in MAPPED for run in enrolled.get(module, DayRuns()) for day in [run.last_on])
    }
    terminated = {
        member
        for member in covered
        for slot in slots
        for lost in everywhere(before, member, slot) - everywhere(after, member, slot)
        if not any(day > lost for day in everywhere(after, member, slot))
    }
    in_slots = [(primary, member, slot) for primary in before for member in MEMBERS for slot in slots]
    was = {key: single_days(before[key[0]].get(key[1], {}), key[2]) for key in in_slots}
    now = {key: single_days(after[key[0]].get(key[1], {}), key[2]) for key in in_slots}
    (terminations,) = counted.terminations
    assert (terminations.covered, set(terminations.ended)) == (len(covered), terminated)
    assert counted.covered_days == sum(NUM_DAYS[day] for days in was.values() for day in days)
    assert sum(counted.days_lost.values()) == sum(NUM_DAYS[day] for key in in_slots for day in was[key] - now[key])


def test_a_family_is_simulated_only_if_it_can_lose_days_from_today_on() -> None:
    def can_lose(enrolled: Lookup[str, Enrolled]) -> bool:
        family = BookFamily(FamilyKey("C", "P"), "P", 1, keyed(enrolled), {})
        return can_lose_days(family, (), TODAY)

    assert can_lose({"P": {"BASE": OPEN}})
    assert not can_lose({"P": {"BASE": days("2025-01-01/2026-02-28")}})
    assert not can_lose({})
