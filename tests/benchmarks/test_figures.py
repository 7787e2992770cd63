"""Figures: targets, tables, JSON and comparisons of runs."""

import importlib
import json
import pkgutil

import pytest

import benchmarks
from benchmarks import ROOT, figures
from benchmarks.figures import Figure

RATE = Figure(name="reads.now.rate", value=2345.6, unit="calls/s", client="go")
RATIO = Figure(name="reads.now.ratio", value=0.487, unit="x", at_least=0.5, against="bare grpc.aio call", client="go")
P99 = Figure(name="overload.rejected.p99", value=21.25, unit="ms", at_most=50)

RUN_BY_HAND = {"__main__", "migration_run", "outages", "same_time", "sizing", "soak"}
"""Modules that run when they are imported, or that the runner doesn't know."""


@pytest.mark.parametrize(("value", "ok"), [(0.49, False), (0.5, True), (0.51, True)])
def test_a_minimum_is_met_from_its_value_on(value: float, ok: bool) -> None:
    figure = Figure(name="a.ratio", value=value, unit="x", at_least=0.5)
    assert (figure.target, figure.ok) == (">= 0.50", ok)


@pytest.mark.parametrize(("value", "ok"), [(49.0, True), (50.0, True), (50.1, False)])
def test_a_maximum_is_met_up_to_its_value(value: float, ok: bool) -> None:
    figure = Figure(name="a.p99", value=value, unit="ms", at_most=50)
    assert (figure.target, figure.ok) == ("<= 50.0", ok)


def test_a_figure_without_a_target_is_neither_met_nor_missed() -> None:
    assert (RATE.target, RATE.ok) == ("", None)


def test_a_table_has_a_line_for_each_figure_with_aligned_columns() -> None:
    lines = figures.table([RATE, RATIO, P99]).splitlines()
    assert [line.split()[:2] for line in lines] == [
        ["reads.now.rate", "2,346"],
        ["reads.now.ratio", "0.49"],
        ["overload.rejected.p99", "21.2"],
    ]
    assert ["MISSED" in line for line in lines] == [False, True, False]
    assert "met" in lines[2]
    assert lines[0].index("calls/s") == lines[1].index("x ") == lines[2].index("ms")
    assert figures.table([]) == ""


def test_written_figures_are_read_again() -> None:
    content = figures.written([RATE, RATIO, P99], {"commit": "abc"})
    assert figures.read(content) == [RATE, RATIO, P99]
    document = json.loads(content)
    assert document["commit"] == "abc"
    assert document["figures"][1] == {
        "name": "reads.now.ratio",
        "value": 0.487,
        "unit": "x",
        "target": ">= 0.5",
        "ok": False,
        "against": "bare grpc.aio call",
        "client": "go",
    }


@pytest.mark.parametrize("limit", [0.45, 1.2, 5000, 20_000, 0.001])
def test_every_target_survives_being_written(limit: float) -> None:
    figure = Figure(name="a.b", value=1.0, unit="x", at_least=limit)
    assert figures.read(figures.written([figure], {})) == [figure]


@pytest.mark.parametrize("content", ["[]", "{}", '{"figures": [{"name": "a"}]}', "nothing"])
def test_other_files_are_rejected(content: str) -> None:
    with pytest.raises(ValueError, match=r"not the figures|Expecting value"):
        figures.read(content)


def test_a_comparison_shows_both_runs_and_the_factor_between_them() -> None:
    before = [RATE, P99, Figure(name="gone", value=0.0, unit="s")]
    after = [Figure(name=RATE.name, value=4691.2, unit="calls/s"), Figure(name="new", value=3.0, unit="s")]
    rows = [line.split() for line in figures.comparison(before, after).splitlines()]
    assert rows == [
        ["before", "after", "factor", "target"],
        ["reads.now.rate", "2,346", "4,691", "2.00", "x", "calls/s"],
        ["overload.rejected.p99", "21.2", "-", "ms", "<=", "50.0"],
        ["gone", "0", "-", "s"],
        ["new", "-", "3.00", "s"],
    ]


def test_the_facts_of_a_run_name_the_commit_and_the_machine() -> None:
    facts = figures.run_facts(ROOT)
    assert set(facts) == {"commit", "python", "postgresql", "cpu", "cores", "load_average"}
    assert json.loads(figures.written([], facts))["cores"] == facts["cores"]


@pytest.mark.parametrize(
    "name", [each.name for each in pkgutil.iter_modules(benchmarks.__path__) if each.name not in RUN_BY_HAND]
)
def test_every_benchmark_can_be_imported(name: str) -> None:
    importlib.import_module(f"benchmarks.{name}")


def test_the_runner_knows_every_benchmark() -> None:
    main = importlib.import_module("benchmarks.__main__")
    measured = {
        each.name
        for each in pkgutil.iter_modules(benchmarks.__path__)
        if each.name not in RUN_BY_HAND and hasattr(importlib.import_module(f"benchmarks.{each.name}"), "measure")
    }
    assert set(main.MEASUREMENTS) == measured
