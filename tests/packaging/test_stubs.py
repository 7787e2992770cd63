"""The wheel of the stubs: whole, the same each time, and good for every grpcio and protobuf that it claims.

The environments are kept under .build/packaging, by Python and versions; only the wheel is installed anew.
"""

import shutil
import sys
import tomllib
import venv
import zipfile
from importlib.metadata import version
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from tests.packaging.fetching import CACHE, ROOT, fetch, run
from tests.support.calls import Family
from tools import wheels

CLAIMED = tomllib.loads((ROOT / "generated" / "pyproject.toml").read_text())["project"]["dependencies"]
CALLER = Path(__file__).parent / "caller.py"

# grpcio has wheels for one Python at a time, so the oldest of a Python is not always the oldest claimed.
OLDEST = {
    (3, 11): {"grpcio": "1.49.1", "protobuf": "4.21.6", "googleapis-common-protos": "1.62.0"},
    (3, 12): {"grpcio": "1.59.0", "protobuf": "4.21.6", "googleapis-common-protos": "1.62.0"},
    (3, 13): {"grpcio": "1.66.2", "protobuf": "5.26.1", "googleapis-common-protos": "1.64.0"},
}
# Newer Pythons, as far as we know them.
OLDEST_OTHERWISE = {"grpcio": "1.75.1", "protobuf": "6.33.0", "googleapis-common-protos": "1.71.0"}
BETWEEN = {"grpcio": "1.71.2", "protobuf": "5.29.5", "googleapis-common-protos": "1.70.0"}
NEWEST = {name: version(name) for name in ("grpcio", "protobuf", "googleapis-common-protos")}
RUNTIMES = {
    "oldest": OLDEST.get(sys.version_info[:2], OLDEST_OTHERWISE),
    "newest": NEWEST,
} | ({"between": BETWEEN} if sys.version_info < (3, 14) else {})


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built(tmp_path_factory.mktemp("wheel"))


def built(folder: Path) -> Path:
    wheels.build(wheels.STUBS, folder)
    (found,) = folder.glob("affilia_stubs-*.whl")
    return found


def environment(runtime: dict[str, str]) -> Path:
    """The Python of a venv that has these versions and what they need, and nothing else."""
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    folder = CACHE / "-".join([python, *(f"{name}-{number}" for name, number in runtime.items())])
    inside = folder / "bin" / "python"
    stamp = folder / "complete"
    if not stamp.exists():
        shutil.rmtree(folder, ignore_errors=True)
        venv.create(folder, with_pip=True)
        pins = [f"{name}=={number}" for name, number in runtime.items()]
        fetch(inside, "-m", "pip", "install", "--quiet", "--retries=1", "--only-binary=:all:", *pins)
        stamp.touch()
    return inside


@pytest.mark.parametrize("runtime", RUNTIMES.values(), ids=RUNTIMES)
def test_every_module_imports_and_calls_are_answered(
    runtime: dict[str, str], wheel: Path, family: Family, server_address: str
) -> None:
    python = environment(runtime)
    pip = (python, "-m", "pip", "--disable-pip-version-check")
    run(*pip, "install", "--quiet", "--no-index", "--no-deps", "--force-reinstall", wheel)
    run(*pip, "check")
    said = run(python, "-W", "error::UserWarning", CALLER, server_address, cwd=wheel.parent)
    modules = len(list((ROOT / "generated" / "affilia").rglob("*_pb2*.py")))
    assert said.split(", ") == [
        f"{modules} modules",
        f"grpcio {runtime['grpcio']}",
        f"protobuf {runtime['protobuf']}\n",
    ]


def test_what_is_claimed_is_what_is_tried() -> None:
    claimed = {Requirement(text).name: Requirement(text).specifier for text in CLAIMED}
    assert {name: f">={number}" for name, number in OLDEST[3, 11].items()} == {
        name: next(str(bound) for bound in bounds if bound.operator == ">=") for name, bounds in claimed.items()
    }
    assert all(claimed[name].contains(number) for name, number in NEWEST.items())


def test_the_same_sources_give_the_same_wheel(wheel: Path, tmp_path: Path) -> None:
    assert built(tmp_path).read_bytes() == wheel.read_bytes()


def test_the_wheel_carries_types_protos_and_descriptors(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as contents:
        names = set(contents.namelist())
        protos = {file.relative_to(ROOT / "protos").as_posix() for file in (ROOT / "protos").rglob("*.proto")}
        assert protos < names
        assert {name.replace(".proto", "_pb2.pyi") for name in protos} < names
        assert {"affilia/py.typed", "affilia/descriptors.binpb"} < names
        assert {name.removesuffix(".py") for name in names if name.endswith("_pb2_grpc.py")} == {
            name.removesuffix(".pyi") for name in names if name.endswith("_pb2_grpc.pyi")
        }
