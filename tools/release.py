"""Makes a release: checks, changelog, wheels, bills of materials, release notes, and the tag `v…`.

    python -m tools.release            make the release of the version in pyproject.toml
    python -m tools.release --dry-run  do everything except creating the tag

Before a release, set the version in the three pyproject.toml files and in deploy/helm/affilia/Chart.yaml, and rename
the section `## Unreleased` of CHANGELOG.md to `## <version> - <date>`. A dry run accepts `## Unreleased`. Tests are not
run here, so release a commit that passed CI. Pushing the tag and publishing dist/ is left to you (docs/releases.md).
"""

import hashlib
import re
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from tools import check, sbom, wheels

REPOSITORY = Path(__file__).resolve().parent.parent
CHANGELOG = REPOSITORY / "CHANGELOG.md"
CHART = REPOSITORY / "deploy" / "helm" / "affilia" / "Chart.yaml"
DIST = REPOSITORY / "dist"
NOTES = "release-notes.md"
UNRELEASED = "Unreleased"
SEMANTIC_VERSION = re.compile(r"\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?")
CHART_VERSION = re.compile(r"^(version|appVersion): (\S+)$", re.MULTILINE)


class NotReleasable(Exception):
    """What must be changed before a release."""


def version() -> str:
    """Returns the version of packages and chart. Raises NotReleasable if they differ or aren't semantic versions."""
    found = wheels.versions() | {f"chart {name}": number for name, number in CHART_VERSION.findall(CHART.read_text())}
    if len(set(found.values())) > 1:
        raise NotReleasable(f"the packages and the chart must have the same version, got {found}")
    number = str(found["affilia-server"])
    if not SEMANTIC_VERSION.fullmatch(number):
        raise NotReleasable(f"the version must look like 1.2.3, got {number}")
    return number


def changelog_section(text: str, headings: list[str]) -> str:
    """Returns the text of the first of these sections that the changelog has. Raises NotReleasable if it has none."""
    for heading in headings:
        found = re.search(
            rf"^## {re.escape(heading)}(?:[ \t][^\n]*)?\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL
        )
        if found and found[1].strip():
            return found[1].strip()
    raise NotReleasable(f"CHANGELOG.md needs a section `## {headings[0]}` that says what changed")


def release_notes(number: str, section: str, files: Iterable[Path]) -> str:
    """Returns the notes of a release: what changed, how to upgrade, and the SHA-256 of every file."""
    sums = "\n".join(f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {file.name}" for file in sorted(files))
    return (
        f"# Affilia {number}\n\n{section}\n\n## Upgrading\n\n"
        "Make a backup, then replace the servers one by one: docs/upgrading.md.\n\n"
        f"## Files\n\n```\n{sums}\n```\n"
    )


def refuse_unreleasable_tree(number: str) -> None:
    """Raises NotReleasable if files are uncommitted, or if the version has a tag already."""
    if changed := _git("status", "--porcelain"):
        raise NotReleasable(f"commit or remove these files first:\n{changed}")
    if _git("tag", "--list", f"v{number}"):
        raise NotReleasable(f"the tag v{number} exists; set a new version")


def release(*, dry_run: bool) -> None:
    """Makes a release, or with `dry_run` everything but its tag. Raises NotReleasable."""
    number = version()
    section = changelog_section(CHANGELOG.read_text(), [number, UNRELEASED] if dry_run else [number])
    refuse_unreleasable_tree(number)
    print(f"Releasing {number}:\n\n{section}\n", flush=True)
    if check.run_all(list(check.CHECKS)):
        raise NotReleasable("the checks failed")
    wheels.main()
    sbom.main()
    (DIST / NOTES).write_text(release_notes(number, section, DIST.iterdir()))
    print((DIST / NOTES).relative_to(REPOSITORY))
    if dry_run:
        print(f"Dry run: v{number} was not tagged.")
        return
    _git("tag", "--annotate", f"v{number}", "--cleanup=verbatim", "--message", f"Affilia {number}\n\n{section}")
    print(f"Tagged v{number}. Publish it: git push origin v{number}, and the files in dist/.")


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def main() -> int:
    """Runs the command."""
    if sys.argv[1:] not in ([], ["--dry-run"]):
        print(__doc__)
        return 2
    try:
        release(dry_run="--dry-run" in sys.argv)
    except NotReleasable as problem:
        print(f"Not released: {problem}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
