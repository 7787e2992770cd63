"""Builds the documentation site from the repository's Markdown into .build/site, for `make site`.

The site contains every page that links from README.md lead to. Pages are copied with their folders, so that relative
links stay valid, together with the files that they link to. MkDocs with the theme Material turns the copy into a
site. It is installed in its own environment (docs/decisions/0027). The build fails if a link or an anchor leads
nowhere. The site loads nothing from other hosts.

    python -m tools.site            build .build/site
    python -m tools.site serve      build it and serve it on http://127.0.0.1:8000
"""

import json
import os
import re
import shutil
import subprocess
import sys
import venv
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parent.parent
BUILD = REPOSITORY / ".build"
LOCK = REPOSITORY / "requirements-site.lock"
ENVIRONMENT, SOURCE, SITE = BUILD / "site-environment", BUILD / "site-source", BUILD / "site"
START = Path("README.md")
ADDRESS = "127.0.0.1:8000"

LINK = re.compile(r"(?P<before>\]\(\s*)(?P<target>[^)\s#]+)(?P<anchor>#[^)\s]*)?(?P<after>\s*\))")
ELSEWHERE = re.compile(r"[a-z][a-z0-9+.-]*:")
FENCE = re.compile(r"^(?P<fence>```+|~~~+).*?^(?P=fence)[ ]*$", re.M | re.S)

GITHUB_ANCHORS = "!!python/object/apply:pymdownx.slugs.slugify {kwds: {case: lower}}"

NAVIGATION: dict[str, tuple[str, ...]] = {
    "Start": ("README.md", "docs/README.md", "docs/concepts.md", "docs/glossary.md", "docs/cheat-sheet.md"),
    "Task guides": (
        "docs/tasks.md",
        "docs/command-line.md",
        "docs/console.md",
        "docs/enrollment-files.md",
        "docs/migrating.md",
    ),
    "Clients": (
        "docs/client-best-practices.md",
        "docs/browsers.md",
        "clients/affilia_client/README.md",
        "generated/README.md",
        "docs/guarantees.md",
    ),
    "Operating": (
        "docs/operating.md",
        "docs/scaling.md",
        "docs/upgrading.md",
        "docs/releases.md",
        "SECURITY.md",
        "CHANGELOG.md",
    ),
    "Reference": ("docs/reference/*.md",),
    "Developing": ("ARCHITECTURE.md", "docs/extending.md", "CONTRIBUTING.md", "samples/README.md"),
    "Decisions": ("docs/decisions/*.md",),
    "More": ("**/*.md",),
}
"""The sections of the site. A page is in the first section that names it."""


def build() -> None:
    """Builds the site. Exits if a link is broken."""
    copy_pages()
    render()


def render() -> None:
    """Turns the copied pages into the site. Exits if a link is broken."""
    config = BUILD / "site.json"
    # A tag of YAML that JSON can't express: headings get the anchors that GitHub gives them.
    config.write_text(json.dumps(configuration(), indent=1).replace(f'"{GITHUB_ANCHORS}"', GITHUB_ANCHORS))
    # Without --quiet, because strict mode only counts warnings that are logged.
    arguments: list[str | Path] = ["-m", "mkdocs", "build", "--strict", "--clean", "--config-file", config]
    # The variable turns off a message about the end of Material's support (docs/decisions/0027).
    environment = os.environ | {"NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run([install(), *arguments], env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{done.stdout}{done.stderr}")


def copy_pages() -> None:
    """Copies every page that links from README.md lead to, and the files that pages link to."""
    shutil.rmtree(SOURCE, ignore_errors=True)
    waiting, seen = [START], {START}
    while waiting:
        page = waiting.pop()
        text = (REPOSITORY / page).read_text(encoding="utf-8") if page.suffix == ".md" else None
        destination = SOURCE / page
        destination.parent.mkdir(parents=True, exist_ok=True)
        if text is None:
            shutil.copyfile(REPOSITORY / page, destination)
            continue
        linked = dict(_links(page, text))
        folders = {target: path for target, path in linked.items() if (REPOSITORY / path).is_dir()}
        destination.write_text(_without_folders(text, folders), encoding="utf-8")
        for path in linked.values():
            found = sorted(_pages_of(path)) if (REPOSITORY / path).is_dir() else [path]
            waiting += [each for each in found if each not in seen]
            seen.update(found)
        for path in folders.values():
            _write_index(path)


def _links(page: Path, text: str) -> list[tuple[str, Path]]:
    """Returns the targets of a page's links to files of the repository, as written and as paths."""
    found = []
    for match in LINK.finditer(FENCE.sub("", text)):
        target = match["target"]
        path = (REPOSITORY / page).parent.joinpath(target).resolve()
        # A link to a missing file stays as it is, and MkDocs reports it.
        if not ELSEWHERE.match(target) and path.exists() and path.is_relative_to(REPOSITORY):
            found.append((target, path.relative_to(REPOSITORY)))
    return found


def _without_folders(text: str, folders: dict[str, Path]) -> str:
    """Returns a page with its links to folders changed to the folders' lists of pages."""

    def replaced(match: "re.Match[str]") -> str:
        target = match["target"]
        return match[0] if target not in folders else f"{match['before']}{target.rstrip('/')}/README.md{match['after']}"

    return LINK.sub(replaced, text)


def _pages_of(folder: Path) -> list[Path]:
    return [file.relative_to(REPOSITORY) for file in (REPOSITORY / folder).glob("*.md")]


def _write_index(folder: Path) -> None:
    """Writes the page of a folder that has no README: a list of its pages."""
    index = SOURCE / folder / "README.md"
    if (REPOSITORY / folder / "README.md").exists():
        return
    index.parent.mkdir(parents=True, exist_ok=True)
    lines = [f"- [{_title(REPOSITORY / page)}]({page.name})" for page in sorted(_pages_of(folder))]
    index.write_text("\n".join([f"# {folder.name.capitalize()}", "", *lines, ""]), encoding="utf-8")


def _title(page: Path) -> str:
    """Returns the first heading of a page."""
    heading = re.search(r"^# +(.+)$", FENCE.sub("", page.read_text(encoding="utf-8")), re.M)
    return heading[1].strip() if heading else page.stem


def navigation() -> list[dict[str, Any]]:
    """Returns the sections with their pages, each page once and under its own heading."""
    left = {page.relative_to(SOURCE) for page in SOURCE.rglob("*.md")}
    sections = []
    for name, patterns in NAVIGATION.items():
        pages = []
        for pattern in patterns:
            found = sorted(page for page in left if page.match(pattern) or page == Path(pattern))
            pages += [{_title(SOURCE / page): page.as_posix()} for page in found]
            left.difference_update(found)
        if pages:
            sections.append({name: pages})
    return sections


def configuration() -> dict[str, Any]:
    """Returns MkDocs' configuration. JSON is YAML."""
    problem = "warn"
    return {
        "site_name": "Affilia",
        "docs_dir": str(SOURCE),
        "site_dir": str(SITE),
        "use_directory_urls": False,  # so that the site can also be read from a folder
        "theme": {
            "name": "material",
            "font": False,  # no fonts from another host
            "features": [
                "navigation.tabs",
                "navigation.top",
                "navigation.indexes",
                "search.highlight",
                "content.code.copy",
            ],
            "palette": [
                {"media": f"(prefers-color-scheme: {scheme})", "scheme": name, "toggle": {"icon": icon, "name": label}}
                for scheme, name, icon, label in (
                    ("light", "default", "material/weather-night", "Dark colors"),
                    ("dark", "slate", "material/weather-sunny", "Light colors"),
                )
            ],
        },
        "plugins": ["search"],
        "markdown_extensions": [
            "tables",
            "attr_list",
            "md_in_html",
            "pymdownx.superfences",
            "pymdownx.highlight",
            {"toc": {"permalink": True, "slugify": GITHUB_ANCHORS}},
        ],
        "nav": navigation(),
        "validation": {
            "nav": {"omitted_files": problem, "not_found": problem, "absolute_links": problem},
            "links": {
                "not_found": problem,
                "anchors": problem,
                "absolute_links": problem,
                "unrecognized_links": problem,
            },
        },
        "strict": True,
    }


def install() -> Path:
    """Returns the Python of the generator's environment, which is created again if the lock has changed.

    Raises subprocess.CalledProcessError if the packages are unavailable.
    """
    inside, stamp = ENVIRONMENT / "bin" / "python", ENVIRONMENT / "installed"
    if not (inside.exists() and stamp.exists() and stamp.read_text() == LOCK.read_text()):
        venv.create(ENVIRONMENT, with_pip=True, clear=True)
        subprocess.run([inside, REPOSITORY / "tools" / "install.py", LOCK], check=True)
        stamp.write_text(LOCK.read_text())
    return inside


def main() -> int:
    """Runs the command named on the command line."""
    if sys.argv[1:] not in ([], ["serve"]):
        print(__doc__)
        return 2
    build()
    print(f"{SITE.relative_to(REPOSITORY)}: {sum(1 for _ in SITE.rglob('*.html'))} pages")
    if sys.argv[1:]:
        host, port = ADDRESS.split(":")
        print(f"http://{ADDRESS}", flush=True)
        subprocess.run([sys.executable, "-m", "http.server", "--bind", host, "--directory", SITE, port], check=False)
    return 0


if __name__ == "__main__":
    sys.exit(main())
