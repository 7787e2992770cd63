"""Code in documents compiles."""

import ast
import json
from pathlib import Path

import pytest

from tests.docs.markdown import Block, blocks, documents

BLOCKS = [(document, block) for document in documents() for block in blocks(document)]


def named(language: str) -> list[tuple[Path, Block]]:
    return [(document, block) for document, block in BLOCKS if block.language == language]


def test_there_are_blocks_to_look_at() -> None:
    assert len(named("python")) >= 2
    assert len(named("json")) >= 2


@pytest.mark.parametrize(("document", "block"), named("json"), ids=lambda value: str(getattr(value, "line", value)))
def test_json_parses(document: Path, block: Block) -> None:
    json.loads(block.text)


@pytest.mark.parametrize(("document", "block"), named("python"), ids=lambda value: str(getattr(value, "line", value)))
def test_python_compiles(document: Path, block: Block) -> None:
    # Examples can await at the top level.
    compile(block.text, f"{document}:{block.line}", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
