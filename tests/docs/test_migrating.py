"""Runs the commands of docs/migrating.md in their order, and checks that its tables list everything."""

import ast
import inspect
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from affilia.migration.v1 import migration_service_pb2 as pb
from affilia_client import Client
from domain.migration.comparing import SourceDifferenceKind
from domain.migration.legacy import FindingKind
from domain.migration.stages import Stage
from storage.legacy.source import LegacySource
from storage.legacy.spain import SpanishTables
from tests.conftest import ROOT, ServerProcess
from tests.docs.markdown import Block, blocks, section, text_of

PAGE = Path("docs/migrating.md")
TRIAL = "Try it in ten minutes"
SECONDS = 600
SERVER = re.compile(r'make run ARGS="(.*)"')


def trial() -> list[str]:
    """Returns the blocks of the trial, in their order."""
    return [block.text for block in blocks(PAGE) if block.language == "sh" and block.text in section(PAGE, TRIAL)]


def only_block(language: str) -> Block:
    (found,) = (block for block in blocks(PAGE) if block.language == language)
    return found


class Shell:
    """A shell in the repository in which `affilia` is the command line of this source tree."""

    def __init__(self, folder: Path, address: str) -> None:
        wrapper = folder / "bin" / "affilia"
        wrapper.parent.mkdir()
        wrapper.write_text(f'#!/bin/sh\nexec {sys.executable} -m server --address {address} "$@"\n')
        wrapper.chmod(0o755)
        self._path = os.pathsep.join([str(wrapper.parent), os.environ["PATH"]])

    def run(self, text: str) -> str:
        """Runs a block, and returns what it prints."""
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", text],
            cwd=ROOT,
            env={**os.environ, "PATH": self._path},
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
            stdin=subprocess.DEVNULL,
        )
        assert done.returncode == 0, f"{text}\n{done.stdout}{done.stderr}"
        return done.stdout + done.stderr


def test_the_trial_moves_a_country_through_all_stages(tmp_path: Path) -> None:
    creation, start, *others = trial()
    program, *words = shlex.split(creation)
    assert program == ".venv/bin/python"
    subprocess.run([sys.executable, *words, "--data-dir", str(tmp_path / "data")], cwd=ROOT, check=True)
    flags = SERVER.fullmatch(start.strip())
    assert flags
    server = ServerProcess(tmp_path / "data", *shlex.split(flags[1]))
    try:
        shell = Shell(tmp_path, server.address)
        printed = [shell.run(text) for text in others]
        with Client(server.address) as client:
            (migration,) = client.migrations.list_migrations().migrations
    finally:
        server.stop()
    everything = "\n".join(printed)
    for part in (
        "Mapped legacy contract 17 of ES: stage TRANSLATE",
        "rows NO_START",
        "unknown: date of birth of dfbaaafa-6940-476c-b540-cce4cc5d375a",
        "unknown: date of birth of 39d59764-40b2-42f6-b574-c6332158d607",
        "Compared in READ_CORE: ",
        "groups, none differs.",
        "premiums   can be computed",
        "DONE: ",
        "ES  RETIRED since ",
    ):
        assert part in everything, everything
    (compared,) = (text for text in printed if "Compared in DUAL_WRITE" in text)
    assert set(re.findall(r"^([A-Z]+)  family of", compared, re.M)) == {"NOW"}
    assert migration.stage == pb.MIGRATION_STAGE_RETIRED


def test_the_granted_privileges_are_those_that_the_source_needs() -> None:
    granted = {
        table: tuple(privileges.split(", "))
        for privileges, table in re.findall(r"GRANT ([A-Z, ]+) ON (\S+) TO affilia;", only_block("sql").text)
    }
    assert granted == dict(SpanishTables.privileges)


@pytest.mark.parametrize(
    ("heading", "names"),
    [("Findings", FindingKind), ("Differences", SourceDifferenceKind)],
    ids=["findings", "differences"],
)
def test_a_table_lists_every_kind(heading: str, names: type[FindingKind] | type[SourceDifferenceKind]) -> None:
    listed = re.findall(r"^\| ([A-Z_]+) \|", section(PAGE, heading), re.M)
    assert sorted(listed) == sorted(kind.value for kind in names)


def test_every_stage_has_a_section_and_a_column() -> None:
    assert re.findall(r"^### ([A-Z_]{4,}): ", text_of(PAGE), re.M) == list(Stage)
    assert f"| | {' | '.join(Stage)} |" in text_of(PAGE)


def test_the_skeleton_of_a_source_has_every_method_with_its_parameters() -> None:
    (skeleton,) = ast.parse(only_block("python").text).body
    assert isinstance(skeleton, ast.ClassDef)
    functions = [each for each in skeleton.body if isinstance(each, ast.AsyncFunctionDef)]
    shown = {each.name: [parameter.arg for parameter in each.args.args] for each in functions}
    wanted = {
        name: list(inspect.signature(method).parameters)
        for name, method in inspect.getmembers(LegacySource, inspect.isfunction)
        if not name.startswith("_")
    }
    assert shown == wanted
    attributes = {each.targets[0].id for each in skeleton.body if isinstance(each, ast.Assign)}  # type: ignore[attr-defined]
    assert attributes >= set(LegacySource.__annotations__)
