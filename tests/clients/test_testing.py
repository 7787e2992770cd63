"""The fixture `affilia`, as callers have it: in a pytest of its own, with a server of its own."""

import os
import subprocess
import sys
import tomllib
from importlib import import_module
from pathlib import Path

import grpc
import pytest

from affilia_client import Client, TooLate
from affilia_client.testing import Affilia, FaultyLink
from affilia_client.testing.own_server import own_server
from tests.conftest import ROOT

CALLERS_TESTS = """
from uuid import uuid4

import grpc
import pytest

from affilia.catalog.v1.member_pb2 import MEMBER_KIND_PERSON, Member
from affilia_client import PreconditionFailed


def member():
    return Member(member_id=str(uuid4()), kind=MEMBER_KIND_PERSON)


def test_a_fault_is_met(affilia):
    affilia.fail("upsert_member", grpc.StatusCode.FAILED_PRECONDITION, "NOT_COVERED", times=2)
    with affilia.client() as client, pytest.raises(PreconditionFailed) as failed:
        client.members.upsert_member(member=member())
    assert failed.value.reason == "NOT_COVERED"


def test_a_fault_of_another_test_is_not(affilia):
    assert not affilia.received()
    affilia.drop("upsert_member")
    with affilia.client() as client:
        client.members.upsert_member(member=member())
        client.internal.rebuild_projection()
    first, second = affilia.received("upsert_member")
    assert first.request.request_id == second.request.request_id != ""
"""


def test_callers_have_it_in_tests_of_their_own(tmp_path: Path) -> None:
    (tmp_path / "test_callers.py").write_text(CALLERS_TESTS)
    environment = {name: value for name, value in os.environ.items() if name != "AFFILIA_TEST_SERVER"}
    paths = [ROOT, ROOT / "generated", ROOT / "clients"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "affilia_client.testing.plugin", "-p", "no:cacheprovider", "."],
        cwd=tmp_path,
        env={**environment, "PYTHONPATH": os.pathsep.join(map(str, paths))},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 passed" in done.stdout


def test_pytest_finds_it_by_the_entry_point_of_the_package() -> None:
    project = tomllib.loads((ROOT / "clients/affilia_client/pyproject.toml").read_text())["project"]
    assert hasattr(import_module(project["entry-points"]["pytest11"]["affilia"]), "affilia")
    assert "pytest>=8" in project["optional-dependencies"]["testing"]


def test_a_server_that_runs_already_may_be_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("AFFILIA_TEST_SERVER", "a:1,b:2")
    with own_server(tmp_path) as addresses:
        assert addresses == ("a:1", "b:2")


def test_calls_can_be_slow(affilia: Affilia, client: Client) -> None:
    affilia.delay("ListContracts", 1)
    with pytest.raises(TooLate):
        client.catalog.list_contracts(timeout=0.3)
    client.catalog.list_contracts(timeout=60)


def test_a_fault_may_be_for_every_method(affilia: Affilia, client: Client) -> None:
    affilia.fail("", grpc.StatusCode.UNAVAILABLE, times=3)
    client.catalog.list_contracts(page_size=1)
    client.members.list_members(page_size=1)
    assert len(affilia.received()) == 5


def test_a_method_that_there_is_not_is_refused(affilia: Affilia) -> None:
    with pytest.raises(ValueError, match="no method 'get_everything'"):
        affilia.drop("get_everything")


def test_a_link_stands_before_any_server(server_address: str) -> None:
    with FaultyLink(server_address) as link, Client(link.address) as client:
        link.faults.fail("list_contracts", grpc.StatusCode.UNAVAILABLE)
        client.catalog.list_contracts(page_size=1)
        assert len(link.faults.received("list_contracts")) == 2
