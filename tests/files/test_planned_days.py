"""Which days a file means: the worked cases of the design, and properties against a naive model of sets of days."""

from dataclasses import replace
from typing import NamedTuple

import pytest

from affilia_cli.enrollment_file.planning.plan import Kind
from affilia_cli.enrollment_file.reading.file import Coverage, TransactionSet
from tests.support.planned_files import (
    a_coverage,
    a_member,
    a_set,
    codes_of,
    days_after,
    plan_ann,
    stated,
)


class Case(NamedTuple):
    """A book and a file by line, the days after it, and the codes of its findings."""

    name: str
    book: dict[str, str]
    sets: list[TransactionSet]
    after: dict[str, str]
    findings: list[str]


def change(*coverages: Coverage, maintenance: str = "") -> list[TransactionSet]:
    return [a_set(a_member(*coverages, maintenance=maintenance))]


def whole(*coverages: Coverage, effective: str = "", maintenance: str = "030") -> list[TransactionSet]:
    return [a_set(a_member(*coverages, maintenance=maintenance), action="4", effective=effective)]


def base(days: str) -> dict[str, str]:
    return {"BASE": days} if days else {}


TWO_RUNS = "2025-02-01..2025-08-31, 2026-01-01.."
WORKED = [
    Case(
        "a closed period before a later run",
        base("2026-02-01.."),
        change(stated("021", "2025-10-01..2025-12-31")),
        base("2025-10-01..2025-12-31, 2026-02-01.."),
        [],
    ),
    Case(
        "a shorter end",
        base("2026-01-01.."),
        change(stated("001", "2026-01-01..2026-06-30")),
        base("2026-01-01..2026-06-30"),
        [],
    ),
    Case(
        "two loops tell a gap",
        base("2026-01-01.."),
        change(stated("021", "2026-06-01.."), stated("021", "2026-01-01..2026-03-31")),
        base("2026-01-01..2026-03-31, 2026-06-01.."),
        [],
    ),
    Case(
        "an end with a first day concerns that run",
        base(TWO_RUNS),
        change(stated("024", "2025-02-01..2025-06-30")),
        base("2025-02-01..2025-06-30, 2026-01-01.."),
        [],
    ),
    Case(
        "an end without a first day concerns the run that holds it",
        base(TWO_RUNS),
        change(a_coverage("024", ends="2026-04-30")),
        base("2025-02-01..2025-08-31, 2026-01-01..2026-04-30"),
        [],
    ),
    Case(
        "an end between two runs",
        base(TWO_RUNS),
        change(a_coverage("024", ends="2025-10-15")),
        base(TWO_RUNS),
        ["NOTHING_TO_END"],
    ),
    Case(
        "a correction moves the beginning",
        base("2025-12-01.."),
        change(stated("026", "2026-01-01..")),
        base("2026-01-01.."),
        [],
    ),
    Case(
        "a change doesn't move the beginning",
        base("2025-12-01.."),
        change(stated("001", "2026-01-01..")),
        base("2025-12-01.."),
        ["START_DIFFERS"],
    ),
    Case(
        "an end and a beginning in two sets",
        base("2025-03-01.."),
        [
            a_set(a_member(a_coverage("024", ends="2026-01-31"))),
            a_set(a_member(stated("021", "2026-02-01.."))),
        ],
        base("2025-03-01.."),
        [],
    ),
    Case(
        "two modules of a slot, one after the other",
        base("2025-03-01.."),
        change(
            stated("021", "2025-03-01..2026-03-31"),
            stated("021", "2026-04-01..2026-06-30", "PLUS"),
            stated("021", "2026-07-01.."),
        ),
        {"BASE": "2025-03-01..2026-03-31, 2026-07-01..", "PLUS": "2026-04-01..2026-06-30"},
        [],
    ),
    Case(
        "a whole file doesn't speak of the past",
        base("2025-03-01..2025-05-31, 2025-09-01.."),
        whole(stated("030", "2025-09-01..")),
        base("2025-03-01..2025-05-31, 2025-09-01.."),
        [],
    ),
]
MORE = [
    Case(
        "an end whose day is the first one keeps that day",
        base("2026-01-01.."),
        change(a_coverage("024", ends="2026-01-01")),
        base("2026-01-01..2026-01-01"),
        [],
    ),
    Case(
        "an end on the day before the first day cancels the run",
        base(TWO_RUNS),
        change(a_coverage("024", ends="2025-12-31")),
        base("2025-02-01..2025-08-31"),
        [],
    ),
    Case(
        "a cancellation with a first day after its last",
        base("2026-01-01.."),
        change(stated("024", "2026-01-01..2025-12-31")),
        {},
        [],
    ),
    Case(
        "an end long before its run ends nothing",
        base("2026-01-01.."),
        change(a_coverage("024", ends="2025-06-30")),
        base("2026-01-01.."),
        ["NOTHING_TO_END"],
    ),
    Case(
        "a deletion removes the run meant",
        base(TWO_RUNS),
        change(a_coverage("002", ends="2026-01-01")),
        base("2025-02-01..2025-08-31"),
        [],
    ),
    Case(
        "a deletion with both days, as the export writes it",
        base(TWO_RUNS),
        change(stated("002", "2025-02-01..2025-02-01")),
        base("2026-01-01.."),
        [],
    ),
    Case(
        "an end that extends nothing",
        base("2026-01-01..2026-03-31"),
        change(stated("024", "2026-01-01..2026-06-30")),
        base("2026-01-01..2026-03-31"),
        [],
    ),
    Case(
        "an end after a closed run isn't its end",
        base("2026-01-01..2026-03-31"),
        change(a_coverage("024", ends="2026-06-30")),
        base("2026-01-01..2026-03-31"),
        ["NOTHING_TO_END"],
    ),
    Case(
        "a deletion and an addition of one module",
        base("2025-12-01.."),
        change(stated("021", "2026-01-01.."), stated("002", "2025-12-01..2025-12-01"), maintenance="001"),
        base("2026-01-01.."),
        [],
    ),
    Case(
        "a beginning that lies earlier",
        base("2026-02-01.."),
        change(stated("001", "2026-01-01..")),
        base("2026-01-01.."),
        [],
    ),
    Case(
        "other modules stay in a change",
        {"BASE": "2026-01-01..", "DENTAL": "2026-01-01.."},
        change(a_coverage("024", "DENTAL", ends="2026-06-30"), maintenance="001"),
        {"BASE": "2026-01-01..", "DENTAL": "2026-01-01..2026-06-30"},
        [],
    ),
    Case(
        "a switch takes the days of the other module and gives none back",
        base("2025-03-01.."),
        change(stated("021", "2026-04-01..2026-06-30", "PLUS")),
        {"BASE": "2025-03-01..2026-03-31, 2026-07-01..", "PLUS": "2026-04-01..2026-06-30"},
        [],
    ),
    Case(
        "an open switch ends the other module",
        base("2025-03-01.."),
        change(stated("001", "2026-07-01..", "PLUS")),
        {"BASE": "2025-03-01..2026-06-30", "PLUS": "2026-07-01.."},
        [],
    ),
    Case(
        "a whole file ends what it omits of a member, from today on",
        {"BASE": "2025-03-01..", "DENTAL": "2025-03-01.."},
        whole(stated("030", "2025-03-01..")),
        {"BASE": "2025-03-01..", "DENTAL": "2025-03-01..2026-02-28"},
        [],
    ),
    Case(
        "a whole file speaks from its effective day on",
        {"BASE": "2025-03-01..", "DENTAL": "2025-03-01.."},
        whole(stated("030", "2025-03-01.."), effective="2026-07-01"),
        {"BASE": "2025-03-01..", "DENTAL": "2025-03-01..2026-06-30"},
        [],
    ),
    Case(
        "a whole file never speaks of days before today",
        {"BASE": "2025-03-01..", "DENTAL": "2025-03-01.."},
        whole(stated("030", "2025-03-01.."), effective="2025-06-01"),
        {"BASE": "2025-03-01..", "DENTAL": "2025-03-01..2026-02-28"},
        [],
    ),
    Case(
        "a whole file ends later runs that it omits",
        base("2025-03-01..2026-05-31, 2026-09-01.."),
        whole(stated("030", "2025-03-01..2026-05-31")),
        base("2025-03-01..2026-05-31"),
        [],
    ),
    Case(
        "a whole file keeps earlier days, but not those from today on",
        base("2025-03-01.."),
        whole(stated("030", "2026-06-01..")),
        base("2025-03-01..2026-02-28, 2026-06-01.."),
        ["START_DIFFERS"],
    ),
    Case(
        "cover lasts until its last day if a whole file ends it",
        base("2025-03-01.."),
        whole(a_coverage("024", ends="2026-06-30"), maintenance="024"),
        base("2025-03-01..2026-06-30"),
        [],
    ),
    Case(
        "a whole file keeps the cover of a member without coverages",
        base("2025-03-01.."),
        whole(),
        base("2025-03-01.."),
        ["COVERAGE_MISSING"],
    ),
]


@pytest.mark.parametrize("case", [*WORKED, *MORE], ids=lambda case: case.name)
def test_the_days_after_a_file_are_those_that_it_means(case: Case) -> None:
    planned = plan_ann(case.sets, case.book)
    assert days_after(planned, case.book) == case.after
    assert codes_of(planned) == case.findings


@pytest.mark.parametrize("case", [*WORKED, *MORE], ids=lambda case: case.name)
def test_the_same_file_plans_nothing_again(case: Case) -> None:
    planned = plan_ann(case.sets, case.after)
    assert days_after(planned, case.after) == case.after
    assert planned.kind is Kind.UNCHANGED


@pytest.mark.parametrize("case", WORKED, ids=lambda case: case.name)
def test_the_order_of_loops_and_sets_plays_no_part(case: Case) -> None:
    backwards = [
        replace(one, members=tuple(replace(each, coverages=each.coverages[::-1]) for each in one.members))
        for one in case.sets[::-1]
    ]
    assert days_after(plan_ann(backwards, case.book), case.book) == case.after
