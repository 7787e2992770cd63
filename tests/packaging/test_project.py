"""The project's own tooling: pre-commit, the workflow and releases agree with the Makefile and with each other."""

import re

import pytest

from tests.packaging.environments import ROOT
from tools import check, release


def test_pre_commit_runs_every_check_of_make_check() -> None:
    hooks = re.findall(r'entry: make check ONLY="([^"]+)"', (ROOT / ".pre-commit-config.yaml").read_text())
    assert sorted(" ".join(hooks).split()) == sorted(check.CHECKS)


def test_the_workflow_runs_ci_on_every_supported_python() -> None:
    workflow = (ROOT / ".github" / "workflows" / "ci.yml").read_text()
    assert 'python: ["3.11", "3.12", "3.13", "3.14"]' in workflow
    assert "- run: bash .ci/run\n" in workflow


CHANGELOG = """# Changelog

## Unreleased

### Added
- Something new.

## 1.0.0 - 2026-12-01

- The first release.
"""


@pytest.mark.parametrize(
    ("headings", "section"),
    [
        (["1.0.0"], "- The first release."),
        (["1.1.0", "Unreleased"], "### Added\n- Something new."),
    ],
)
def test_a_release_has_its_section_of_the_changelog(headings: list[str], section: str) -> None:
    assert release.changelog_section(CHANGELOG, headings) == section


@pytest.mark.parametrize("version", ["1.1.0", "1.0.1", "1"])
def test_a_release_without_changelog_section_is_refused(version: str) -> None:
    with pytest.raises(release.NotReleasable, match=f"## {version}"):
        release.changelog_section(CHANGELOG, [version])


def test_a_changelog_section_of_another_version_with_the_same_prefix_is_not_taken() -> None:
    with pytest.raises(release.NotReleasable):
        release.changelog_section("## 1.0.0-rc1\n- A candidate.\n", ["1.0.0"])


def test_an_empty_changelog_section_is_refused() -> None:
    with pytest.raises(release.NotReleasable):
        release.changelog_section("## 1.0.0\n\n## 0.9.0\n- Old.\n", ["1.0.0"])
