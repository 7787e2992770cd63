"""Programs that check files in deploy/, either installed on the machine or built by .ci/run."""

import shutil

import pytest

from tests.packaging.environments import ROOT

BUILT = ROOT / ".build" / "bin"


def program_of_ci(name: str) -> str:
    """Returns the path of a program. Skips the test if it is neither installed nor built."""
    found = shutil.which(name) or shutil.which(name, path=BUILT)
    if found is None:
        pytest.skip(f"{name} is not installed, and .ci/run has not built it")
    return found
