"""Full files: everyone who is enrolled today or later, and the command that writes them."""

import json
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from affilia.catalog.v1 import condition_pb2, member_pb2, member_service_pb2
from affilia_cli.enrollment_file.book.day_runs import DayRuns
from affilia_cli.enrollment_file.reading.parsing import read_file
from affilia_client import Client
from affilia_client.dates import span_from_proto
from tests.scenarios.enrollment_messages import span
from tests.support.calls import new_id
from tests.support.command_line import Typed, typed
from tests.support.exported import TODAY, Book, member_segments_of, segments_of


@pytest.fixture(scope="session")
def client(server_address: str) -> Iterator[Client]:
    with Client(server_address) as client:
        yield client


@pytest.fixture
def book(client: Client, tmp_path: Path) -> Book:
    return Book(client, tmp_path)


def days_in_book(book: Book) -> dict[tuple[str, str], DayRuns]:
    """Returns the days of runs with a day from today on, by name and insurance line."""
    lines = {module_id: line for line, module_id in book.modules.items()}
    found: dict[tuple[str, str], DayRuns] = {}
    for group in book.client.enrollment.all_enrollment_groups(contract_id=book.contract_id):
        for period in group.periods:
            first_on, last_on = span_from_proto(period.days)
            if first_on and (last_on or date.max) >= TODAY:
                name = book.client.members.get_member(member_id=period.member_id).member.display_name
                key = (name, lines[period.module_id])
                found[key] = found.get(key, DayRuns()) | DayRuns.of([(first_on, last_on or date.max)])
    return found


def days_in_file(path: Path | None) -> dict[tuple[str, str], DayRuns]:
    assert path is not None
    found: dict[tuple[str, str], DayRuns] = {}
    for member in read_file(path).members:
        for coverage in member.coverages:
            assert coverage.begins_on is not None
            run = DayRuns.of([(coverage.begins_on, coverage.ends_on or date.max)])
            key = (member.display_name, coverage.line)
            found[key] = found.get(key, DayRuns()) | run
    return found


def test_a_complete_file_has_everyone_enrolled_today_or_later(book: Book) -> None:
    ann, bob = book.member("ANN MARY DOE", SUBSCRIBER="S1", SSN="123456789"), book.member("BOB ROE", SUBSCRIBER="S2")
    pat, kim = book.member("PAT DOE"), book.member("KIM DOE", born="2015-06-01", PERSON="K7")
    book.enroll(ann, ann, "PRIMARY", "DEN", "2025-01-01", "2025-12-31")
    book.enroll(ann, ann, "PRIMARY", "HMO", "2025-03-01", "2026-06-15")
    book.enroll(ann, ann, "PRIMARY", "PPO", "2026-07-01")
    book.enroll(ann, kim, "CHILD", "HMO", "2026-09-01", "2026-12-31")
    book.enroll(ann, pat, "PARTNER", "HMO", "2025-03-01", "2026-06-14")
    book.enroll(bob, bob, "PRIMARY", "HMO", "2025-01-01", "2026-05-31")
    exported = book.full()
    segments = segments_of(exported.path)
    assert segments[3].split("*")[8] == "4"
    assert segments[4] == "DTP*007*D8*20260615"
    assert member_segments_of(exported.path) == [
        "INS*Y*18*030**A",
        "REF*0F*S1",
        "NM1*IL*1*DOE*ANN MARY****34*123456789",
        "DMG*D8*19800515*U",
        "HD*030**HMO",
        "DTP*348*D8*20250301",
        "DTP*349*D8*20260615",
        "HD*030**PPO",
        "DTP*348*D8*20260701",
        "INS*N*19*030**A",
        "REF*0F*S1",
        "NM1*IL*1*DOE*KIM****ZZ*K7",
        "DMG*D8*20150601*U",
        "HD*030**HMO",
        "DTP*348*D8*20260901",
        "DTP*349*D8*20261231",
    ]
    assert days_in_file(exported.path) == days_in_book(book)


def test_a_dependant_comes_with_a_subscriber_who_is_not_enrolled(book: Book) -> None:
    ann, kim = book.member("ANN DOE", SUBSCRIBER="S1"), book.member("KIM DOE", born="2015-06-01")
    book.enroll(ann, kim, "CHILD", "HMO", "2026-01-01")
    segments = member_segments_of(book.full().path)
    named = [each for each in segments if each.startswith(("INS", "HD"))]
    assert named == ["INS*Y*18*030**A", "INS*N*19*030**A", "HD*030**HMO"]


def test_the_employment_with_the_sponsor_is_told_for_subscribers(book: Book) -> None:
    ann = book.member("ANN DOE", SUBSCRIBER="S1")
    employment = member_pb2.Employment(
        days=span("2020-03-01", None), employer_id="ACME", status=condition_pb2.EMPLOYMENT_STATUS_ACTIVE
    )
    book.client.members.record_facts(
        member_service_pb2.RecordFactsRequest(
            request_id=new_id(), member_id=ann, employments=member_pb2.Employments(items=[employment])
        )
    )
    book.enroll(ann, ann, "PRIMARY", "HMO", "2026-01-01")
    assert member_segments_of(book.full().path)[:3] == ["INS*Y*18*030**A***AC", "REF*0F*S1", "DTP*336*D8*20200301"]


def test_one_policy_is_told_of_the_member_and_several_of_the_coverages(book: Book) -> None:
    ann = book.member("ANN DOE", SUBSCRIBER="S1")
    book.enroll(ann, ann, "PRIMARY", "HMO", "2026-01-01")
    coverages = [each | {"policy": "P1", "plan": "GOLD"} for each in book.content()["coverages"]]
    book.more = {"coverages": coverages}
    segments = member_segments_of(book.full().path)
    assert (segments[2], segments[-2:]) == ("REF*1L*P1", ["HD*030**HMO*GOLD", "DTP*348*D8*20260101"])
    coverages[2]["policy"] = "P2"
    segments = member_segments_of(book.full().path)
    assert segments[-3:] == ["HD*030**HMO*GOLD", "DTP*348*D8*20260101", "REF*1L*P1"]
    assert "REF*1L*P1" not in segments[:-1]


def test_names_are_written_in_plain_letters(book: Book) -> None:
    names = {
        "JOSÉ ŁUKASZ MÜLLER": "NM1*IL*1*MULLER*JOSE LUKASZ",
        "A*N~N: D^OE": "NM1*IL*1*OE*A N N D",
        "CHER": "NM1*IL*1*CHER",
        "ANNE-MARIE O'NEIL": "NM1*IL*1*O'NEIL*ANNE-MARIE",
        f"{'LONG ' * 10}DOE": f"NM1*IL*1*DOE*{'LONG ' * 6}LONG*{'LONG ' * 2}LONG",
    }
    for i, name in enumerate(names):
        member_id = book.member(name, SUBSCRIBER=f"S{i}")
        book.enroll(member_id, member_id, "PRIMARY", "HMO", "2026-01-01")
    exported = book.full()
    written = [each for each in member_segments_of(exported.path) if each.startswith("NM1")]
    assert sorted(written) == sorted(names.values())
    (remark,) = exported.remarks
    assert (remark.code, remark.count, remark.leaves_out) == ("NAME_SIMPLIFIED", 2, False)
    assert exported.is_complete


def test_members_who_cannot_be_written_are_left_out_with_the_reason(book: Book) -> None:
    reasons = {"": "NAME_MISSING", "王小明": "NAME_NOT_SENDABLE", "X" * 61: "NAME_NOT_SENDABLE"}
    for i, name in enumerate(reasons):
        member_id = book.member(name, SUBSCRIBER=f"S{i}")
        book.enroll(member_id, member_id, "PRIMARY", "HMO", "2026-01-01")
    ann, rex = book.member("ANN DOE", SUBSCRIBER="S9"), book.member("REX", pet=True)
    book.enroll(ann, ann, "PRIMARY", "HMO", "2026-01-01")
    book.enroll(ann, rex, "PET", "DEN", "2026-01-01")
    bob = book.member("BOB ROE", SUBSCRIBER="S*10")
    book.enroll(bob, bob, "PRIMARY", "HMO", "2026-01-01")
    exported = book.full()
    assert {each.code: each.count for each in exported.remarks} == {
        "NAME_MISSING": 1,
        "NAME_NOT_SENDABLE": 2,
        "RELATION_UNMAPPED": 1,
        "NUMBER_NOT_SENDABLE": 1,
    }
    assert (exported.members, exported.is_complete) == (1, False)


def test_dependants_of_a_subscriber_who_is_left_out_are_left_out_too(book: Book) -> None:
    ann, kim = book.member("", SUBSCRIBER="S1"), book.member("KIM DOE", born="2015-06-01")
    book.enroll(ann, ann, "PRIMARY", "HMO", "2026-01-01")
    book.enroll(ann, kim, "CHILD", "HMO", "2026-01-01")
    exported = book.full()
    assert exported.path is None
    assert [(each.code, each.named) for each in exported.remarks] == [
        ("NAME_MISSING", [ann]),
        ("SUBSCRIBER_LEFT_OUT", ["KIM DOE"]),
    ]


def test_a_member_under_two_contracts_has_one_loop(book: Book, client: Client) -> None:
    other = Book(client, book.folder)
    ann = book.member("ANN DOE", SUBSCRIBER="S1")
    book.enroll(ann, ann, "PRIMARY", "HMO", "2026-01-01")
    other.enroll(ann, ann, "PRIMARY", "DEN", "2026-01-01")
    dental = {"line": "DEN", "contract_id": other.contract_id, "module_id": other.modules["DEN"]}
    book.more = {"coverages": [*book.content()["coverages"][:2], dental]}
    exported = book.full()
    assert (exported.members, exported.coverages) == (1, 2)
    other.leave(ann, ann, "DEN", "2026-07-01")
    changed = member_segments_of(book.since(exported.token_path).path)
    assert [each for each in changed if each.startswith(("INS", "HD"))] == ["INS*Y*18*001**A", "HD*024**DEN"]


def test_a_book_without_members_gives_a_token_but_no_file(book: Book) -> None:
    exported = book.full()
    assert exported.path is None
    ann = book.member("ANN DOE", SUBSCRIBER="S1")
    book.enroll(ann, ann, "PRIMARY", "HMO", "2026-01-01")
    assert member_segments_of(book.since(exported.token_path).path)[0] == "INS*Y*18*021**A"


def export(address: str, book: Book, *words: str) -> Typed:
    mapping = book.folder / "mapping.json"
    mapping.write_text(json.dumps(book.content()))
    return typed(address, "export-834", "--mapping", str(mapping), *words)


def test_the_command_reports_what_the_mapping_leaves_out(book: Book, server_address: str) -> None:
    ann = book.member("ANN DOE", SUBSCRIBER="S1")
    book.enroll(ann, ann, "PRIMARY", "HMO", "2026-01-01")
    book.enroll(ann, ann, "PRIMARY", "DEN", "2026-01-01")
    book.more = {"coverages": book.content()["coverages"][:2]}
    path, later = book.folder / "all.834", book.folder / "later.834"
    done = export(server_address, book, "--full", "--to", str(path))
    assert done.code == 3
    assert "MODULE_UNMAPPED (1): Not in the file: coverages on modules that the mapping doesn't have: DEN" in done.err
    assert [each for each in member_segments_of(path) if each.startswith("HD")] == ["HD*030**HMO"]
    book.more = {}
    done = export(server_address, book, "--json", "--since", f"{path}.token", "--to", str(later))
    assert (done.code, json.loads(done.out)["file"], later.exists()) == (0, None, False)


@pytest.mark.parametrize("words", [[], ["--full", "--since", "x.token"], ["--full", "--reinstate-to-shorten"]])
def test_the_command_refuses_contradictory_options(book: Book, server_address: str, words: list[str]) -> None:
    done = export(server_address, book, *words, "--to", str(book.folder / "x.834"))
    assert done.code == 2
    assert "--since" in done.err


def test_the_command_names_fields_that_the_mapping_lacks(book: Book, server_address: str) -> None:
    book.more = {"payer": {"id": "X" * 16, "name": "Ö"}, "receiver": ""}
    done = export(server_address, book, "--full", "--to", str(book.folder / "x.834"))
    assert done.code == 1
    assert "payer.name" in done.err
    assert "payer.id" in done.err


def test_members_have_the_statuses_that_the_mapping_asks_for(book: Book) -> None:
    ann = book.member("ANN DOE", SUBSCRIBER="S1")
    book.enroll(ann, ann, "PRIMARY", "HMO", "2026-01-01", "2026-06-30")
    book.enroll(ann, ann, "PRIMARY", "PPO", "2026-07-01")
    hmo, ppo, _ = book.content()["coverages"]
    cobra = ppo | {"line": "HMO", "benefit_status": "C", "medicare": "A", "employment_status": "TE"}
    book.more = {"coverages": [hmo, cobra]}
    segments = member_segments_of(book.full().path)
    named = [each for each in segments if each.startswith(("INS", "HD", "DTP*348"))]
    assert named == [
        *("INS*Y*18*030**A***TE", "HD*030**HMO", "DTP*348*D8*20260101"),
        *("INS*Y*18*030**C*A**TE", "HD*030**HMO", "DTP*348*D8*20260701"),
    ]


def test_a_coverage_that_an_import_would_read_as_another_module_is_left_out(book: Book) -> None:
    ann = book.member("ANN DOE", SUBSCRIBER="S1")
    book.enroll(ann, ann, "PRIMARY", "HMO", "2026-01-01")
    book.enroll(ann, ann, "PRIMARY", "DEN", "2026-01-01")
    hmo, ppo, dental = book.content()["coverages"]
    retired = ppo | {"line": "HMO", "employment_status": "RT"}
    book.more = {"coverages": [hmo, retired, dental | {"employment_status": "RT"}]}
    exported = book.full()
    assert [each for each in member_segments_of(exported.path) if each.startswith("HD")] == ["HD*030**DEN"]
    assert [(each.code, each.count) for each in exported.remarks] == [("COVERAGE_AMBIGUOUS", 1)]
    assert not exported.is_complete
