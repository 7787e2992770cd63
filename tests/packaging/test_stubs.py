"""The wheel `affilia-stubs`: its content, and calls with the oldest and newest grpcio and protobuf it allows."""

import sys
import tomllib
import zipfile
from importlib.metadata import version
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from tests.packaging.environments import ROOT, environment, install_wheels, run
from tests.support.calls import Family
from tools import wheels

ALLOWED = tomllib.loads((ROOT / "generated" / "pyproject.toml").read_text())["project"]["dependencies"]
PROGRAM = Path(__file__).parent / "stubs_program.py"

# grpcio has wheels for few Pythons at a time, so the oldest version for a Python isn't always the oldest allowed one.
OLDEST = {
    (3, 11): {"grpcio": "1.49.1", "protobuf": "4.21.6", "googleapis-common-protos": "1.62.0"},
    (3, 12): {"grpcio": "1.59.0", "protobuf": "4.21.6", "googleapis-common-protos": "1.62.0"},
    (3, 13): {"grpcio": "1.66.2", "protobuf": "5.26.1", "googleapis-common-protos": "1.64.0"},
}
OLDEST_FOR_NEWER_PYTHONS = {"grpcio": "1.75.1", "protobuf": "6.33.0", "googleapis-common-protos": "1.71.0"}
BETWEEN = {"grpcio": "1.71.2", "protobuf": "5.29.5", "googleapis-common-protos": "1.70.0"}
NEWEST = {name: version(name) for name in ("grpcio", "protobuf", "googleapis-common-protos")}
RUNTIMES = {
    "oldest": OLDEST.get(sys.version_info[:2], OLDEST_FOR_NEWER_PYTHONS),
    "newest": NEWEST,
} | ({"between": BETWEEN} if sys.version_info < (3, 14) else {})


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_every_module_imports_and_calls_succeed(
    runtime: str, built_wheels: dict[str, Path], family: Family, server_address: str
) -> None:
    pins = RUNTIMES[runtime]
    python = environment(f"stubs-{runtime}", pins)
    install_wheels(python, built_wheels["affilia-stubs"])
    output = run(python, "-W", "error::UserWarning", PROGRAM, server_address)
    modules = len(list((ROOT / "generated" / "affilia").rglob("*_pb2*.py")))
    assert output == f"{modules} modules, grpcio {pins['grpcio']}, protobuf {pins['protobuf']}\n"


def test_the_oldest_allowed_versions_are_the_tested_ones() -> None:
    allowed = {Requirement(text).name: Requirement(text).specifier for text in ALLOWED}
    assert {name: f">={number}" for name, number in OLDEST[3, 11].items()} == {
        name: next(str(bound) for bound in bounds if bound.operator == ">=") for name, bounds in allowed.items()
    }
    assert all(allowed[name].contains(number) for name, number in NEWEST.items())


@pytest.mark.parametrize("name", wheels.SOURCES)
def test_building_again_gives_the_same_bytes(name: str, built_wheels: dict[str, Path], tmp_path: Path) -> None:
    assert wheels.build(name, tmp_path).read_bytes() == built_wheels[name].read_bytes()


def test_the_wheel_has_types_protos_and_descriptors(built_wheels: dict[str, Path]) -> None:
    with zipfile.ZipFile(built_wheels["affilia-stubs"]) as contents:
        names = set(contents.namelist())
        protos = {file.relative_to(ROOT / "protos").as_posix() for file in (ROOT / "protos").rglob("*.proto")}
        assert protos < names
        assert {name.replace(".proto", "_pb2.pyi") for name in protos} < names
        assert {"affilia/py.typed", "affilia/descriptors.binpb"} < names
        assert {name.removesuffix(".py") for name in names if name.endswith("_pb2_grpc.py")} == {
            name.removesuffix(".pyi") for name in names if name.endswith("_pb2_grpc.pyi")
        }
