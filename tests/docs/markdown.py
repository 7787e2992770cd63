"""Parses the repository's Markdown as far as tests need it: headings, links, and code blocks."""

import re
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parent.parent.parent

FENCE = re.compile(r"^(?P<fence>```+|~~~+)[ ]*(?P<language>\w*)[^\n]*\n(?P<text>.*?)^(?P=fence)[ ]*$", re.M | re.S)
CODE_SPAN = re.compile(r"`[^`\n]+`")
LINK = re.compile(r"\[(?:[^\[\]]|\[[^\[\]]*\])*\]\(\s*<?([^)\s>]+)>?(?:\s+\"[^\"]*\")?\s*\)")
REFERENCE = re.compile(r"^\[[^\]]+\]:\s*(\S+)", re.M)
HEADING = re.compile(r"^#{1,6}[ ]+(.+?)[ ]*#*$", re.M)
OWN_ANCHOR = re.compile(r'<a id="([^"]+)"></a>')


class Block(NamedTuple):
    """A fenced code block: its first line, its language (can be empty), its text."""

    line: int
    language: str
    text: str


def documents() -> list[Path]:
    """Returns every Markdown file of the repository, in order."""
    files = (file.relative_to(ROOT) for file in ROOT.rglob("*.md"))
    return sorted(
        file
        for file in files
        if not any(part.startswith(".") or part in ("dist", "node_modules") for part in file.parts)
    )


@cache
def text_of(document: Path) -> str:
    return (ROOT / document).read_text(encoding="utf-8")


def blocks(document: Path) -> list[Block]:
    text = text_of(document)
    found = FENCE.finditer(text)
    return [Block(text.count("\n", 0, m.start()) + 1, m["language"].lower(), m["text"]) for m in found]


def section(document: Path, heading: str) -> str:
    """Returns the text below a heading of the second level."""
    _, _, rest = text_of(document).partition(f"\n## {heading}\n")
    return rest.partition("\n## ")[0]


def links(document: Path) -> Iterator[str]:
    """Yields the targets of links and pictures outside of code."""
    prose = CODE_SPAN.sub("", FENCE.sub("", text_of(document)))
    yield from LINK.findall(prose)
    yield from REFERENCE.findall(prose)


@cache
def anchors(document: Path) -> frozenset[str]:
    """Returns the anchors of a document: those that GitHub derives from headings, and explicit ones."""
    text = FENCE.sub("", text_of(document))
    seen: Counter[str] = Counter()
    found = set(OWN_ANCHOR.findall(text))
    for heading in HEADING.findall(text):
        words = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).replace("`", "").replace("*", "")
        slug = re.sub(r"[^\w\- ]", "", words.strip().lower()).replace(" ", "-")
        found.add(f"{slug}-{seen[slug]}" if seen[slug] else slug)
        seen[slug] += 1
    return frozenset(found)
