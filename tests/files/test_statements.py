"""The conventions of 834 files: what loops state about the cover of a person, and what rejects the person."""

from datetime import date

import pytest

from affilia_cli.enrollment_file.planning.plan import Kind, PlannedMember
from tests.support.planned_files import (
    ANN,
    BOB,
    CID,
    FOLLOWING,
    MAPPING,
    MODULES,
    a_book,
    a_coverage,
    a_member,
    a_person,
    a_set,
    codes_of,
    days_after,
    plan_ann,
    plan_for,
    stated,
)

TWO_RUNS = "2025-02-01..2025-08-31, 2026-01-01.."


def plan_loop(book: dict[str, str], *coverages: object, **loop: object) -> PlannedMember:
    """Returns the plan for a change file with one loop of Ann."""
    return plan_ann([a_set(a_member(*coverages, **loop))], book)  # type: ignore[arg-type]


def test_the_end_of_a_member_ends_all_modules_in_the_run_of_cover_on_that_day() -> None:
    book = {"BASE": TWO_RUNS, "DENTAL": "2026-03-01..2026-06-30"}
    planned = plan_loop(book, maintenance="024", dates={"357": "2026-03-31"})
    assert days_after(planned, book) == {
        "BASE": "2025-02-01..2025-08-31, 2026-01-01..2026-03-31",
        "DENTAL": "2026-03-01..2026-03-31",
    }
    assert (planned.kind, planned.statement) == (Kind.TERMINATE, "all cover ended after 2026-03-31")


def test_the_end_of_a_member_cancels_modules_that_would_begin_after_it() -> None:
    book = {"BASE": "2025-02-01..", "DENTAL": "2026-09-01.."}
    planned = plan_loop(book, maintenance="024", dates={"303": "2026-06-30"})
    assert days_after(planned, book) == {"BASE": "2025-02-01..2026-06-30"}


@pytest.mark.parametrize("cover", ["2026-04-01..", "2026-04-01..2026-05-31, 2026-07-01.."])
def test_the_end_of_a_member_before_any_cover_ends_nothing(cover: str) -> None:
    """The end of an earlier job that arrives late, for example."""
    book = {"BASE": cover}
    planned = plan_loop(book, maintenance="024", dates={"357": "2026-02-15"})
    assert days_after(planned, book) == book
    assert (planned.kind, codes_of(planned)) == (Kind.UNCHANGED, ["NOTHING_TO_END"])


def test_the_end_of_a_member_on_the_day_before_the_first_day_cancels_the_cover() -> None:
    planned = plan_loop({"BASE": "2026-04-01.."}, maintenance="024", dates={"357": "2026-03-31"})
    assert planned.kind is Kind.CANCEL


def test_a_late_end_of_a_member_keeps_cover_that_began_again() -> None:
    book = {"BASE": TWO_RUNS}
    planned = plan_loop(book, maintenance="024", dates={"357": "2025-06-30"})
    assert days_after(planned, book) == {"BASE": "2025-02-01..2025-06-30, 2026-01-01.."}


def test_the_end_of_a_member_between_two_runs_ends_nothing() -> None:
    planned = plan_loop({"BASE": TWO_RUNS}, maintenance="024", dates={"357": "2025-10-15"})
    assert (planned.kind, codes_of(planned)) == (Kind.UNCHANGED, ["NOTHING_TO_END"])


def test_the_end_of_eligibility_also_ends_modules_without_a_loop() -> None:
    book = {"BASE": "2026-01-01..", "DENTAL": "2026-01-01.."}
    end = a_coverage("024", ends="2026-04-30")
    planned = plan_loop(book, end, dates={"357": "2026-06-30"})
    assert days_after(planned, book) == {"BASE": "2026-01-01..2026-04-30", "DENTAL": "2026-01-01..2026-06-30"}
    only_base = plan_loop(book, end)
    assert days_after(only_base, book) == {"BASE": "2026-01-01..2026-04-30", "DENTAL": "2026-01-01.."}


def test_the_end_of_an_employee_keeps_continued_cover() -> None:
    book = {"BASE": "2025-01-01..2026-03-31", "COBRA": "2026-04-01.."}
    planned = plan_loop(book, maintenance="024", dates={"357": "2026-03-31"})
    assert days_after(planned, book) == book
    ended = plan_loop(book, maintenance="024", status="C", dates={"357": "2026-05-31"})
    assert days_after(ended, book) == book | {"COBRA": "2026-04-01..2026-05-31"}


@pytest.mark.parametrize(
    ("dates", "after"),
    [
        ({}, "2026-01-01.."),
        ({"303": "2026-08-01"}, "2026-01-01..2026-06-30, 2026-08-01.."),
        ({"356": "2026-08-01"}, "2026-01-01..2026-06-30, 2026-08-01.."),
        ({"303": "2026-09-01", "356": "2026-08-01"}, "2026-01-01..2026-06-30, 2026-09-01.."),
    ],
)
@pytest.mark.parametrize("coverages", [[], [a_coverage("025")]], ids=["member", "coverage"])
def test_a_reinstatement_continues_the_last_run_or_begins_on_its_day(
    coverages: list[object], dates: dict[str, str], after: str
) -> None:
    book = {"BASE": "2026-01-01..2026-06-30", "DENTAL": "2026-01-01..2026-04-30"}
    planned = plan_loop(book, *coverages, maintenance="025", dates=dates)
    assert days_after(planned, book) == {"BASE": after, "DENTAL": "2026-01-01..2026-04-30"}
    assert planned.kind is Kind.REINSTATE
    again = plan_loop({"BASE": after}, *coverages, maintenance="025", dates=dates)
    assert again.kind is Kind.UNCHANGED


def test_an_end_and_a_reinstatement_in_one_file_leave_no_gap() -> None:
    book = {"BASE": "2026-01-01.."}
    sets = [a_set(a_member(a_coverage("024", ends="2026-06-30"))), a_set(a_member(a_coverage("025")))]
    assert days_after(plan_ann(sets, book), book) == book


def test_a_member_is_cancelled_and_added_earlier_in_two_sets() -> None:
    """As in a published sample of eMedNY."""
    book = {"BASE": "2026-02-01.."}
    cancelled = a_member(stated("024", "2026-02-01..2026-02-01"), dates={"356": "2026-02-01", "357": "2026-02-01"})
    added = a_member(stated("021", "2026-01-01.."), dates={"356": "2026-01-01"})
    assert days_after(plan_ann([a_set(cancelled), a_set(added)], book), book) == {"BASE": "2026-01-01.."}


@pytest.mark.parametrize("coverages", [[], [a_coverage("025")]], ids=["member", "coverage"])
def test_a_reinstatement_of_nothing_is_rejected(coverages: list[object]) -> None:
    planned = plan_loop({}, *coverages, maintenance="025")
    assert planned.kind is Kind.REJECTED
    assert codes_of(planned) == ["BEGIN_UNKNOWN" if coverages else "COVERAGE_MISSING"]


def test_eligibility_that_ends_earlier_ends_the_coverage() -> None:
    planned = plan_loop({}, stated("021", "2026-01-01..2026-12-31"), dates={"357": "2026-06-30"})
    assert days_after(planned, {}) == {"BASE": "2026-01-01..2026-06-30"}
    assert planned.statement == "covered by BASE from 2026-01-01 to 2026-06-30"


@pytest.mark.parametrize("dates", [{"356": "2026-02-01", "303": "2026-03-01"}, {"303": "2026-02-01"}])
def test_a_coverage_without_a_first_day_begins_with_the_member(dates: dict[str, str]) -> None:
    planned = plan_loop({}, a_coverage("021"), dates=dates)
    assert days_after(planned, {}) == {"BASE": "2026-02-01.."}


def test_cover_begins_with_the_contract() -> None:
    planned = plan_loop({}, stated("021", "2019-01-01.."))
    assert days_after(planned, {}) == {"BASE": "2025-01-01.."}
    assert codes_of(planned) == ["BEGINS_BEFORE_CONTRACT"]


@pytest.mark.parametrize(("code", "coverage"), [("COVERAGE_UNMAPPED", a_coverage("021", "VISION", "2026-01-01"))])
def test_a_coverage_that_is_mapped_to_nothing_rejects_the_member(code: str, coverage: object) -> None:
    planned = plan_loop({"BASE": "2026-01-01.."}, coverage)
    assert (planned.kind, codes_of(planned), planned.modules) == (Kind.REJECTED, [code], ())


def test_a_coverage_that_is_not_applicable_is_ignored() -> None:
    book = {"BASE": "2026-01-01.."}
    planned = plan_loop(book, a_coverage("032", ends="2026-01-31"))
    assert (days_after(planned, book), codes_of(planned)) == (book, ["COVERAGE_NOT_APPLICABLE"])


def test_a_former_employee_is_on_the_module_for_the_status() -> None:
    planned = plan_loop({}, stated("021", "2026-04-01.."), status="C")
    assert days_after(planned, {}) == {"COBRA": "2026-04-01.."}


@pytest.mark.parametrize("coverages", [[], [stated("021", "2026-04-01..")]], ids=["no coverage", "coverage"])
def test_a_status_that_is_not_mapped_rejects_the_member(coverages: list[object]) -> None:
    planned = plan_loop({"BASE": "2026-01-01.."}, *coverages, status="T", maintenance="001")
    assert (planned.kind, codes_of(planned)) == (Kind.REJECTED, ["STATUS_NOT_MAPPED"])


@pytest.mark.parametrize("in_file", [True, False])
def test_cover_before_the_birth_is_rejected(in_file: bool) -> None:
    sets = [a_set(a_member(stated("021", "2026-01-01.."), born="2026-01-02" if in_file else ""))]
    book = a_book({(ANN, "DENTAL"): "2026-02-01.."}, born={ANN: date(2026, 1, 2)})
    planned = plan_for([a_person(sets, *sets[0].members)], sets, book).members[0]
    assert (planned.kind, codes_of(planned)) == (Kind.REJECTED, ["COVERED_BEFORE_BIRTH"])
    assert "2026-01-01" in planned.reasons[0]
    assert "2026-01-02" in planned.reasons[0]


@pytest.mark.parametrize("in_file", [True, False])
def test_cover_after_the_death_is_rejected_but_its_end_is_not(in_file: bool) -> None:
    book = a_book({(ANN, "BASE"): "2026-01-01.."}, died={} if in_file else {ANN: date(2026, 2, 10)})
    died = "2026-02-10" if in_file else ""

    def planned(*coverages: object) -> PlannedMember:
        sets = [a_set(a_member(*coverages, died=died))]  # type: ignore[arg-type]
        return plan_for([a_person(sets, *sets[0].members)], sets, book).members[0]

    rejected = planned(stated("001", "2026-01-01.."))
    assert (rejected.kind, codes_of(rejected)) == (Kind.REJECTED, ["COVERED_AFTER_DEATH"])
    assert "2026-02-10" in rejected.reasons[0]
    assert planned(a_coverage("024", ends="2026-02-28")).kind is Kind.TERMINATE
    assert planned(stated("001", "2026-01-01..2026-02-10")).kind is Kind.TERMINATE


def test_an_end_before_the_first_day_that_it_names_is_rejected() -> None:
    planned = plan_loop({"BASE": TWO_RUNS}, a_coverage("024", begins="2026-01-01"), dates={"303": "2025-08-31"})
    assert (planned.kind, codes_of(planned)) == (Kind.REJECTED, ["END_BEFORE_BEGIN"])


def test_a_deletion_that_can_mean_several_runs_is_rejected() -> None:
    """Without DTP 349, the deletion is taken to last until DTP 303, and a later run begins before that day."""
    deletion = a_coverage("002", begins="2025-02-01")
    planned = plan_loop({"BASE": TWO_RUNS}, deletion, dates={"303": "2026-03-01"})
    assert (planned.kind, codes_of(planned), planned.modules) == (Kind.REJECTED, ["DELETE_AMBIGUOUS"], ())
    exact = plan_loop({"BASE": TWO_RUNS}, stated("002", "2025-02-01..2025-08-31"), dates={"303": "2026-03-01"})
    assert days_after(exact, {"BASE": TWO_RUNS}) == {"BASE": "2026-01-01.."}


def test_two_modules_of_a_slot_on_one_day_are_rejected() -> None:
    planned = plan_loop({}, stated("021", "2026-01-01.."), stated("021", "2026-06-30..", "PLUS"))
    assert (planned.kind, codes_of(planned)) == (Kind.REJECTED, ["COVERAGES_EXCLUSIVE"])
    assert "from 2026-06-30" in planned.reasons[0]


@pytest.mark.parametrize(
    ("action", "maintenance", "after"),
    [("4", "021", "2026-01-01.."), ("2", "030", "2026-01-01.."), ("2", "021", "2025-12-01..")],
)
def test_beginnings_follow_whole_files_and_audits_if_the_mapping_says_so(
    action: str, maintenance: str, after: str
) -> None:
    book = {"BASE": "2025-12-01.."}
    sets = [a_set(a_member(stated(maintenance, "2026-01-01..")), action=action)]
    assert days_after(plan_ann(sets, book, mapping=FOLLOWING), book) == {"BASE": after}
    assert codes_of(plan_ann(sets, book)) == ["START_DIFFERS"]


def test_a_dependant_without_a_coverage_shares_the_subscribers_if_its_level_says_so() -> None:
    ann = a_member(a_coverage("021", begins="2026-01-01", level="ECH"))
    bob, cid = a_member(maintenance="021", relation="01", at=20), a_member(maintenance="021", relation="19", at=30)
    sets = [a_set(ann, bob, cid)]
    people = [
        a_person(sets, ann, subscriber=ann, is_new=True),
        a_person(sets, bob, subscriber=ann, member_id=BOB, is_new=True),
        a_person(sets, cid, subscriber=ann, member_id=CID, is_new=True),
    ]
    planned = plan_for(people, sets, a_book()).members
    assert [each.kind for each in planned] == [Kind.ADD, Kind.REJECTED, Kind.ADD]
    assert codes_of(planned[1]) == ["COVERAGE_MISSING"]
    assert codes_of(planned[2]) == ["COVERAGE_SHARED"]
    assert days_after(planned[2], {}) == {"BASE": "2026-01-01.."}


def test_dependants_are_rejected_with_a_subscriber_who_is_rejected() -> None:
    ann = a_member(a_coverage("021", "VISION", begins="2026-01-01", level="FAM"))
    bob = a_member(stated("021", "2026-01-01.."), relation="01", at=20)
    cid = a_member(maintenance="021", relation="19", at=30)
    sets = [a_set(bob, cid, ann)]

    def planned(book: object, *, is_new: bool) -> list[tuple[Kind, list[str]]]:
        people = [
            a_person(sets, bob, subscriber=ann, member_id=BOB, is_new=True),
            a_person(sets, cid, subscriber=ann, member_id=CID, is_new=True),
            a_person(sets, ann, subscriber=ann, is_new=is_new),
        ]
        return [(each.kind, codes_of(each)) for each in plan_for(people, sets, book).members]  # type: ignore[arg-type]

    rejected = (Kind.REJECTED, ["SUBSCRIBER_REJECTED"])
    assert planned(a_book(), is_new=True)[:2] == [rejected, rejected]
    known = a_book({(ANN, "DENTAL"): "2025-01-01.."})
    assert planned(known, is_new=False)[:2] == [(Kind.ADD, []), rejected]


def test_a_dependant_without_any_coverage_keeps_the_cover_in_the_book() -> None:
    cid = a_member(maintenance="021", relation="19")
    sets = [a_set(cid)]
    book = a_book({(CID, "BASE"): "2026-01-01.."})
    planned = plan_for([a_person(sets, cid, member_id=CID)], sets, book).members[0]
    assert (planned.kind, codes_of(planned)) == (Kind.UNCHANGED, ["COVERAGE_MISSING"])


def test_facts_alone_are_a_change() -> None:
    sets = [a_set(a_member(maintenance="001"))]
    book = a_book({(ANN, "BASE"): "2026-01-01.."})
    planned = plan_for([a_person(sets, *sets[0].members)], sets, book, facts=("date of birth",)).members[0]
    assert (planned.kind, planned.facts, planned.statement) == (Kind.CHANGE, ("date of birth",), "no coverage")


def test_what_the_file_says_is_put_in_words() -> None:
    sets = [
        a_set(a_member(a_coverage("024", ends="2026-06-30"), a_coverage("002", "DENTAL", ends="2026-01-01"))),
        a_set(a_member(stated("021", "2026-08-01.."), a_coverage("025", "DENTAL"), a_coverage("032", "PLUS"))),
    ]
    assert plan_ann(sets, {"BASE": "2026-01-01..", "DENTAL": "2026-01-01.."}).statement == (
        "BASE ended after 2026-06-30; DENTAL deleted, with last day 2026-01-01; covered by BASE from 2026-08-01;"
        " DENTAL reinstated without a gap; PLUS not applicable"
    )


def test_changes_have_the_reason_of_the_loop() -> None:
    book = {"BASE": "2026-01-01..", "DENTAL": "2026-01-01.."}
    sets = [a_set(a_member(stated("030", "2026-04-01..", "PLUS"), reason="XN"), action="4")]
    planned = plan_ann(sets, book)
    lines = {module_id: line for line, module_id in MODULES.items()}
    assert {lines[each.module_id]: each.reason_code for each in planned.modules} == {
        "PLUS": "834-030-XN",
        "BASE": "834-030-XN",
        "DENTAL": "834-MISSING",
    }
    assert MAPPING.contract_ids == (planned.modules[0].contract_id,)
