"""The wheel `affilia-client`: it works with the oldest and newest versions that it allows."""

import sys
import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from tests.packaging.environments import ROOT, environment, install_wheels, run
from tests.support.calls import Family

ALLOWED = tomllib.loads((ROOT / "clients" / "affilia_client" / "pyproject.toml").read_text())["project"]["dependencies"]
PROGRAM = Path(__file__).parent / "client_program.py"

OLDEST = {"grpcio": "1.60.0", "protobuf": "4.25.0", "googleapis-common-protos": "1.62.0", "tenacity": "8.3.0"}
"""The lower bounds. grpcio and protobuf have wheels of these versions for Python 3.11 and 3.12 only."""
OLDEST_FOR_NEWER_PYTHONS = {
    (3, 13): OLDEST | {"grpcio": "1.66.2", "protobuf": "5.26.1", "googleapis-common-protos": "1.64.0"},
    (3, 14): OLDEST | {"grpcio": "1.75.1", "protobuf": "6.33.0", "googleapis-common-protos": "1.71.0"},
}
NEWEST = {name: version(name) for name in OLDEST}
RUNTIMES = {"oldest": OLDEST_FOR_NEWER_PYTHONS.get(sys.version_info[:2], OLDEST), "newest": NEWEST}


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_calls_retries_and_the_feed_work(
    runtime: str, built_wheels: dict[str, Path], family: Family, server_address: str
) -> None:
    pins = RUNTIMES[runtime]
    python = environment(f"client-{runtime}", pins)
    install_wheels(python, built_wheels["affilia-stubs"], built_wheels["affilia-client"])
    output = run(
        python, "-W", "error::UserWarning", "-W", "error::DeprecationWarning:affilia_client", PROGRAM, server_address
    )
    assert output == f"grpcio {pins['grpcio']}, protobuf {pins['protobuf']}\n"


def test_the_lower_bounds_are_the_tested_versions() -> None:
    allowed = {Requirement(text).name: Requirement(text).specifier for text in ALLOWED}
    bounds = {name: next(b.version for b in each if b.operator == ">=") for name, each in allowed.items()}
    assert {name: bounds[name] for name in OLDEST} == OLDEST
    assert all(allowed[name].contains(number) for name, number in NEWEST.items())
