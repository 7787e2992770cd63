"""Files of the changes since a token: each coverage as one difference, and a token that moves with the file."""

import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from affilia_cli.enrollment_export import ExportFailed, export_since
from affilia_client import Client, changes
from tests.support.exported import Book, member_segments_of, segments_of


@pytest.fixture(scope="session")
def client(server_address: str) -> Iterator[Client]:
    with Client(server_address) as client:
        yield client


@pytest.fixture
def book(client: Client, tmp_path: Path) -> Book:
    return Book(client, tmp_path)


@pytest.fixture
def ann(book: Book) -> str:
    """A subscriber on HMO until the end of the year."""
    ann = book.member("ANN DOE", SUBSCRIBER="S1")
    book.enroll(ann, ann, "PRIMARY", "HMO", "2026-01-01", "2026-12-31")
    return ann


def test_a_first_coverage_is_an_addition(book: Book, ann: str) -> None:
    token = book.full().token_path
    kim = book.member("KIM DOE", born="2015-06-01", PERSON="K7", CLIENT="C9")
    book.enroll(ann, kim, "CHILD", "HMO", "2026-07-01")
    exported = book.since(token)
    assert member_segments_of(exported.path) == [
        "INS*N*19*021**A",
        "REF*0F*S1",
        "REF*23*C9",
        "NM1*IL*1*DOE*KIM****ZZ*K7",
        "DMG*D8*20150601*U",
        "HD*021**HMO",
        "DTP*348*D8*20260701",
    ]
    assert (exported.members, exported.coverages, exported.is_complete) == (1, 1, True)


def test_the_header_names_both_sides_and_says_that_the_file_has_changes(book: Book, ann: str) -> None:
    token = book.full().token_path
    book.leave(ann, ann, "HMO", "2026-07-01")
    exported = book.since(token)
    isa, gs, st, bgn, sponsor, insurer, *_ = segments_of(exported.path)
    number = exported.control_number
    assert isa.split("*")[5:9] == ["ZZ", f"{'AFFILIA':15}", "ZZ", f"{'ACME':15}"]
    assert (isa.split("*")[13], gs.split("*")[6]) == (f"{number:09}", str(number))
    assert st == "ST*834*0001*005010X220A1"
    assert bgn.split("*")[8] == "2"
    assert (sponsor, insurer) == ("N1*P5**FI*123456789", "N1*IN*AFFILIA INSURANCE*FI*987654321")


def test_a_coverage_that_started_and_was_cancelled_is_not_told(book: Book, ann: str) -> None:
    token = book.full().token_path
    before = token.read_text()
    kim = book.member("KIM DOE", born="2015-06-01")
    book.enroll(ann, kim, "CHILD", "HMO", "2026-07-01")
    book.leave(ann, kim, "HMO", "2026-07-01")
    exported = book.since(token)
    assert (exported.path, exported.members, exported.is_complete) == (None, 0, True)
    assert token.read_text() != before


def test_an_end_of_all_coverage_ends_the_member(book: Book, ann: str) -> None:
    token = book.full().token_path
    book.leave(ann, ann, "HMO", "2026-07-01")
    segments = member_segments_of(book.since(token).path)
    assert segments[0] == "INS*Y*18*024**A"
    assert segments[-2:] == ["HD*024**HMO", "DTP*349*D8*20260630"]


def test_the_end_of_one_coverage_of_two_changes_the_member(book: Book, ann: str) -> None:
    book.enroll(ann, ann, "PRIMARY", "DEN", "2026-01-01")
    token = book.full().token_path
    book.leave(ann, ann, "HMO", "2026-07-01")
    assert member_segments_of(book.since(token).path)[0] == "INS*Y*18*001**A"


def test_a_subscriber_whose_dependants_stay_is_not_ended(book: Book, ann: str) -> None:
    kim = book.member("KIM DOE", born="2015-06-01")
    book.enroll(ann, kim, "CHILD", "HMO", "2026-01-01")
    token = book.full().token_path
    book.leave(ann, ann, "HMO", "2026-07-01")
    segments = member_segments_of(book.since(token).path)
    assert [each for each in segments if each.startswith(("INS", "HD"))] == ["INS*Y*18*001**A", "HD*024**HMO"]


def test_shortening_can_be_written_as_a_reinstatement_and_an_end(book: Book, ann: str) -> None:
    token = book.full().token_path
    book.leave(ann, ann, "HMO", "2026-07-01")
    segments = member_segments_of(book.since(token, reinstate_to_shorten=True).path)
    assert segments[-5:] == [
        "HD*025**HMO",
        "DTP*348*D8*20260101",
        "DTP*349*D8*20261231",
        "HD*024**HMO",
        "DTP*349*D8*20260630",
    ]
    assert segments[0] == "INS*Y*18*001**A"


def test_a_cancelled_coverage_has_its_former_first_day_twice(book: Book, ann: str) -> None:
    token = book.full().token_path
    book.leave(ann, ann, "HMO", "2026-01-01")
    segments = member_segments_of(book.since(token).path)
    assert segments[0] == "INS*Y*18*024**A"
    assert segments[-3:] == ["HD*002**HMO", "DTP*348*D8*20260101", "DTP*349*D8*20260101"]


def test_regained_days_are_a_reinstatement(book: Book, ann: str) -> None:
    book.leave(ann, ann, "HMO", "2026-07-01")
    token = book.full().token_path
    book.enroll(ann, ann, "PRIMARY", "HMO", "2026-07-01", "2026-09-30")
    segments = member_segments_of(book.since(token).path)
    assert segments[0] == "INS*Y*18*001**A"
    assert segments[-3:] == ["HD*025**HMO", "DTP*348*D8*20260101", "DTP*349*D8*20260930"]


def test_a_change_of_plan_ends_one_coverage_and_adds_the_other(book: Book, ann: str) -> None:
    token = book.full().token_path
    book.enroll(ann, ann, "PRIMARY", "PPO", "2026-07-01")
    segments = member_segments_of(book.since(token).path)
    coverages = [each for each in segments if each.startswith(("INS", "HD", "DTP"))]
    assert coverages == [
        "INS*Y*18*001**A",
        "HD*024**HMO",
        "DTP*349*D8*20260630",
        "HD*021**PPO",
        "DTP*348*D8*20260701",
    ]


def test_a_corrected_membership_type_is_a_change_without_coverages(book: Book, ann: str) -> None:
    pat = book.member("PAT DOE")
    book.enroll(ann, pat, "CHILD", "HMO", "2026-01-01")
    token = book.full().token_path
    book.submit(ann, changes.correct_membership_type(pat, "PARTNER"))
    assert member_segments_of(book.since(token).path) == [
        "INS*N*01*001**A",
        "REF*0F*S1",
        "NM1*IL*1*DOE*PAT",
        "DMG*D8*19800515*U",
    ]


def test_every_change_is_in_exactly_one_file(book: Book, ann: str) -> None:
    token = book.full().token_path
    book.leave(ann, ann, "HMO", "2026-11-01")
    first = book.since(token)
    assert member_segments_of(first.path)[-1] == "DTP*349*D8*20261031"
    again = book.since(token)
    assert again.path is None
    book.leave(ann, ann, "HMO", "2026-10-01")
    second = book.since(token)
    assert member_segments_of(second.path)[-1] == "DTP*349*D8*20260930"
    assert second.control_number > first.control_number


def test_a_new_dependant_comes_with_a_subscriber_without_coverage(book: Book) -> None:
    token = book.full().token_path
    ann, kim = book.member("ANN DOE", SUBSCRIBER="S1"), book.member("KIM DOE", born="2015-06-01")
    book.enroll(ann, kim, "CHILD", "HMO", "2026-07-01")
    segments = member_segments_of(book.since(token).path)
    assert [each for each in segments if each.startswith(("INS", "HD"))] == [
        "INS*Y*18*021**A",
        "INS*N*19*021**A",
        "HD*021**HMO",
    ]


def test_dependants_with_numbers_of_their_own_follow_their_subscriber(book: Book, ann: str) -> None:
    book.more = {"dependant_number": "OWN"}
    token = book.full().token_path
    kim = book.member("KIM DOE", born="2015-06-01", SUBSCRIBER="S2")
    book.enroll(ann, kim, "CHILD", "HMO", "2026-07-01")
    segments = member_segments_of(book.since(token).path)
    assert [each for each in segments if each.startswith(("INS", "REF"))] == [
        "INS*Y*18*001**A",
        "REF*0F*S1",
        "INS*N*19*021**A",
        "REF*0F*S2",
    ]


def test_a_token_of_a_mapping_with_other_contracts_is_refused(book: Book, ann: str, client: Client) -> None:
    other = Book(client, book.folder)
    with pytest.raises(ExportFailed, match=r"TOKEN_INVALID.*--full"):
        other.since(book.full().token_path)


def test_a_missing_token_file_is_refused_with_the_way_to_get_one(book: Book) -> None:
    with pytest.raises(ExportFailed, match=r"doesn't exist. Export everything with --full"):
        book.since(book.folder / "missing.token")
    assert list(book.folder.iterdir()) == []


def test_a_failed_export_writes_nothing_and_keeps_the_token(book: Book, ann: str) -> None:
    token = book.full().token_path
    before, files = token.read_text(), sorted(book.folder.iterdir())
    book.leave(ann, ann, "HMO", "2026-11-01")
    blocked = book.new_path()
    blocked.write_text("not sent yet")
    with pytest.raises(ExportFailed, match="already exists"):
        export_since(book.client, book.mapping, token, blocked)
    assert (blocked.read_text(), token.read_text()) == ("not sent yet", before)
    assert sorted(book.folder.iterdir()) == sorted([*files, blocked])


def test_files_are_readable_by_their_owner_only(book: Book, ann: str) -> None:
    exported = book.full()
    assert exported.path is not None
    for path in (exported.path, exported.token_path):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_nobody_is_known_without_a_subscriber_number(book: Book, client: Client) -> None:
    token = book.full().token_path
    bob = book.member("BOB ROE")
    book.enroll(bob, bob, "PRIMARY", "HMO", "2026-07-01")
    exported = book.since(token)
    assert (exported.path, exported.is_complete) == (None, False)
    assert [(each.code, each.count, each.named) for each in exported.remarks] == [("NUMBER_UNKNOWN", 1, ["BOB ROE"])]


def test_a_merge_of_two_records_is_not_a_change(book: Book, ann: str) -> None:
    kim = book.member("KIM DOE", born="2015-06-01", PERSON="K7")
    book.enroll(ann, kim, "CHILD", "HMO", "2026-01-01")
    token = book.full().token_path
    again = book.member("KIM DOE", born="2015-06-01")
    book.client.members.merge_members(from_member_id=kim, into_member_id=again, reason="entered twice")
    exported = book.since(token)
    assert exported.path is None
