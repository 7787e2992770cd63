"""Files that people reported because they did harm (field inputs 30 to 33, 36), and the worked cases over the wire."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from affilia_cli.enrollment_file.applying.outcomes import Outcome
from affilia_cli.enrollment_file.planning.plan import Kind
from affilia_client import Client
from tests.support.enrollment_file import a_coverage, a_file, a_file_of_sets, a_member
from tests.support.file_imports import Sponsor

MARCH = date(2026, 3, 1)
ACCEPTED, REJECTED = Outcome.ACCEPTED, Outcome.REJECTED
Days = list[tuple[str, str, str | None]]


@dataclass
class Door:
    """A sponsor whose files are imported on 2026-03-01, each with a control number of its own."""

    sponsor: Sponsor
    control: int = 0

    def play(self, *sets: list[list[str]], action: str = "2", **options: Any) -> list[tuple[Kind, Outcome]]:
        self.control += 1
        content = a_file_of_sets(*sets, action=action, control=self.control)
        return [(each.planned, each.outcome) for each in self.sponsor.play(content, today=MARCH, **options).members]

    @property
    def days(self) -> dict[str, Days]:
        return self.sponsor.days()


@pytest.fixture(scope="module")
def client(server_address: str) -> Iterator[Client]:
    with Client(server_address) as client:
        yield client


@pytest.fixture
def door(client: Client, tmp_path: Path) -> Door:
    return Door(Sponsor(client, tmp_path))


ANN = ["REF*0F*S1", "NM1*IL*1*DOE*ANN", "DMG*D8*19800101*F"]


def ann(maintenance: str, *coverages: list[str], dates: tuple[str, ...] = ()) -> list[str]:
    number, *person = ANN
    coverage = [segment for each in coverages for segment in each]
    return [f"INS*Y*18*{maintenance}*28*A***FT", number, *dates, *person, *coverage]


def hmo(maintenance: str, begins: str = "", ends: str = "") -> list[str]:
    return a_coverage("HMO", maintenance=maintenance, begins=begins, ends=ends)


# ------------------------------------------------------------------------------------------- reported files


def test_a_closed_period_of_last_year_does_not_end_the_cover_of_today(door: Door) -> None:
    door.play([ann("021", hmo("021", "20260201"))])
    assert door.play([ann("021", hmo("021", "20251001", "20251231"))], max_terminations=0.1) == [
        (Kind.CHANGE, ACCEPTED)
    ]
    assert door.days == {"ANN DOE": [("HMO", "2025-10-01", "2025-12-31"), ("HMO", "2026-02-01", None)]}


def test_a_corrected_birth_date_does_not_make_a_second_child(door: Door) -> None:
    kid = ["INS*N*19*021*28*A", "REF*0F*S1", "NM1*IL*1*DOE*KIM", "DMG*D8*20150601*F", *hmo("021", "20260101")]
    fix = [
        *("INS*N*19*001*25*A", "REF*0F*S1", "NM1*74*1*DOE*KIM", "DMG*D8*20160601*F"),
        *("NM1*70*1*DOE*KIM", "DMG*D8*20150601*F", *hmo("001", "20260101")),
    ]
    door.play([ann("021", hmo("021", "20260101")), kid])
    assert door.play([fix]) == [(Kind.CHANGE, ACCEPTED)]
    assert door.days["KIM DOE"] == [("HMO", "2026-01-01", None)]
    assert len(door.days) == 2


def test_a_corrected_beginning_moves(door: Door) -> None:
    door.play([ann("021", hmo("021", "20251201"))])
    assert door.play([ann("001", hmo("026", "20260101"))]) == [(Kind.CHANGE, ACCEPTED)]
    assert door.days == {"ANN DOE": [("HMO", "2026-01-01", None)]}


def test_a_former_employee_never_lands_on_the_employees_module(door: Door) -> None:
    former = ["INS*Y*18*021*28*C**1*TE", *ANN, *hmo("021", "20260401")]
    assert door.play([former]) == [(Kind.REJECTED, REJECTED)]
    assert door.days == {}


def test_someone_can_be_cancelled_and_added_in_two_sets_of_a_file(door: Door) -> None:
    door.play([ann("021", hmo("021", "20260201"), dates=("DTP*356*D8*20260201",))])
    cancelled = ann("024", hmo("024", "20260201", "20260201"), dates=("DTP*356*D8*20260201", "DTP*357*D8*20260201"))
    added = ann("021", hmo("021", "20260101"), dates=("DTP*356*D8*20260101",))
    assert door.play([cancelled], [added]) == [(Kind.CHANGE, ACCEPTED)]
    assert door.days == {"ANN DOE": [("HMO", "2026-01-01", None)]}


# ------------------------------------------------------------------------------------------- worked cases


class Case(NamedTuple):
    book: list[list[str]]
    sets: list[list[str]]
    after: Days
    action: str = "2"


TWO_RUNS = [hmo("021", "20250201", "20250831"), hmo("021", "20260101")]
FIRST, SECOND = ("HMO", "2025-02-01", "2025-08-31"), ("HMO", "2026-01-01", None)
CASES = [
    Case(
        [hmo("021", "20260201")],
        [ann("021", hmo("021", "20251001", "20251231"))],
        [("HMO", "2025-10-01", "2025-12-31"), ("HMO", "2026-02-01", None)],
    ),
    Case(
        [hmo("021", "20260101")],
        [ann("001", hmo("001", "20260101", "20260630"))],
        [("HMO", "2026-01-01", "2026-06-30")],
    ),
    Case(
        [hmo("021", "20260101")],
        [ann("021", hmo("021", "20260601"), hmo("021", "20260101", "20260331"))],
        [("HMO", "2026-01-01", "2026-03-31"), ("HMO", "2026-06-01", None)],
    ),
    Case(TWO_RUNS, [ann("024", hmo("024", "20250201", "20250630"))], [("HMO", "2025-02-01", "2025-06-30"), SECOND]),
    Case(TWO_RUNS, [ann("024", hmo("024", ends="20260430"))], [FIRST, ("HMO", "2026-01-01", "2026-04-30")]),
    Case(TWO_RUNS, [ann("024", hmo("024", ends="20251015"))], [FIRST, SECOND]),
    Case([hmo("021", "20251201")], [ann("001", hmo("026", "20260101"))], [SECOND]),
    Case([hmo("021", "20251201")], [ann("001", hmo("001", "20260101"))], [("HMO", "2025-12-01", None)]),
    Case(
        [hmo("021", "20250301")],
        [ann("024", hmo("024", ends="20260131")), ann("021", hmo("021", "20260201"))],
        [("HMO", "2025-03-01", None)],
    ),
    Case(
        [hmo("021", "20250301")],
        [
            ann(
                "021",
                hmo("021", "20250301", "20260331"),
                a_coverage("PPO", begins="20260401", ends="20260630"),
                hmo("021", "20260701"),
            )
        ],
        [("HMO", "2025-03-01", "2026-03-31"), ("HMO", "2026-07-01", None), ("PPO", "2026-04-01", "2026-06-30")],
    ),
    Case(
        [hmo("021", "20250301", "20250531"), hmo("021", "20250901")],
        [ann("030", hmo("030", "20250901"))],
        [("HMO", "2025-03-01", "2025-05-31"), ("HMO", "2025-09-01", None)],
        "4",
    ),
    Case(
        [hmo("021", "20250301")],
        [a_member("S2", name=("ROE", "RIC"), coverages=[hmo("021", "20250301")])],
        [("HMO", "2025-03-01", "2026-02-28")],
        "4",
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{len(case.book)}-{case.after}")
def test_worked_cases(door: Door, case: Case) -> None:
    door.play([ann("021", *case.book)])
    sets = [[each] for each in case.sets]
    door.play(*sets, action=case.action)
    assert sorted(door.days["ANN DOE"], key=str) == sorted(case.after, key=str)
    requests = door.sponsor.num_requests()
    again = door.play(*sets, action=case.action)  # another file, with another control number
    door.control -= 1
    assert {kind for kind, _ in again} == {kind for kind, _ in door.play(*sets, action=case.action)} == {Kind.UNCHANGED}
    assert door.sponsor.num_requests() == requests


# ------------------------------------------------------------------------------------------- old files again


@pytest.mark.parametrize("end", ["~\n", "~\r\n", "~", "|"])
def test_a_file_is_recognized_whatever_its_line_ends_are(door: Door, end: str) -> None:
    loops = [ann("021", hmo("021", "20260101", "20260630"))]
    door.sponsor.play(a_file(*loops, control=77), today=MARCH)
    door.play([ann("001", hmo("001", "20260101"))])
    report = door.sponsor.play(a_file_of_sets(loops, control=77, end=end), today=MARCH)
    assert [each.planned for each in report.members] == [Kind.UNCHANGED]
    assert door.days == {"ANN DOE": [SECOND]}


def test_a_whole_file_that_is_imported_again_undoes_no_later_changes(door: Door) -> None:
    """The first import had nothing to request for Ann, and Eve joined after it."""
    door.play([ann("021", hmo("021", "20260101"))])
    ric = a_member("S2", name=("ROE", "RIC"), coverages=[hmo("021", "20260101")])
    whole = a_file(ann("030", hmo("030", "20260101")), ric, action="4", control=77)
    first = door.sponsor.play(whole, today=MARCH)
    assert [each.planned for each in first.members] == [Kind.UNCHANGED, Kind.ADD]

    eve = a_member("S3", name=("POE", "EVE"), coverages=[hmo("021", "20260301")])
    door.play([ann("024", dates=("DTP*357*D8*20260630",)), eve])
    changed = door.days
    again = door.sponsor.play(whole, today=MARCH)
    assert [each.planned for each in again.members] == [Kind.UNCHANGED] * 3
    assert ["CHANGED_SINCE" in " ".join(each.notices) for each in again.members] == [True, False, True]
    assert door.days == changed
    assert door.play([ann("030", hmo("030", "20260101")), ric, eve], action="4")[0] == (Kind.CHANGE, ACCEPTED)
