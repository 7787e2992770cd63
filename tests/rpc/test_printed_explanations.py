"""The command line prints everything that an explanation has, and how much the server omitted."""

from collections.abc import Iterator

import pytest

from affilia.enrollment.v1 import change_request_pb2
from affilia.enrollment.v1.change_request_pb2 import Violation
from affilia.history.v1 import history_entry_pb2
from affilia.history.v1.explanation_pb2 import (
    ContractInput,
    DecisiveInput,
    ExplainedRun,
    FactInput,
    FailedRule,
    SeenFact,
)
from affilia.history.v1.fact_change_pb2 import FactChange, FactValue
from affilia.history.v1.history_service_pb2 import ExplainDifferenceResponse
from affilia_cli.explanations import show_difference
from affilia_cli.showing import show_violations
from affilia_client import Client
from affilia_views.server_names import ServerNames
from tests.scenarios.enrollment_messages import span
from tests.support.calls import new_id

MEMBER, MODULE = new_id(), new_id()
STUDENT = {"kind": change_request_pb2.FACT_KIND_ATTRIBUTE, "name": "student"}


@pytest.fixture
def names(server_address: str) -> Iterator[ServerNames]:
    with Client(server_address) as client:
        yield ServerNames(client)


def run(**fields: object) -> ExplainedRun:
    return ExplainedRun(member_id=MEMBER, module_id=MODULE, days=span("2026-01-01", "2026-01-01"), **fields)  # type: ignore[arg-type]


def printed(names: ServerNames, capsys: pytest.CaptureFixture[str], *runs: ExplainedRun, omitted: int = 0) -> list[str]:
    show_difference(ExplainDifferenceResponse(runs=runs, runs_omitted=omitted), names, new_id())
    return [line.strip() for line in capsys.readouterr().out.splitlines()]


def test_omitted_runs_inputs_rules_facts_and_changes_are_counted(
    names: ServerNames, capsys: pytest.CaptureFixture[str]
) -> None:
    change = FactChange(member_id=MEMBER, **STUDENT, after=FactValue(attribute="no"))  # type: ignore[arg-type]
    fact = FactInput(member_id=MEMBER, kind=change.kind, attribute_name="student", changes=[change], changes_omitted=2)
    seen = SeenFact(member_id=MEMBER, **STUDENT, value=FactValue(attribute="no"))  # type: ignore[arg-type]
    rule = FailedRule(rule_code="STUDENTS", days=[span("2026-01-01", "2026-01-01")], facts=[seen], facts_omitted=3)
    explained = run(decisive_inputs=[DecisiveInput(fact=fact)], failed_rules=[rule], inputs_omitted=4, rules_omitted=5)
    assert printed(names, capsys, explained, omitted=6) == [
        f"{MEMBER} on {MODULE}: lost 2026-01-01",
        "✗ STUDENTS, 2026-01-01:",
        f"attribute student of {MEMBER}: no (before: unknown)",
        "and 3 more facts",
        "and 5 more rules",
        f"because attribute student of {MEMBER}: no (before: unknown)",
        "and 2 more changes of this fact",
        "and 4 more causes",
        "and 6 more",
    ]


@pytest.mark.parametrize(
    ("field", "said"),
    [
        ("is_reducible", "Some of these causes may have made no difference"),
        ("is_incomplete", "Facts have been erased since."),
    ],
)
def test_uncertain_causes_are_marked(
    field: str, said: str, names: ServerNames, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = printed(names, capsys, run(**{field: True}))
    assert [line for line in lines if said in line]
    assert not [line for line in printed(names, capsys, run()) if said in line]


def test_runs_with_the_same_causes_but_different_marks_are_printed_apart(
    names: ServerNames, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = printed(names, capsys, run(), run(is_reducible=True), run(gained=True))
    assert lines.count(f"{MEMBER} on {MODULE}: lost 2026-01-01") == 2
    marked = [index for index, line in enumerate(lines) if "made no difference" in line]
    assert len(marked) == 1
    assert marked[0] == len(lines) - 1


def test_a_changed_contract_is_described(names: ServerNames, capsys: pytest.CaptureFixture[str]) -> None:
    removed = ContractInput(days=span("2026-01-01", None), kind=history_entry_pb2.CHANGE_KIND_REMOVED)
    outside = ContractInput(kind=history_entry_pb2.CHANGE_KIND_CHANGED)
    inputs = [DecisiveInput(contract=each) for each in (removed, outside)]
    assert printed(names, capsys, run(gained=True, decisive_inputs=inputs))[1:] == [
        "because the contract's version 2026-01-01 to open end was removed",
        "because the contract changed outside its versions",
    ]


def test_omitted_violations_are_counted(names: ServerNames, capsys: pytest.CaptureFixture[str]) -> None:
    show_violations([Violation(message="Too young.")], new_id(), names, omitted=7)
    assert capsys.readouterr().out.splitlines() == ["  ✗ Too young.", "  and 7 more reasons"]
