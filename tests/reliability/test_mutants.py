"""Tests of the tests: each seeded fault makes the test that guards against it fail.

A copy of the source is changed, and the test is run in the copy. CI runs a few cheap mutants; AFFILIA_RELIABILITY=full
runs all of them.
"""

import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.reliability.mutants import MUTANTS, Mutant
from tests.reliability.repetitions import repetitions

CHEAP = [
    "a lease can be taken while its holder writes",
    "a repeated application is applied again",
    "usage is counted twice",
]
"""Mutants whose tests take few seconds."""

COUNT = repetitions("AFFILIA_MUTANTS", few=len(CHEAP), full=len(MUTANTS))
CHOSEN = sorted(MUTANTS, key=lambda mutant: mutant.name not in CHEAP)[:COUNT]
COPIED = ("domain", "storage", "operations", "server", "generated", "clients", "tests", "samples", "pyproject.toml")
FROM_OUTSIDE = ("AFFILIA_TEST_SERVER", "AFFILIA_TEST_DATABASE_URL", "PYTEST_ADDOPTS", "PYTHONPATH")
"""Variables with which the test would run on something other than the changed copy."""

WITHOUT_SHRINKING = """
from hypothesis import Phase, settings

settings.register_profile("without shrinking", phases=[Phase.explicit, Phase.generate])
settings.load_profile("without shrinking")
"""
"""Makes Hypothesis report the first failure that it finds, instead of searching for a smaller one."""

TESTS_FAILED = 1
"""The exit status of pytest if all tests could be collected, and some failed."""


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the source."""
    folder = tmp_path_factory.mktemp("mutants")
    for name in COPIED:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", "node_modules"))
        else:
            shutil.copy(ROOT / name, folder)
    with (folder / "tests" / "conftest.py").open("a", encoding="utf-8") as file:
        file.write(WITHOUT_SHRINKING)
    return folder


@contextmanager
def applied(mutant: Mutant, folder: Path) -> Iterator[None]:
    """Applies a mutant to the source in a folder, and removes it at the end."""
    file = folder / mutant.path
    original = file.read_text(encoding="utf-8")
    try:
        _write(file, _mutated(mutant, original))
        yield
    finally:
        _write(file, original)


def _mutated(mutant: Mutant, text: str) -> str:
    assert text.count(mutant.old) == 1, f"{mutant.path} has the text of {mutant.name!r} {text.count(mutant.old)} times"
    changed = text.replace(mutant.old, mutant.new)
    compile(changed, mutant.path, "exec")  # a mutant that is no valid Python would prove nothing
    return changed


def _write(file: Path, text: str) -> None:
    """Writes a module, and removes its compiled form, which Python compares only by seconds and size."""
    file.write_text(text, encoding="utf-8")
    Path(importlib.util.cache_from_source(str(file))).unlink(missing_ok=True)


def run(test: str, folder: Path) -> "subprocess.CompletedProcess[str]":
    """Runs one test on the source in a folder."""
    environment = {name: value for name, value in os.environ.items() if name not in FROM_OUTSIDE}
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-x", "-q", test],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_every_mutant_can_be_applied(mutant: Mutant) -> None:
    assert _mutated(mutant, (ROOT / mutant.path).read_text(encoding="utf-8"))
    file, _, name = mutant.test.partition("::")
    assert not name or name in (ROOT / file).read_text(encoding="utf-8")


@pytest.mark.parametrize("mutant", CHOSEN, ids=lambda mutant: mutant.name)
def test_a_seeded_fault_is_found(mutant: Mutant, copy: Path) -> None:
    with applied(mutant, copy):
        found = run(mutant.test, copy)
    assert found.returncode == TESTS_FAILED, f"{mutant.test} doesn't notice that {mutant.name}:\n{found.stdout}"
    # A test that can't be set up would also end with this status.
    assert " failed" in found.stdout.splitlines()[-1], found.stdout


def test_a_test_passes_in_the_unchanged_copy(copy: Path) -> None:
    """Otherwise, a defect of the copy would look like a detected mutant."""
    passed = run("tests/storage/test_leases.py::test_a_released_lease_can_be_taken_immediately", copy)
    assert passed.returncode == 0, passed.stdout
