"""Links in documents resolve, including anchors, and the tests and settings that they name exist."""

import re
from pathlib import Path

import pytest

from server.services import INTERNAL, PUBLIC
from server.settings import Settings
from tests.docs.markdown import ROOT, anchors, documents, links, text_of
from tools.docs_protos import read_protos
from tools.docs_services import INTERNAL as DESCRIBED_AS_INTERNAL
from tools.docs_services import page_name

ELSEWHERE = re.compile(r"[a-z][a-z0-9+.-]*:")
TEST = re.compile(r"\b((?:tests|benchmarks)/[\w/]+\.py)(?:::(\w+))?")
VARIABLE = re.compile(r"\bAFFILIA_[A-Z_]*[A-Z]\b")


@pytest.mark.parametrize("document", documents(), ids=str)
def test_every_relative_link_resolves(document: Path) -> None:
    assert [link for link in links(document) if (fault := fault_of(document, link)) and fault] == []


def fault_of(document: Path, link: str) -> str:
    """Returns why a link is broken; empty if it isn't, or if it leads to another site, which is not checked."""
    if ELSEWHERE.match(link):
        return ""
    path, _, anchor = link.partition("#")
    target = (ROOT / document).parent.joinpath(path).resolve() if path else (ROOT / document)
    if not target.exists() or not target.is_relative_to(ROOT):
        return "no such file"
    if anchor and target.suffix == ".md" and anchor not in anchors(target.relative_to(ROOT)):
        return "no such heading"
    return ""


def test_a_broken_link_is_found() -> None:
    readme = Path("README.md")
    assert fault_of(readme, "docs/nowhere.md") == "no such file"
    assert fault_of(readme, "docs/glossary.md#nowhere") == "no such heading"
    assert fault_of(readme, "../elsewhere.md") == "no such file"
    assert fault_of(readme, "docs/glossary.md#glossary") == ""


@pytest.mark.parametrize("document", documents(), ids=str)
def test_every_test_that_is_named_exists(document: Path) -> None:
    for file, name in TEST.findall(text_of(document)):
        assert (ROOT / file).exists(), f"{document} names {file}"
        assert not name or f"def {name}(" in (ROOT / file).read_text(encoding="utf-8"), f"{document} names {name}"


def test_every_variable_that_is_named_is_a_setting_or_used_elsewhere() -> None:
    used = {f"AFFILIA_{name.upper()}" for name in Settings.model_fields}
    for folder in ("clients/affilia_cli", "clients/affilia_views", "tests", "tools", "benchmarks"):
        for file in (ROOT / folder).rglob("*.py"):
            used |= set(VARIABLE.findall(file.read_text(encoding="utf-8")))
    used |= set(VARIABLE.findall((ROOT / "Makefile").read_text(encoding="utf-8")))
    for document in documents():
        assert set(VARIABLE.findall(text_of(document))) <= used, document


def test_each_service_has_a_page_that_names_its_listener() -> None:
    described = {f"{service.package}.{service.name}": service for service in read_protos().services}
    assert set(described) == {service.name for service in (*PUBLIC, *INTERNAL)}
    assert {service.name.rpartition(".")[2] for service in INTERNAL} == DESCRIBED_AS_INTERNAL
    index = text_of(Path("docs/README.md"))
    for service in described.values():
        assert f"reference/{page_name(service)}" in index
