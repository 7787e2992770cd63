"""The wheel `affilia-server`: one root package, and a server that needs nothing but the three wheels."""

import ast
import os
import subprocess
import zipfile
from pathlib import Path

import pytest

from tests.packaging.environments import environment, install_wheels, run
from tools import server_wheel, wheels
from tools.lock import RUN_LOCK, pins

NOT_EMBEDDED = ("pyx12", "defusedxml")
"""What requirements.lock has for other extras than `embedded`."""

SAMPLE_BOOK_FOLDER = (
    "from affilia_server.affilia_cli.samples.location import sample_book_folder; print(sample_book_folder())"
)
SMALLEST_SAMPLE = "belgium-illustrative"

USERS_TESTS = """
import pytest
from affilia_client.testing import LoadFailed


def test_contracts_of_a_folder_are_loaded(affilia):
    affilia.load("contracts")
    affilia.load("contracts")
    with affilia.client() as client:
        (contract,) = client.catalog.all_contracts()
        assert contract.contract_id == "3a41b220-e2c1-573b-ad3e-828adb9b2d45"
        assert not list(client.members.all_members())


def test_a_broken_contract_is_reported_with_its_file(affilia):
    with pytest.raises(LoadFailed, match="broken/contract.json:1"):
        affilia.load("broken")


def test_faults_happen(affilia):
    affilia.drop("list_contracts")
    with affilia.client() as client:
        client.catalog.list_contracts(timeout=60)
    assert len(affilia.received("list_contracts")) == 2
"""


@pytest.fixture(scope="module")
def python(built_wheels: dict[str, Path]) -> Path:
    """An environment with the three wheels, the extra `embedded`, pytest, and nothing else."""
    locked = pins(RUN_LOCK)
    wanted = {name: number for name, number in locked.items() if name not in NOT_EMBEDDED}
    found = environment("server", wanted | {"pytest": pins(wheels.REPOSITORY / "requirements-dev.lock")["pytest"]})
    install_wheels(found, *built_wheels.values())
    return found


def test_the_fixture_runs_a_server_and_loads_contracts(python: Path, tmp_path: Path) -> None:
    (tmp_path / "test_users.py").write_text(USERS_TESTS)
    (tmp_path / "contracts").mkdir()
    book = (
        Path(run(python, "-c", "import affilia_server; print(affilia_server.__path__[0])").strip())
        / server_wheel.SAMPLE_BOOK
    )
    (tmp_path / "contracts" / "contract.json").write_text((book / "spain-illustrative" / "contract.json").read_text())
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "contract.json").write_text("not json")
    output = run(python, "-m", "pytest", "-q", "-p", "no:cacheprovider", cwd=tmp_path)
    assert "3 passed" in output


def test_the_program_starts_in_an_empty_folder(python: Path, tmp_path: Path) -> None:
    assert "serve" in run(python.parent / "affilia", "--help", cwd=tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_server_in_an_empty_folder_answers_and_loads_samples(python: Path, tmp_path: Path) -> None:
    affilia = python.parent / "affilia"
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "AFFILIA_"))}
    flags = ("--dev", "--no-sample-book", "--listen", "127.0.0.1:0", "--internal-listen", "127.0.0.1:0")
    with (tmp_path / "log").open("w") as log:
        server = subprocess.Popen(
            [affilia, "serve", *flags], cwd=tmp_path, env=clean, stdout=subprocess.PIPE, stderr=log, text=True
        )
    try:
        assert server.stdout is not None
        ready = next((line for line in server.stdout if line.startswith("affilia is ready: ")), "")
        assert ready, (tmp_path / "log").read_text()
        address = ready.split()[3]
        book = run(python, "-c", SAMPLE_BOOK_FOLDER, cwd=tmp_path).strip()
        run(affilia, "--address", address, "sample", "load", Path(book, SMALLEST_SAMPLE), cwd=tmp_path)
        assert "Primary" in run(affilia, "--address", address, "find", "Primary", cwd=tmp_path)
    finally:
        server.terminate()
        assert server.wait(120) == 0


def test_a_missing_extra_is_named(python: Path, tmp_path: Path) -> None:
    read = "from affilia_server.affilia_cli.enrollment_file.reading import parsing\nparsing.parse(b'')"
    program = f"try:\n    exec({read!r})\nexcept Exception as error:\n    print(error)"
    output = run(python, "-c", program, cwd=tmp_path)
    assert output == "Enrollment files require the `files` extra: pip install 'affilia-server[files]'\n"


def test_there_is_one_root_package_with_the_sample_book_and_migrations(built_wheels: dict[str, Path]) -> None:
    with zipfile.ZipFile(built_wheels["affilia-server"]) as contents:
        names = contents.namelist()
    roots = {name.partition("/")[0] for name in names}
    assert {root for root in roots if not root.endswith(".dist-info")} == {"affilia_server"}
    packaged = {name.removeprefix("affilia_server/") for name in names}
    for layer, folder in server_wheel.LAYERS.items():
        files = {f"{layer}/{file.relative_to(folder).as_posix()}" for file in folder.rglob("*.py")}
        assert files <= packaged
    assert {
        "py.typed",
        "storage/postgres/migrations/script.py.mako",
        "affilia_cli/samples/book/france-branch-agreement/contract.json",
        "affilia_cli/samples/book/france-branch-agreement/families.csv",
    } <= packaged


def test_no_module_of_the_wheel_refers_to_a_layer_without_the_root_package(built_wheels: dict[str, Path]) -> None:
    with zipfile.ZipFile(built_wheels["affilia-server"]) as contents:
        sources = {
            name: contents.read(name).decode() for name in contents.namelist() if name.endswith((".py", ".mako"))
        }
    assert not {name: list(server_wheel.bare_references(text)) for name, text in sources.items() if name.endswith(".py")
                if list(server_wheel.bare_references(text))}  # fmt: skip
    assert "from affilia_server.storage" in sources["affilia_server/storage/postgres/migrations/script.py.mako"]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("from domain.days import Span", "from affilia_server.domain.days import Span"),
        ("from server import settings", "from affilia_server.server import settings"),
        ("import storage.audit as audit", "import affilia_server.storage.audit as audit"),
        ("if x:\n    from server import (\n        a)", "if x:\n    from affilia_server.server import (\n        a)"),
        ("from domains import x", "from domains import x"),
        ("import affilia_client", "import affilia_client"),
        ('"from domain.days import Span, for example"', '"from domain.days import Span, for example"'),
    ],
)  # fmt: skip
def test_imports_of_layers_get_the_prefix(source: str, expected: str, tmp_path: Path) -> None:
    module = tmp_path / "module.py"
    module.write_text(source)
    assert server_wheel.prefix_imports(module) == expected
    ast.parse(expected)


@pytest.mark.parametrize(
    "source", ["import server.settings", "import os, server.settings as s", 'run("-m", "server.computing.worker")']
)
def test_references_that_cannot_be_rewritten_fail_the_build(source: str, tmp_path: Path) -> None:
    module = tmp_path / "module.py"
    module.write_text(f"\n{source}\n")
    with pytest.raises(server_wheel.NotRewritable, match=r"module\.py:2"):
        server_wheel.prefix_imports(module)


def test_the_three_packages_have_one_version() -> None:
    assert len(set(wheels.versions().values())) == 1
    assert set(wheels.versions()) == set(wheels.SOURCES)
