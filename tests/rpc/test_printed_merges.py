"""What the command line prints about a merge, and when it refuses to start one."""

from collections.abc import Iterator

import pytest

from affilia.catalog.v1.member_service_pb2 import MergedGroup, MergeMembersResponse, Overrun
from affilia_cli.merging import show_merged
from affilia_client import Client
from affilia_views.server_names import ServerNames
from tests.scenarios.enrollment_messages import date
from tests.support.calls import Family, new_id
from tests.support.command_line import typed


@pytest.fixture
def client(server_address: str) -> Iterator[Client]:
    with Client(server_address) as client:
        yield client


def printed(answer: MergeMembersResponse, client: Client, capsys: pytest.CaptureFixture[str]) -> list[str]:
    show_merged(answer, client, ServerNames(client))
    return capsys.readouterr().out.splitlines()


def test_the_families_are_named_with_what_changed(
    family: Family, client: Client, capsys: pytest.CaptureFixture[str]
) -> None:
    family.submit(family.enroll(family.base, "2026-01-01"), family.enroll(family.base, "2026-02-01", child=True))
    group_id = family.group().group_id
    changed = MergedGroup(group_id=group_id, revision=1, made_revision=True)
    title = f"family of {family.primary}, {family.contract_id}"
    first, *lines = printed(MergeMembersResponse(groups=[changed]), client, capsys)
    assert first == f"{title}: revision 1"
    assert f"  {family.child} on {family.base}: gained 2026-02-01 to open end" in lines
    same = MergedGroup(group_id=group_id, revision=1)
    assert printed(MergeMembersResponse(groups=[same]), client, capsys) == [f"{title}: no enrolled days changed"]


def test_overruns_are_in_the_unit_of_the_limit(
    family: Family, client: Client, capsys: pytest.CaptureFixture[str]
) -> None:
    contract = family.contract()
    for module, unit in ((contract.versions[0].modules[0], "MONEY"), (contract.versions[0].modules[2], "VISITS")):
        limit = module.limits.add(benefit=unit, individual_amount=10_000)
        limit.kind, limit.unit = 3, 1 if unit == "MONEY" else 2  # type: ignore[assignment]
    family.amend(contract)
    family.submit(family.enroll(family.base, "2026-01-01"))
    group_id = family.group().group_id
    term = date("2026-01-01")

    def overrun(code: str, used: int, limit: int) -> Overrun:
        return Overrun(
            group_id=group_id, term_start=term, code=code, individual_limit=limit, used=used, overrun=used - limit
        )

    answer = MergeMembersResponse(overruns=[overrun("BENEFIT:MONEY", 13_000, 10_000), overrun("BENEFIT:VISITS", 7, 4)])
    assert printed(answer, client, capsys)[:2] == [
        "! BENEFIT:MONEY, term from 2026-01-01: 130.00 EUR of 100.00 EUR used, 30.00 EUR above the limit",
        "! BENEFIT:VISITS, term from 2026-01-01: 7 of 4 used, 3 above the limit",
    ]


def test_a_group_that_cannot_be_read_is_shown_by_its_id(client: Client, capsys: pytest.CaptureFixture[str]) -> None:
    group_id = new_id()
    answer = MergeMembersResponse(groups=[MergedGroup(group_id=group_id, revision=4, made_revision=True)])
    assert printed(answer, client, capsys) == [f"group {group_id}: revision 4"]


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["--reason", "doubled"], "add --yes"),
        (["--yes"], "--reason"),
        (["--reason", "doubled", "--yes", "--keep", "both"], "--keep must be from or into, got both"),
    ],
)
def test_a_merge_is_not_started_without_confirmation_or_with_wrong_arguments(
    server_address: str, words: list[str], complaint: str
) -> None:
    done = typed(server_address, "merge", new_id(), new_id(), *words)
    assert (done.code, complaint in done.err) == (2, True), done.err
