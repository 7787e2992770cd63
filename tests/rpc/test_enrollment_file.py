"""834 files applied to a running server: what each kind of change does, and that nothing is applied twice."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any
from uuid import uuid4

import grpc
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from affilia.catalog.v1 import catalog_service_pb2, condition_pb2, contract_pb2, member_pb2, member_service_pb2
from affilia.enrollment.v1 import enrollment_query_service_pb2
from affilia.type.v1 import membership_type_pb2
from affilia_cli.enrollment_file import EnrollmentFileError, Mapping, Report, import_834, plan_834
from affilia_cli.enrollment_file.applying.outcomes import Outcome
from affilia_cli.enrollment_file.findings import FileRejected, ServerStateUnreadable, TooManyTerminations
from affilia_cli.enrollment_file.mapping import mapping_of
from affilia_cli.enrollment_file.planning.plan import Kind, Plan
from affilia_client import Client
from affilia_client.testing import Affilia
from tests.files.test_enrollment_file_parsing import CONTRADICTS_ITSELF, SAMPLES, all_samples
from tests.scenarios.enrollment_messages import iso, span
from tests.support.calls import Family, new_id
from tests.support.damaged_files import damaged
from tests.support.enrollment_file import SPONSOR, a_coverage, a_file, a_member

TODAY = date(2026, 6, 15)
CHILD_AGE = condition_pb2.Rule(
    code="CHILD_AGE",
    applies_to=[membership_type_pb2.MEMBERSHIP_TYPE_CHILD],
    condition=condition_pb2.Condition(age=condition_pb2.AgeCondition(subject=condition_pb2.SUBJECT_SELF, max_years=25)),
)
SAMPLE_LINES = ("HLT", "DEN", "HMO", "PPO", "VIS", "AK")


@dataclass
class Door:
    """A contract from 2025 on with HMO and PPO in one slot and DEN in none, and the import of files for it."""

    client: Client
    folder: Path
    sponsor: str = SPONSOR
    more: dict[str, Any] = field(default_factory=dict)
    first_on: str = "2025-01-01"

    def __post_init__(self) -> None:
        self.family = Family(self.client.channel)
        self.contract_id = self.family.contract_id
        self.modules = {line: new_id() for line in SAMPLE_LINES}
        self.namespace = str(uuid4())
        modules = [
            contract_pb2.Module(
                module_id=module_id,
                slot="base" if line in ("HMO", "PPO") else "",
                service_type=contract_pb2.SERVICE_TYPE_BASE,
            )
            for line, module_id in self.modules.items()
        ]
        contract = self.family.contract()
        del contract.versions[:]
        contract.versions.append(
            contract_pb2.ContractVersion(days=span(self.first_on, None), rules=[CHILD_AGE], modules=modules)
        )
        request = catalog_service_pb2.PublishContractRequest(request_id=new_id(), contract=contract)
        self.family.catalog.PublishContract(request)

    @property
    def mapping(self) -> Mapping:
        return mapping_of(
            {
                "namespace": self.namespace,
                "sponsor": self.sponsor,
                "coverages": [
                    {"line": line, "contract_id": self.contract_id, "module_id": module_id}
                    for line, module_id in self.modules.items()
                ],
                **self.more,
            }
        )

    def path(self, content: bytes) -> Path:
        path = self.folder / f"{uuid4().hex}.834"
        path.write_bytes(content)
        return path

    def play(self, content: bytes, *, today: date = TODAY, most: float = 1.0, confirmed: bool = True) -> Report:
        return import_834(
            self.path(content),
            self.client,
            self.mapping,
            confirm=lambda plan: confirmed,
            max_terminations=most,
            max_days_lost=1.0,
            today=today,
        )

    def outcomes(self, content: bytes, **how: Any) -> list[tuple[Kind, Outcome]]:
        return [(member.planned, member.outcome) for member in self.play(content, **how).members]

    def periods(self) -> dict[str, list[tuple[str, str | None, str | None]]]:
        """Returns line, first and last day by the name of the member."""
        request = enrollment_query_service_pb2.ListEnrollmentGroupsRequest(contract_id=self.contract_id)
        lines = {module_id: line for line, module_id in self.modules.items()}
        found: dict[str, list[tuple[str, str | None, str | None]]] = {}
        for group in self.family.queries.ListEnrollmentGroups(request).groups:
            for period in group.periods:
                days = period.days
                ends = (iso(days.first_on), iso(days.last_on) if days.HasField("last_on") else None)
                name = self.member(period.member_id).member.display_name
                found.setdefault(name, []).append((lines[period.module_id], *ends))
        return {name: sorted(periods, key=str) for name, periods in found.items()}

    def member(self, member_id: str) -> member_service_pb2.GetMemberResponse:
        return self.family.members.GetMember(member_service_pb2.GetMemberRequest(member_id=member_id))

    def revisions(self) -> list[int]:
        request = enrollment_query_service_pb2.ListEnrollmentGroupsRequest(contract_id=self.contract_id)
        return [group.revision for group in self.family.queries.ListEnrollmentGroups(request).groups]

    def requests(self) -> int:
        """Counts the change requests of all groups of the contract, including rejected ones."""
        return sum(1 for _ in self.client.changes.all_change_requests(contract_id=self.contract_id, page_size=1000))


@pytest.fixture(scope="session")
def client(server_address: str) -> Iterator[Client]:
    with Client(server_address) as client:
        yield client


@pytest.fixture
def door(client: Client, tmp_path: Path) -> Door:
    return Door(client, tmp_path)


ACCEPTED, UNCHANGED, REJECTED = Outcome.ACCEPTED, Outcome.UNCHANGED, Outcome.REJECTED
WITH_NOTICES = Outcome.ACCEPTED_WITH_NOTICES
JANE = a_member(coverages=[a_coverage(begins="20260101")])
ALL_UNCHANGED = [(Kind.UNCHANGED, UNCHANGED)]


def a_child(name: str = "JIM", **more: Any) -> list[str]:
    return a_member(relation="19", name=("DOE", name), born=more.pop("born", "20150601"), **more)


def test_an_added_person_is_enrolled_with_facts(door: Door) -> None:
    jane = a_member(
        status="FT",
        dates=[("336", "20200301"), ("356", "20260101")],
        place=("CAMP HILL", "PA", "17011"),
        coverages=[a_coverage(begins="20260101")],
    )
    (line,) = door.play(a_file(jane)).members
    assert (line.planned, line.outcome) == (Kind.ADD, ACCEPTED)
    assert door.periods() == {"JANE DOE": [("HMO", "2026-01-01", None)]}
    facts = door.member(line.member_id).facts
    assert iso(facts.born_on) == "1980-05-15"
    assert [(each.country_code, each.postal_code) for each in facts.addresses] == [("US", "17011")]
    (employment,) = facts.employments
    assert (employment.employer_id, iso(employment.days.first_on)) == ("ACME", "2020-03-01")
    assert employment.status == condition_pb2.EMPLOYMENT_STATUS_ACTIVE


def test_a_new_name_keeps_the_identifiers_of_the_member(door: Door) -> None:
    (line,) = door.play(a_file(JANE)).members
    number = member_pb2.Identifier(system="payroll", value=new_id())
    jane = door.member(line.member_id).member
    jane.identifiers.append(number)
    door.family.members.UpsertMember(member_service_pb2.UpsertMemberRequest(request_id=new_id(), member=jane))
    door.play(a_file(a_member(name=("ROE", "JANE"), coverages=[a_coverage(begins="20260101")]), control=2))
    renamed = door.member(line.member_id).member
    assert renamed.display_name == "JANE ROE"
    assert list(renamed.identifiers) == list(jane.identifiers)


def test_applying_the_same_file_again_writes_nothing(door: Door) -> None:
    content = a_file(JANE, a_child(coverages=[a_coverage(begins="20260101")], place=("CAMP HILL", "PA", "17011")))
    first = door.play(content)
    assert [member.outcome for member in first.members] == [ACCEPTED, WITH_NOTICES]  # The child will be too old.
    before = (door.periods(), door.revisions(), door.requests())
    for day in (TODAY, date(2026, 9, 1)):
        again = door.play(content, today=day)
        assert [member.outcome for member in again.members] == [UNCHANGED, UNCHANGED]
        assert [member.member_id for member in again.members] == [member.member_id for member in first.members]
        assert (door.periods(), door.revisions(), door.requests()) == before


def test_a_change_of_facts_is_recorded_from_its_day_on_without_a_change_request(door: Door) -> None:
    door.play(a_file(a_member(place=("CAMP HILL", "PA", "17011"), coverages=[a_coverage(begins="20260101")])))
    moved = a_member(maintenance="001", dates=[("303", "20260501")], place=("ANYTOWN", "PA", "17110"), born="19800516")
    (line,) = door.play(a_file(moved, control=2)).members
    assert (line.planned, line.outcome) == (Kind.CHANGE, ACCEPTED)
    facts = door.member(line.member_id).facts
    assert iso(facts.born_on) == "1980-05-16"
    assert [(each.postal_code, each.days) for each in facts.addresses] == [
        ("17011", span(None, "2026-04-30")),
        ("17110", span("2026-05-01", None)),
    ]
    assert door.requests() == 1
    assert door.outcomes(a_file(moved, control=2)) == ALL_UNCHANGED


def test_a_change_of_coverage_switches_within_the_slot(door: Door) -> None:
    door.play(a_file(JANE))
    switch = a_member(maintenance="001", coverages=[a_coverage("PPO", maintenance="001", begins="20260701")])
    assert door.outcomes(a_file(switch, control=2)) == [(Kind.CHANGE, ACCEPTED)]
    assert door.periods() == {"JANE DOE": [("HMO", "2026-01-01", "2026-06-30"), ("PPO", "2026-07-01", None)]}
    assert door.outcomes(a_file(switch, control=2)) == ALL_UNCHANGED


@pytest.mark.parametrize(("maintenance", "dental"), [("024", [("DEN", "2026-01-01", "2026-06-30")]), ("002", [])])
def test_an_ended_or_deleted_coverage_leaves_the_others(
    door: Door, maintenance: str, dental: list[tuple[str, str, str]]
) -> None:
    door.play(a_file(a_member(coverages=[a_coverage(begins="20260101"), a_coverage("DEN", begins="20260101")])))
    less = a_member(maintenance="001", coverages=[a_coverage("DEN", maintenance=maintenance, ends="20260630")])
    assert door.outcomes(a_file(less, control=2)) == [(Kind.CHANGE, ACCEPTED)]
    assert door.periods()["JANE DOE"] == [*dental, ("HMO", "2026-01-01", None)]


def test_a_termination_ends_all_cover_on_its_last_day(door: Door) -> None:
    door.play(a_file(a_member(coverages=[a_coverage(begins="20260101"), a_coverage("DEN", begins="20260101")])))
    gone = a_file(a_member(maintenance="024", status="TE", dates=[("357", "20260630")]), control=2)
    assert door.outcomes(gone) == [(Kind.TERMINATE, ACCEPTED)]
    ended = [("DEN", "2026-01-01", "2026-06-30"), ("HMO", "2026-01-01", "2026-06-30")]
    assert door.periods() == {"JANE DOE": ended}
    assert door.outcomes(gone) == ALL_UNCHANGED


@pytest.mark.parametrize(
    ("last", "kind", "left"),
    [
        ("20251231", Kind.CANCEL, {}),
        ("20260101", Kind.TERMINATE, {"JANE DOE": [("HMO", "2026-01-01", "2026-01-01")]}),
    ],
)
def test_cover_ends_after_its_last_day_and_is_cancelled_if_that_is_the_day_before_it(
    door: Door, last: str, kind: Kind, left: dict[str, Any]
) -> None:
    door.play(a_file(JANE))
    gone = a_file(a_member(maintenance="024", coverages=[a_coverage(maintenance="024", ends=last)]), control=2)
    assert door.outcomes(gone) == [(kind, ACCEPTED)]
    assert door.periods() == left
    assert door.outcomes(gone) == ALL_UNCHANGED


def test_the_end_of_a_subscriber_ends_dependants_that_the_file_does_not_name(door: Door) -> None:
    door.play(a_file(JANE, a_child(coverages=[a_coverage(begins="20260101")])))
    gone = a_file(a_member(maintenance="024", dates=[("357", "20260630")]), control=2)
    report = door.play(gone)
    assert [(each.planned, each.name, each.segment_number) for each in report.members] == [
        (Kind.TERMINATE, "JANE DOE", 7),
        (Kind.TERMINATE, "JIM DOE", 0),
    ]
    assert door.periods()["JIM DOE"] == [("HMO", "2026-01-01", "2026-06-30")]
    assert {outcome for _, outcome in door.outcomes(gone)} == {UNCHANGED}


@pytest.mark.parametrize(
    ("again", "begins"),
    [
        (a_member(maintenance="025", coverages=[a_coverage(maintenance="025", begins="20260801")]), "2026-08-01"),
        (a_member(maintenance="025", dates=[("303", "20260801")]), "2026-08-01"),
        (a_member(maintenance="025"), None),
    ],
)
def test_a_reinstatement_resumes_cover_on_its_day_or_without_a_gap(
    door: Door, again: list[str], begins: str | None
) -> None:
    door.play(a_file(JANE))
    door.play(a_file(a_member(maintenance="024", dates=[("357", "20260630")]), control=2))
    content = a_file(again, control=3)
    assert door.outcomes(content) == [(Kind.REINSTATE, ACCEPTED)]
    without_gap = [("HMO", "2026-01-01", None)]
    assert door.periods()["JANE DOE"] == (
        [("HMO", "2026-01-01", "2026-06-30"), ("HMO", begins, None)] if begins else without_gap
    )
    assert door.outcomes(content) == ALL_UNCHANGED


def test_a_reinstatement_of_nothing_is_rejected(door: Door) -> None:
    (line,) = door.play(a_file(a_member(maintenance="025"))).members
    assert line.outcome is REJECTED
    assert "MEMBER_UNKNOWN" in line.reasons[0]
    assert door.revisions() == []


def test_a_full_file_ends_people_and_coverages_that_it_omits(door: Door) -> None:
    roe = a_member("S2", name=("ROE", "RIC"), coverages=[a_coverage(begins="20260101")])
    door.play(a_file(a_member(coverages=[a_coverage(begins="20260101"), a_coverage("DEN", begins="20260101")]), roe))
    jane = a_member(maintenance="030", coverages=[a_coverage(maintenance="030", begins="20260101")])
    audit = a_file(jane, action="4", effective="20260701", control=2)
    assert door.outcomes(audit) == [(Kind.CHANGE, ACCEPTED), (Kind.TERMINATE, WITH_NOTICES)]
    assert door.periods() == {
        "JANE DOE": [("DEN", "2026-01-01", "2026-06-30"), ("HMO", "2026-01-01", None)],
        "RIC ROE": [("HMO", "2026-01-01", "2026-06-30")],
    }
    assert door.outcomes(audit) == ALL_UNCHANGED


def test_an_update_does_not_end_people_that_it_omits(door: Door) -> None:
    door.play(a_file(JANE))
    door.play(a_file(a_member("S2", name=("ROE", "RIC"), coverages=[a_coverage(begins="20260101")]), control=2))
    assert sorted(door.periods()) == ["JANE DOE", "RIC ROE"]


def test_a_family_with_a_rejected_member_does_not_count_as_missing(door: Door) -> None:
    door.play(a_file(JANE, a_child(coverages=[a_coverage(begins="20260101")])))
    wrong = a_member(maintenance="030", coverages=[a_coverage("XX", maintenance="030", begins="20260101")])
    report = door.play(a_file(wrong, action="RX", control=2))
    assert [(each.planned, each.name) for each in report.members if each.outcome is not REJECTED] == []
    assert sorted(door.periods()) == ["JANE DOE", "JIM DOE"]


def test_a_plan_that_ends_too_many_people_is_refused_unless_the_share_is_raised(door: Door) -> None:
    people = [a_member(f"S{n}", name=("DOE", f"P{n}"), coverages=[a_coverage(begins="20260101")]) for n in range(10)]
    door.play(a_file(*people))
    two_less = [["INS*Y*18*030", *person[1:]] for person in people[:8]]
    audit = a_file(*[[s.replace("HD*021", "HD*030") for s in each] for each in two_less], action="4", control=2)
    audit = audit.replace(b"INS*Y*18*030~", b"INS*Y*18*030**A~")
    asked: list[Plan] = []

    def confirm(plan: Plan) -> bool:
        asked.append(plan)
        return True

    with pytest.raises(TooManyTerminations, match="2 of 10"):
        import_834(door.path(audit), door.client, door.mapping, confirm=confirm, today=TODAY)
    assert (asked, door.requests()) == ([], 10)
    assert len([kind for kind, _ in door.outcomes(audit, most=0.2) if kind is Kind.TERMINATE]) == 2


def test_without_confirmation_nothing_is_written(door: Door) -> None:
    report = door.play(a_file(JANE), confirmed=False)
    assert (report.applied, [each.outcome for each in report.members]) == (False, [Outcome.PLANNED])
    assert door.revisions() == []
    assert door.outcomes(a_file(JANE)) == [(Kind.ADD, ACCEPTED)]


def test_planning_writes_nothing(door: Door) -> None:
    plan = plan_834(door.path(a_file(JANE)), door.client, door.mapping, today=TODAY)
    assert plan.counts()[Kind.ADD] == 1
    assert door.revisions() == []


def test_a_member_who_breaks_a_rule_does_not_block_the_family(door: Door) -> None:
    grown_up = a_child("OLD", born="19950601", coverages=[a_coverage(begins="20260101")])
    content = a_file(JANE, grown_up, a_child(coverages=[a_coverage(begins="20260101")]))
    report = door.play(content)
    assert [each.outcome for each in report.members] == [ACCEPTED, REJECTED, WITH_NOTICES]
    assert "RULE_NOT_SATISFIED CHILD_AGE" in report.members[1].reasons[0]
    assert "CHILD_AGE" in report.members[2].notices[0]
    assert sorted(door.periods()) == ["JANE DOE", "JIM DOE"]
    asked = door.requests()
    again = door.play(content)
    assert [each.outcome for each in again.members] == [UNCHANGED, REJECTED, UNCHANGED]
    assert again.members[1].reasons == report.members[1].reasons
    assert door.requests() == asked


def test_a_member_with_an_error_is_rejected_alone(door: Door) -> None:
    wrong = a_member("S2", name=("ROE", "RIC"), born="20260230", coverages=[a_coverage(begins="20260101")])
    report = door.play(a_file(JANE, wrong))
    assert [each.outcome for each in report.members] == [ACCEPTED, REJECTED]
    assert "segment 18 loop 2100A DMG02" in report.members[1].reasons[0]
    assert sorted(door.periods()) == ["JANE DOE"]


def test_a_coverage_that_is_mapped_to_nothing_rejects_the_member(door: Door) -> None:
    (line,) = door.play(a_file(a_member(coverages=[a_coverage("LTC", begins="20260101")]))).members
    assert "COVERAGE_UNMAPPED" in line.reasons[0]


def test_cover_from_before_the_contract_begins_with_the_contract(door: Door) -> None:
    content = a_file(a_member(coverages=[a_coverage(begins="20190101")]))
    assert door.outcomes(content) == [(Kind.ADD, WITH_NOTICES)]
    assert door.periods() == {"JANE DOE": [("HMO", "2025-01-01", None)]}
    assert door.outcomes(content) == ALL_UNCHANGED


def test_a_dependant_can_be_sent_alone_if_the_subscriber_is_known(door: Door) -> None:
    alone = a_file(a_child(coverages=[a_coverage(begins="20260201")]), control=2)
    assert [outcome for _, outcome in door.outcomes(alone)] == [REJECTED]
    door.play(a_file(JANE))
    assert [outcome for _, outcome in door.outcomes(alone)] == [WITH_NOTICES]


def test_a_dependant_sent_without_a_number_is_recognized_when_sent_with_it(door: Door) -> None:
    (_, first) = door.play(a_file(JANE, a_child(coverages=[a_coverage(begins="20260101")]))).members
    stated = a_file(a_child(person="999", maintenance="001"), control=2)
    (line,) = door.play(stated).members
    assert (line.member_id, line.outcome) == (first.member_id, ACCEPTED)  # The number is recorded.
    assert door.outcomes(stated) == ALL_UNCHANGED


def test_a_dependant_who_was_merged_into_another_record_is_imported_as_that_record(door: Door) -> None:
    content = a_file(JANE, a_child(coverages=[a_coverage(begins="20260101")]))
    (_, of_file) = door.play(content).members
    other = new_id()
    door.family.store(other)
    door.client.members.merge_members(from_member_id=of_file.member_id, into_member_id=other, reason="entered twice")
    ended = a_file(JANE, a_child(coverages=[a_coverage(begins="20260101", ends="20261231")]), control=2)
    # The other record has no name, so that the file's name differs from it the first time.
    for expected in ((Kind.TERMINATE, WITH_NOTICES), (Kind.UNCHANGED, UNCHANGED)):
        (_, line) = door.play(ended).members
        assert (line.member_id, line.planned, line.outcome) == (other, *expected)
    request = enrollment_query_service_pb2.ListEnrollmentGroupsRequest(contract_id=door.contract_id)
    (group,) = door.family.queries.ListEnrollmentGroups(request).groups
    last_days = {iso(each.days.last_on) for each in group.periods if each.member_id == other}
    assert last_days == {"2026-12-31"}


def test_two_dependants_under_one_number_are_both_rejected(door: Door) -> None:
    children = [
        a_child(name, person="123456789", born=born, coverages=[a_coverage(begins="20260101")])
        for name, born in (("JIM", "20150601"), ("TIM", "20170601"))
    ]
    report = door.play(a_file(JANE, *children))
    assert [each.outcome for each in report.members] == [ACCEPTED, REJECTED, REJECTED]
    assert "MEMBER_AMBIGUOUS" in report.members[1].reasons[0]


def test_a_dependant_without_a_coverage_shares_the_subscribers_if_its_level_says_so(door: Door) -> None:
    family = [a_member(coverages=[a_coverage(begins="20260101", level="ECH")]), a_child()]
    partner = a_member(relation="01", name=("DOE", "PAT"))
    report = door.play(a_file(*family, partner))
    assert [each.outcome for each in report.members] == [ACCEPTED, WITH_NOTICES, REJECTED]
    assert sorted(door.periods()) == ["JANE DOE", "JIM DOE"]


def test_dependants_may_carry_numbers_of_their_own_where_the_mapping_says_so(door: Door) -> None:
    content = a_file(JANE, a_child(number="S2", coverages=[a_coverage(begins="20260101")]))
    assert [each.outcome for each in door.play(content).members] == [ACCEPTED, REJECTED]
    door.more = {"dependant_number": "OWN"}
    assert [each.outcome for each in door.play(content).members] == [UNCHANGED, WITH_NOTICES]


@contextmanager
def faults_on_the_way(door: Door, server_address: str) -> Iterator[Affilia]:
    """Imports files through a link on which calls fail as the test says."""
    whole = door.client
    with Affilia(server_address, server_address) as affilia, affilia.client() as client:
        door.client = client
        yield affilia
    door.client = whole


def test_an_interrupted_run_is_reported_and_resumes_where_it_stopped(door: Door, server_address: str) -> None:
    with faults_on_the_way(door, server_address) as affilia:
        affilia.fail("submit_change_request", grpc.StatusCode.DEADLINE_EXCEEDED)
        (line,) = door.play(a_file(JANE)).members
    assert line.outcome is Outcome.FAILED
    assert "DEADLINE_EXCEEDED" in line.reasons[0]
    assert [outcome for _, outcome in door.outcomes(a_file(JANE))] == [ACCEPTED]
    assert door.requests() == 1


@pytest.mark.parametrize("code", [grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.UNAVAILABLE])
def test_retryable_calls_are_retried(door: Door, server_address: str, code: grpc.StatusCode) -> None:
    with faults_on_the_way(door, server_address) as affilia:
        for method in ("get_contract", "upsert_member", "record_facts", "submit_change_request"):
            affilia.fail(method, code, retry_after_seconds=0.05)
        assert [outcome for _, outcome in door.outcomes(a_file(JANE))] == [ACCEPTED]
        assert len({str(each.request) for each in affilia.received("submit_change_request")}) == 1
    assert door.requests() == 1


def test_a_file_of_another_sponsor_is_refused(door: Door) -> None:
    with pytest.raises(FileRejected, match="SPONSOR_OTHER"):
        door.play(a_file(JANE, sponsor="555"))


def test_an_unknown_contract_is_reported_before_anything_is_written(door: Door) -> None:
    door.contract_id = new_id()
    with pytest.raises(ServerStateUnreadable, match="NOT_FOUND"):
        door.play(a_file(JANE))


def test_the_report_is_printed_as_text_or_json(door: Door) -> None:
    report = door.play(a_file(a_member(name=("[bold]DOE", "JANE"), coverages=[a_coverage(begins="20260101")])))
    assert "JANE [bold]DOE" in report.to_text()
    assert "1 accepted" in report.to_text()
    document = json.loads(report.to_json())
    assert (document["applied"], document["counts"]["ACCEPTED"]) == (True, 1)
    assert document["members"][0]["outcome"] == "ACCEPTED"


@pytest.fixture
def sample_door(client: Client, tmp_path: Path) -> Callable[[Path], Door]:
    def make(path: Path) -> Door:
        sponsor = path.read_text().partition("N1*P5*")[2].partition("~")[0].split("*")[2]
        own = {"dependant_number": "OWN"} if "family" in path.name else {}
        return Door(client, tmp_path, sponsor, own, first_on="1990-01-01")

    return make


EXPECTED = {  # On a server where nobody is enrolled. Only additions and audits add people.
    "add-dependent.834": [REJECTED],
    "add-subscriber-coverage.834": [REJECTED],
    "cancel-dependent.834": [REJECTED],
    "change-subscriber-information.834": [REJECTED],
    CONTRADICTS_ITSELF: [REJECTED],
    "reinstate-employee.834": [REJECTED],
    "reinstate-employee-coverage-level.834": [REJECTED],
    "reinstate-member-eligiblity-ins.834": [REJECTED],
    "834_deident_family.txt": [ACCEPTED, WITH_NOTICES, WITH_NOTICES],
    "834_deident_term.txt": [REJECTED, REJECTED],
    "834_ls_le_ls.txt": [REJECTED],
    "enroll-employee-managed-care.834": [WITH_NOTICES],
    "multiple_st_loops.txt": [WITH_NOTICES],  # One person in four sets, with a placeholder as a number.
}


@pytest.mark.parametrize("path", all_samples(), ids=lambda path: path.name)
def test_playing_a_real_file_twice_changes_nothing_the_second_time(
    path: Path, sample_door: Callable[[Path], Door]
) -> None:
    door = sample_door(path)
    report = door.play(path.read_bytes())
    assert [each.outcome for each in report.members] == EXPECTED.get(path.name, [ACCEPTED]), report.to_text()
    before = (door.periods(), door.requests())
    again = door.play(path.read_bytes())
    assert {each.outcome for each in again.members} <= {UNCHANGED, REJECTED}
    assert (door.periods(), door.requests()) == before


def test_real_files_apply_the_story_of_one_family(sample_door: Callable[[Path], Door]) -> None:
    folder = SAMPLES / "linuxforhealth"
    door = sample_door(folder / "add-dependent.834")

    def play(name: str) -> list[tuple[Kind, Outcome]]:
        return door.outcomes((folder / name).read_bytes())

    assert play("enroll-employee-multiple-products.834") == [(Kind.ADD, ACCEPTED)]
    assert play("add-dependent.834")[0][0] is Kind.ADD
    assert play("cancel-dependent.834") == [(Kind.TERMINATE, ACCEPTED)]
    assert play("add-subscriber-coverage.834")[0][0] is Kind.CHANGE
    assert play(CONTRADICTS_ITSELF) == [(Kind.REJECTED, REJECTED)]


@st.composite
def some_file(draw: st.DrawFn, control: int) -> bytes:
    """Returns a file about a family of up to four, with changes that may not fit the current state."""
    days = st.sampled_from(("20251201", "20260101", "20260301", "20260630", "20260701", "20261001"))
    kinds = st.sampled_from(("021", "001", "024", "025", "030"))
    action = draw(st.sampled_from(("2", "2", "4")))
    members = []
    for i in range(draw(st.integers(1, 4))):
        lines = draw(st.lists(st.sampled_from(("HMO", "PPO", "DEN")), unique=True, max_size=2))
        coverages = [
            a_coverage(line, maintenance=draw(kinds), begins=draw(days), ends=draw(days | st.just("")), level="FAM")
            for line in lines
        ]
        dates = draw(st.dictionaries(st.sampled_from(("303", "356", "357")), days, max_size=2))
        stated: dict[str, Any] = {"maintenance": draw(kinds), "dates": list(dates.items()), "coverages": coverages}
        stated["status"] = draw(st.sampled_from(("", "FT", "TE", "L1")))
        stated["place"] = draw(st.sampled_from(((), ("CAMP HILL", "PA", "17011"), ("ANYTOWN", "PA", "17110"))))
        members.append(a_child(f"C{i}", **stated) if i else a_member(**stated))
    return a_file(*members, action=action, control=control)


@settings(
    max_examples=15,
    phases=(Phase.explicit, Phase.reuse, Phase.generate),  # To shrink would take minutes.
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(data=st.data())
def test_any_file_after_any_other_changes_nothing_the_second_time(
    data: st.DataObject, client: Client, tmp_path: Path
) -> None:
    door = Door(client, tmp_path)
    door.play(a_file(JANE, a_child("C1", coverages=[a_coverage(begins="20260101")])))
    for control in range(2, 5):
        content = data.draw(some_file(control))
        first = door.play(content)
        assert Outcome.FAILED not in {each.outcome for each in first.members}, first.to_text()
        before = (door.periods(), door.requests())
        again = door.play(content)
        assert {each.outcome for each in again.members} <= {UNCHANGED, REJECTED}, again.to_text()
        assert (door.periods(), door.requests()) == before


@pytest.fixture(scope="module")
def untouched(client: Client, tmp_path_factory: pytest.TempPathFactory) -> Door:
    """A contract with one family, for files that must not change it."""
    door = Door(client, tmp_path_factory.mktemp("damaged"), "999888777", first_on="1990-01-01")
    door.play((SAMPLES / "linuxforhealth" / "enroll-employee-multiple-products.834").read_bytes())
    return door


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(damaged([path.read_bytes() for path in all_samples()]))
def test_a_damaged_file_only_raises_the_documented_error_and_writes_nothing(untouched: Door, content: bytes) -> None:
    before = (untouched.periods(), untouched.requests())
    try:
        untouched.play(content)
    except EnrollmentFileError:
        assert (untouched.periods(), untouched.requests()) == before
