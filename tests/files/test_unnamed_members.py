"""Members whom a file doesn't name: they lose cover with their subscriber, or because the file is whole."""

from dataclasses import replace
from datetime import date
from uuid import UUID

import pytest

from affilia_cli.enrollment_file.book.book import Book, SystemValue
from affilia_cli.enrollment_file.findings import error
from affilia_cli.enrollment_file.people.people import Person
from affilia_cli.enrollment_file.planning.plan import Kind, PlannedMember
from affilia_cli.enrollment_file.reading.file import Coverage, FileMember, TransactionSet
from tests.support.planned_files import (
    ANN,
    BOB,
    CID,
    MAPPING,
    a_book,
    a_coverage,
    a_member,
    a_person,
    a_set,
    codes_of,
    days_after,
    plan_for,
    stated,
)

FAMILY = {(ANN, "BASE"): "2025-03-01..", (BOB, "BASE"): "2025-06-01..", (CID, "BASE"): "2026-02-15.."}


def ann_ends(*coverages: Coverage, last: str = "2026-02-28", **dates: str) -> list[TransactionSet]:
    return [a_set(a_member(*coverages, maintenance="024", dates={"357": last} if last else dates))]


def unnamed(sets: list[TransactionSet], book: Book, *others: Person) -> dict[str, PlannedMember]:
    """Returns the plans for those whom a file with Ann's loops omits."""
    loops = [member for each in sets for member in each.members if member.is_subscriber]
    plan = plan_for([a_person(sets, *loops), *others], sets, book)
    return {each.member_id: each for each in plan.members if each.person is None}


def test_the_end_of_a_subscriber_ends_dependants_whom_the_file_does_not_name() -> None:
    found = unnamed(ann_ends(), a_book(FAMILY))
    assert {member: days_after(each, {}) for member, each in found.items()} == {
        BOB: {"BASE": "2025-06-01..2026-02-28"},
        CID: {"BASE": "2026-02-15..2026-02-28"},
    }
    assert [(each.kind, codes_of(each), each.name) for each in found.values()] == [
        (Kind.TERMINATE, ["SUBSCRIBER_ENDED"], "BOB"),
        (Kind.TERMINATE, ["SUBSCRIBER_ENDED"], "CID"),
    ]
    assert {each.reason_code for planned in found.values() for each in planned.modules} == {"834-SUBSCRIBER-ENDED"}


def test_dependants_keep_runs_that_share_no_day_with_the_run_that_ended() -> None:
    book = a_book(
        {
            (ANN, "BASE"): "2025-02-01..2025-08-31, 2026-01-01..",
            (BOB, "BASE"): "2025-02-01..2025-08-31, 2026-01-01..",
        }
    )
    found = unnamed(ann_ends(last="2025-06-30"), book)
    assert days_after(found[BOB], {}) == {"BASE": "2025-02-01..2025-06-30, 2026-01-01.."}


def test_dependants_stay_while_the_subscriber_is_covered_again() -> None:
    sets = [*ann_ends(), a_set(a_member(stated("021", "2026-03-01..")))]
    assert unnamed(sets, a_book(FAMILY)) == {}
    gap = [*ann_ends(), a_set(a_member(stated("021", "2026-04-01..")))]
    assert days_after(unnamed(gap, a_book(FAMILY))[BOB], {}) == {"BASE": "2025-06-01..2026-02-28, 2026-04-01.."}


def test_dependants_lose_the_module_that_their_subscriber_loses() -> None:
    book = a_book({(member, line): "2025-03-01.." for member in (ANN, BOB) for line in ("BASE", "DENTAL")})
    found = unnamed(ann_ends(a_coverage("024", ends="2026-04-30"), last=""), book)
    assert days_after(found[BOB], {}) == {"BASE": "2025-03-01..2026-04-30"}


def test_dependants_on_another_module_end_with_their_subscriber() -> None:
    book = a_book({(ANN, "BASE"): "2025-03-01..", (BOB, "PLUS"): "2025-03-01..", (CID, "DENTAL"): "2025-03-01.."})
    found = unnamed(ann_ends(), book)
    assert days_after(found[BOB], {}) == {"PLUS": "2025-03-01..2026-02-28"}
    assert days_after(found[CID], {}) == {"DENTAL": "2025-03-01..2026-02-28"}


def test_nobody_ends_with_a_subscriber_who_has_nothing_to_end() -> None:
    book = a_book({(ANN, "BASE"): "2025-03-01..2025-12-31", (BOB, "BASE"): "2025-03-01.."})
    assert unnamed(ann_ends(), book) == {}


def test_the_end_of_one_coverage_in_a_change_ends_nobody_else() -> None:
    sets = [a_set(a_member(a_coverage("024", ends="2026-04-30"), maintenance="001"))]
    assert unnamed(sets, a_book(FAMILY)) == {}


def test_dependants_whom_the_file_names_do_not_end_with_the_subscriber() -> None:
    bob = a_member(maintenance="001", relation="01", at=20)
    sets = ann_ends()
    sets = [replace(sets[0], members=(*sets[0].members, bob))]
    assert set(unnamed(sets, a_book(FAMILY), a_person(sets, bob, member_id=BOB))) == {CID}


def whole(*members: FileMember, effective: str = "") -> list[TransactionSet]:
    return [a_set(*members, action="4", effective=effective)]


ANN_STAYS = a_member(stated("030", "2025-03-01.."))


@pytest.mark.parametrize(
    ("effective", "after"),
    [
        ("", "2025-06-01..2026-02-28"),
        ("2026-05-01", "2025-06-01..2026-04-30"),
        ("2025-09-01", "2025-06-01..2026-02-28"),
    ],
)
def test_a_whole_file_ends_members_whom_it_does_not_name(effective: str, after: str) -> None:
    found = unnamed(whole(ANN_STAYS, effective=effective), a_book(FAMILY))
    assert days_after(found[BOB], {}) == {"BASE": after}
    assert (found[BOB].kind, codes_of(found[BOB])) == (Kind.TERMINATE, ["MEMBER_MISSING"])
    assert {each.reason_code for each in found[BOB].modules} == {"834-MISSING"}


def test_a_whole_file_ends_families_that_it_does_not_name() -> None:
    plan = plan_for([], whole(), a_book(FAMILY))
    assert {each.member_id: days_after(each, {}) for each in plan.members} == {
        ANN: {"BASE": "2025-03-01..2026-02-28"},
        BOB: {"BASE": "2025-06-01..2026-02-28"},
        CID: {"BASE": "2026-02-15..2026-02-28"},
    }
    assert plan_for([], [a_set()], a_book(FAMILY)).members == ()


def test_a_whole_file_ends_no_past_cover_and_no_modules_that_are_not_mapped() -> None:
    book = a_book({(ANN, "BASE"): "2025-03-01..", (BOB, "BASE"): "2025-03-01..2026-02-28"})
    assert unnamed(whole(ANN_STAYS), book) == {}


def test_dependants_end_with_the_subscriber_in_a_whole_file() -> None:
    sets = whole(a_member(maintenance="024", dates={"357": "2026-04-30"}))
    found = unnamed(sets, a_book(FAMILY))
    assert days_after(found[BOB], {}) == {"BASE": "2025-06-01..2026-04-30"}
    assert codes_of(found[BOB]) == ["SUBSCRIBER_ENDED"]


def rejected(person: Person, *, member_id: str | None = None, primary_id: str | None = None) -> Person:
    finding = error("DATE_UNKNOWN", "Not a plausible date.", 20)
    member_id = person.member_id if member_id is None else member_id
    primary_id = person.primary_id if primary_id is None else primary_id
    return replace(person, findings=(finding,), member_id=member_id, primary_id=primary_id)


def test_a_whole_file_leaves_families_with_a_rejected_member_alone() -> None:
    cid = a_member(a_coverage("030", "VISION", begins="2026-02-15"), relation="19", at=20)
    sets = whole(ANN_STAYS, cid)
    assert unnamed(sets, a_book(FAMILY), a_person(sets, cid, member_id=CID)) == {}
    assert unnamed(sets, a_book(FAMILY), rejected(a_person(sets, cid, member_id=CID))) == {}


def test_nobody_ends_if_somebody_rejected_cannot_be_assigned_to_a_family() -> None:
    cid = a_member(stated("030", "2026-02-15.."), relation="19", at=20)
    sets = whole(ANN_STAYS, cid)
    lost = rejected(a_person(sets, cid, member_id=CID), member_id="", primary_id="")
    plan = plan_for([a_person(sets, ANN_STAYS), lost], sets, a_book(FAMILY))
    assert [each.member_id for each in plan.members] == [ANN, ""]
    assert [each.code for each in plan.findings] == ["MISSING_NOT_JUDGED"]


@pytest.mark.parametrize(
    ("systems", "is_ended"),
    [
        (["834/{other}/SUBSCRIBER"], False),
        (["834/{other}/SUBSCRIBER", "834/{own}/SSN"], True),
        (["badge"], True),
        ([], True),
    ],
)
def test_a_whole_file_does_not_end_another_sponsors_families(systems: list[str], is_ended: bool) -> None:
    names = {"own": MAPPING.namespace, "other": UUID(int=8)}
    book = a_book(FAMILY)
    identifiers = tuple(SystemValue(each.format(**names), "S1") for each in systems)
    ann = replace(book.members[ANN], identifiers=identifiers)
    plan = plan_for([], whole(), replace(book, members={**book.members, ANN: ann}))
    assert [each.member_id for each in plan.members] == ([ANN, BOB, CID] if is_ended else [])
    assert [each.code for each in plan.findings] == ([] if is_ended else ["OTHER_SPONSORS_FAMILIES"])


STRANGER = str(UUID(int=4))


@pytest.mark.parametrize(
    ("born", "members", "findings"),
    [
        ("1980-05-15", [STRANGER], []),  # Ann with a wrong number
        ("1990-01-01", [STRANGER, ANN, BOB, CID], []),
        ("", [STRANGER], ["MISSING_NOT_JUDGED"]),
    ],
)
def test_a_family_does_not_end_if_a_rejected_stranger_can_be_its_subscriber(
    born: str, members: list[str], findings: list[str]
) -> None:
    loop = a_member(stated("030", "2025-03-01.."), born=born)
    sets = whole(loop)
    stranger = rejected(a_person(sets, loop, member_id=STRANGER, primary_id=STRANGER, is_new=True))
    plan = plan_for([stranger], sets, a_book(FAMILY, born={ANN: date(1980, 5, 15)}))
    assert [each.member_id for each in plan.members] == members
    assert [each.code for each in plan.findings] == findings


def test_nobody_ends_with_the_subscriber_if_a_rejected_dependant_could_be_anybody() -> None:
    cid = a_member(stated("021", "2026-02-15.."), relation="19", at=20)
    sets = [replace(ann_ends()[0], members=(*ann_ends()[0].members, cid))]
    assert unnamed(sets, a_book(FAMILY), rejected(a_person(sets, cid, member_id=CID), member_id="")) == {}


def test_someone_named_in_another_family_only_is_not_named_in_this_one() -> None:
    bob = a_member(stated("030", "2026-03-01.."), at=20)
    sets = whole(ANN_STAYS, bob)
    plan = plan_for(
        [a_person(sets, ANN_STAYS), a_person(sets, bob, member_id=BOB, primary_id=BOB)], sets, a_book(FAMILY)
    )
    assert [(each.member_id, each.primary_id) for each in plan.members[:3]] == [(ANN, ANN), (BOB, BOB), (BOB, ANN)]
    assert days_after(plan.members[2], {}) == {"BASE": "2025-06-01..2026-02-28"}
