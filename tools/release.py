"""Makes a release: checks, changelog, wheels, bills of materials, release notes, and the tag `v…`.

    python -m tools.release            make the release of the version in pyproject.toml
    python -m tools.release --dry-run  do everything except committing and creating the tag
    python -m tools.release --set …    set the version everywhere

Before a release, set the version in every file that states it (`python -m tools.release --set 1.2.3`), and commit. If
the changes are in the section `## Unreleased` of CHANGELOG.md, the release gives it the version and the date as its
heading, and commits that. Tests are not run here, so release a commit that passed CI. Pushing the tag and publishing
dist/ is left to you (docs/releases.md).
"""

import hashlib
import re
import subprocess
import sys
from collections.abc import Iterable
from datetime import UTC, date, datetime
from pathlib import Path

from tools import check, sbom, wheels

REPOSITORY = Path(__file__).resolve().parent.parent
CHANGELOG = REPOSITORY / "CHANGELOG.md"
DIST = REPOSITORY / "dist"
NOTES = "release-notes.md"
UNRELEASED = "Unreleased"
SEMANTIC_VERSION = re.compile(r"\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?")

PROJECT = r'^version = "([^"]+)"$'
NODE = r'\A\{\n  "name": "[^"]+",\n  "version": "([^"]+)"'
NODE_LOCK = NODE + r'(?s:.*?)    "": \{\n      "name": "[^"]+",\n      "version": "([^"]+)"'
STATED = {
    "pyproject.toml": PROJECT,
    "generated/pyproject.toml": PROJECT,
    # The client needs the stubs of its own release or of a later one.
    "clients/affilia_client/pyproject.toml": PROJECT + r'(?s:.*?)"affilia-stubs>=([^,]+),<',
    "deploy/helm/affilia/Chart.yaml": r"^version: (\S+)\nappVersion: (\S+)$",
    "deploy/Containerfile": r"^ *org\.opencontainers\.image\.version=(\S+)",
    "clients/java/pom.xml": r"<artifactId>affilia-stubs</artifactId>\n  <version>([^<]+)</version>",
    "clients/typescript/package.json": NODE,
    "clients/typescript/package-lock.json": NODE_LOCK,
    "clients/browser-proxy/package.json": NODE,
    "clients/browser-proxy/package-lock.json": NODE_LOCK,
}
"""The files that state the version, each with a pattern whose groups are the version."""


class NotReleasable(Exception):
    """What must be changed before a release."""


def version(root: Path = REPOSITORY) -> str:
    """Returns the version that all files state. Raises NotReleasable if they differ or state no semantic version."""
    found = {f"{path}, {n}": number for path in STATED for n, number in enumerate(_stated(root, path).groups(), 1)}
    if len(set(found.values())) > 1:
        raise NotReleasable(f"all files must state the same version, got {found}")
    (number,) = set(found.values())
    _refuse_malformed(number)
    return number


def set_version(number: str, root: Path = REPOSITORY) -> None:
    """Writes a version into all files that state it."""
    _refuse_malformed(number)
    for path in STATED:
        found = _stated(root, path)
        text = found.string
        for group in range(len(found.groups()), 0, -1):  # from the end, so that earlier offsets stay valid
            text = text[: found.start(group)] + number + text[found.end(group) :]
        (root / path).write_text(text)


def _stated(root: Path, path: str) -> "re.Match[str]":
    found = re.search(STATED[path], (root / path).read_text(), re.MULTILINE)
    if found is None:
        raise NotReleasable(f"{path} states no version where it is expected")
    return found


def _refuse_malformed(number: str) -> None:
    if not SEMANTIC_VERSION.fullmatch(number):
        raise NotReleasable(f"the version must look like 1.2.3, got {number}")


def changelog_section(text: str, headings: list[str]) -> str:
    """Returns the text of the first of these sections that the changelog has. Raises NotReleasable if it has none."""
    for heading in headings:
        found = re.search(
            rf"^## {re.escape(heading)}(?:[ \t][^\n]*)?\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL
        )
        if found and found[1].strip():
            return found[1].strip()
    raise NotReleasable(f"CHANGELOG.md needs a section `## {headings[0]}` that says what changed")


def with_version(text: str, number: str, made_on: date) -> str:
    """Returns the changelog with a version and its date as the heading of what was unreleased, if it has none yet."""
    if re.search(rf"^## {re.escape(number)}(?:[ \t]|$)", text, re.MULTILINE):
        return text
    return re.sub(rf"^## {UNRELEASED}$", f"## {number} - {made_on}", text, count=1, flags=re.MULTILINE)


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
    """Makes a release, or with `dry_run` everything but its commit and its tag. Raises NotReleasable."""
    number = version()
    changelog = CHANGELOG.read_text()
    section = changelog_section(changelog, [number, UNRELEASED])
    refuse_unreleasable_tree(number)
    print(f"Releasing {number}:\n\n{section}\n", flush=True)
    if check.run_all(list(check.CHECKS)):
        raise NotReleasable("the checks failed")
    dated = with_version(changelog, number, datetime.now(UTC).date())
    if dated != changelog and not dry_run:
        CHANGELOG.write_text(dated)
        _git("commit", "--quiet", "--message", f"Release {number}", "--", str(CHANGELOG))
    wheels.main()
    sbom.main()
    (DIST / NOTES).write_text(release_notes(number, section, DIST.iterdir()))
    print((DIST / NOTES).relative_to(REPOSITORY))
    if dry_run:
        print(f"Dry run: v{number} was not tagged.")
        return
    _git("tag", "--annotate", f"v{number}", "--cleanup=verbatim", "--message", f"Affilia {number}\n\n{section}")
    print(f"Tagged v{number}. Publish it: git push origin HEAD v{number}, and the files in dist/.")


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def main() -> int:
    """Runs the command."""
    try:
        match sys.argv[1:]:
            case [] | ["--dry-run"] as arguments:
                release(dry_run=bool(arguments))
            case ["--set", number]:
                set_version(number)
            case _:
                print(__doc__)
                return 2
    except NotReleasable as problem:
        print(f"Not released: {problem}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
