"""The documentation site that `make site` builds: its links are valid, and it loads nothing from other hosts.

Skipped if the generator can't be installed.
"""

import json
import re
import subprocess
from collections.abc import Iterator
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import pytest

from tools import site

LOADED = {("script", "src"), ("img", "src"), ("link", "href"), ("iframe", "src"), ("source", "src"), ("object", "data")}
"""Attributes whose URLs a browser loads together with the page."""


class Page(HTMLParser):
    """The ids of a page, and the URLs in its tags, as tag, attribute and URL."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        self.ids: set[str] = set()
        self.urls: list[tuple[str, str, str]] = []
        self.feed(file.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name in ("id", "name") and value:
                self.ids.add(value)
            if name in ("href", "src", "data") and value:
                self.urls.append((tag, name, value))


@cache
def page(file: Path) -> Page:
    return Page(file)


@pytest.fixture(scope="module", autouse=True)
def built() -> Iterator[None]:
    """Builds the site, and again from the unchanged pages after the tests."""
    try:
        site.install()
    except subprocess.CalledProcessError as unavailable:
        pytest.skip(f"the generator of the site can't be installed: {unavailable}")
    site.build()
    yield
    site.copy_pages()


def files() -> list[Path]:
    return sorted(site.SITE.rglob("*.html"))


def test_the_site_has_a_page_for_every_page_of_the_documentation() -> None:
    built = {file.relative_to(site.SITE).with_suffix(".md").as_posix() for file in files()}
    written = {file.relative_to(site.REPOSITORY).as_posix() for file in (site.REPOSITORY / "docs").rglob("*.md")}
    at_the_root = {"ARCHITECTURE.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md"}
    indexes = {name.replace("README.md", "index.md") for name in {*written, "README.md"}}
    assert indexes | at_the_root <= built


def test_every_link_of_the_site_leads_to_a_file_and_an_anchor() -> None:
    broken = []
    for file in files():
        for _, _, url in page(file).urls:
            if re.match(r"[a-z][a-z0-9+.-]*:|//", url) or file.name == "404.html":
                continue
            path, _, anchor = url.partition("#")
            target = file.parent / unquote(path.partition("?")[0]) if path else file
            target = target / "index.html" if target.is_dir() else target
            if not target.exists():
                broken.append(f"{file.relative_to(site.SITE)}: {url} is missing")
            elif anchor and target.suffix == ".html" and anchor not in page(target).ids and anchor != "__skip":
                broken.append(f"{file.relative_to(site.SITE)}: {url} has no such anchor")
    assert broken == []


def test_the_site_loads_nothing_from_other_hosts() -> None:
    loaded = [url for file in files() for tag, name, url in page(file).urls if (tag, name) in LOADED]
    assert loaded
    assert [url for url in loaded if re.match(r"(https?:)?//", url)] == []
    styles = "".join(file.read_text(encoding="utf-8") for file in site.SITE.rglob("*.css"))
    assert styles
    assert re.findall(r"(?:@import|url\()\s*['\"]?(?:https?:)?//", styles) == []


def test_the_search_finds_sections_of_pages() -> None:
    index = json.loads((site.SITE / "search" / "search_index.json").read_text(encoding="utf-8"))
    found = {entry["location"] for entry in index["docs"] if "CONSUMER_TOO_SLOW" in entry["title"] + entry["text"]}
    assert {"docs/reference/errors.html", "docs/operating.html"} <= {location.partition("#")[0] for location in found}


@pytest.mark.parametrize("link", ["nowhere.md", "docs/glossary.md#nowhere", "docs/decisions"])
def test_a_broken_link_stops_the_build(link: str) -> None:
    start = site.SOURCE / "README.md"
    before = start.read_text(encoding="utf-8")
    start.write_text(f"{before}\n[broken]({link})\n", encoding="utf-8")
    try:
        with pytest.raises(SystemExit):
            site.render()
    finally:
        start.write_text(before, encoding="utf-8")
