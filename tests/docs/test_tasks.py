"""Runs every command and every line of code in the task guides, guide by guide, on a server with the sample book."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from affilia.enrollment.v1.change_request_pb2 import VERDICT_APPROVED
from affilia.enrollment.v1.enrollment_group_pb2 import GroupKey
from affilia.pricing.v1.insurance_cost_pb2 import Policy
from affilia.type.v1.membership_type_pb2 import MEMBERSHIP_TYPE_CHILD, MEMBERSHIP_TYPE_PARTNER
from affilia_client import Client
from affilia_client.dates import span_from_proto
from tests.conftest import ROOT, ServerProcess
from tests.docs.markdown import FENCE, HEADING, text_of
from tests.docs.test_commands import LOADED, PUBLIC
from tests.support.waiting import wait_until

GUIDES = Path("docs/tasks.md")
FRANCE = "add27ee2-68fc-5fa7-8622-aafaba867494"
SECONDS = 300


class Guide(NamedTuple):
    """The blocks of a guide, in their order: language and text."""

    title: str
    blocks: list[tuple[str, str]]


def guides() -> list[Guide]:
    """Returns the guides. The first one, without a title, is the introduction."""
    introduction, *sections = text_of(GUIDES).split("\n## ")
    return [Guide("", _blocks(introduction)), *(Guide(each.partition("\n")[0], _blocks(each)) for each in sections)]


def _blocks(text: str) -> list[tuple[str, str]]:
    return [(found["language"], found["text"]) for found in FENCE.finditer(text)]


class Book:
    """A server with the sample book, and the program that the guides continue."""

    def __init__(self, address: str, folder: Path) -> None:
        self.address, self.folder = address, folder
        self.client = Client(address)
        self.program: dict[str, Any] = {}
        wrapper = folder / "bin" / "affilia"
        wrapper.parent.mkdir()
        wrapper.write_text(f'#!/bin/sh\nPYTHONPATH={ROOT} exec {sys.executable} -m server --address {address} "$@"\n')
        wrapper.chmod(0o755)

    def run(self, guide: Guide) -> str:
        """Runs the blocks of a guide, and returns what its commands print."""
        printed = ""
        for language, text in guide.blocks:
            if language == "python":
                code = compile(text.replace(PUBLIC, self.address), f"{GUIDES}: {guide.title}", "exec")
                exec(code, self.program)  # noqa: S102 (our own documents)
            else:
                printed += self._shell(text)
        return printed

    def _shell(self, text: str) -> str:
        path = os.pathsep.join([str(self.folder / "bin"), os.environ["PATH"]])
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", text],
            cwd=self.folder,
            env={**os.environ, "PATH": path},
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
            stdin=subprocess.DEVNULL,
        )
        assert done.returncode == 0, f"{text}\n{done.stdout}{done.stderr}"
        return done.stdout

    def spans(self, family: str, name: str) -> list[tuple[date | None, date | None]]:
        """Returns the different spans of a member of a family, given by the name of its primary."""
        return sorted({span_from_proto(each.days) for each in self.periods(family, name)}, key=str)

    def periods(self, family: str, name: str) -> list[Any]:
        member_id = self.id_of(name)
        periods = self.client.enrollment.get_enrollment_group(key=self.key(family)).group.periods
        return [each for each in periods if each.member_id == member_id]

    def key(self, family: str) -> GroupKey:
        return GroupKey(contract_id=FRANCE, primary_id=self.id_of(family))

    def id_of(self, name: str) -> str:
        (hit,) = self.client.members.search_members(query=name).hits
        return hit.member.member_id


@pytest.fixture(scope="module")
def book(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Book]:
    folder = tmp_path_factory.mktemp("tasks")
    server = ServerProcess(folder / "data", "--sample-book")
    try:
        assert server.process.stdout is not None
        assert any(LOADED in line for line in server.process.stdout), server.log.read_text()[-2000:]
        book = Book(server.address, folder)
        book.run(guides()[0])
        yield book
        book.client.close()
        book.program["client"].close()
    finally:
        server.stop()


def a_birth(book: Book, _printed: str) -> None:
    for primary, child in (("Primary FR-021", "Baby FR-021"), ("Primary FR-028", "Baby FR-028")):
        assert len(book.periods(primary, child)) == 2
        assert {first for first, _ in book.spans(primary, child)} == {date(2026, 11, 2)}
    assert book.program["birth"].verdict == VERDICT_APPROVED


def a_death(book: Book, _printed: str) -> None:
    for primary, partner, first in (
        ("Primary FR-009", "Partner FR-009", date(2026, 5, 1)),
        ("Primary FR-010", "Partner FR-010", date(2026, 2, 1)),
    ):
        expected = [(first, date(2026, 10, 14))]
        wait_until(lambda p=primary, q=partner, e=expected: book.spans(p, q) == e, "the recompute")  # type: ignore[misc]
        assert book.spans(primary, primary) == [(first, None)]


def a_divorce(book: Book, printed: str) -> None:
    assert "What would change:" in printed
    for primary, partner, first in (
        ("Primary FR-024", "Partner FR-024", date(2025, 2, 1)),
        ("Primary FR-029", "Partner FR-029", date(2026, 4, 1)),
    ):
        assert book.spans(primary, partner) == [(first, date(2026, 12, 31))]
        assert all(last != date(2026, 12, 31) for _, last in book.spans(primary, partner.replace("Partner", "Child 1")))
    assert book.program["divorce"].verdict == VERDICT_APPROVED


def a_wrong_termination(book: Book, printed: str) -> None:
    assert "with the consequence: " in printed
    for primary, first in (("Primary FR-017", date(2025, 11, 1)), ("Primary FR-003", date(2026, 1, 1))):
        for name in (primary, primary.replace("Primary", "Partner"), primary.replace("Primary", "Child 1")):
            assert [start for start, _ in book.spans(primary, name)] == [first]
        assert book.spans(primary, primary) == [(first, None)]
    assert [book.program[each].verdict for each in ("wrong", "right", "corrected")] == [VERDICT_APPROVED] * 3
    types = [
        book.periods(primary, name)[0].membership_type
        for primary, name in (("Primary FR-013", "Child 2 FR-013"), ("Primary FR-027", "Partner FR-027"))
    ]
    assert types == [MEMBERSHIP_TYPE_PARTNER, MEMBERSHIP_TYPE_CHILD]


def a_doubled_record(book: Book, printed: str) -> None:
    assert "Merged Chlid 1 FR-008 into Child 1 FR-008." in printed
    (hit,) = book.client.members.search_members(identifier={"system": "payroll", "value": "8001"}).hits
    assert hit.member.member_id == book.id_of("Child 1 FR-008")
    assert (hit.born_on.year, hit.born_on.month, hit.born_on.day) == (2023, 12, 3)


def a_corrected_birth_date(book: Book, printed: str) -> None:
    assert "1999-09-13 (before: 1997-09-13)" in printed
    wait_until(
        lambda: book.spans("Primary FR-012", "Child 1 FR-012") == [(date(2025, 7, 1), date(2027, 9, 12))],
        "the recompute after the command",
    )
    wait_until(
        lambda: book.spans("Primary FR-006", "Child 1 FR-006") == [(date(2026, 2, 1), date(2030, 12, 28))],
        "the recompute after the code",
    )


def a_wrong_price(book: Book, printed: str) -> None:
    assert "10.79 EUR (before: 10.97 EUR)" in printed
    assert "0 failed" in printed
    assert "cancelled" in printed
    policy = Policy(key=book.key("Primary FR-021"))
    december = (date(2026, 12, 1), date(2026, 12, 1))
    entries = book.client.premiums.all_premium_entries(policy=policy, months=december, live_only=True, explain=True)
    listed = {each.explanation.row.listed_minor for each in entries}
    assert {1079, 2106} <= listed
    assert not {1097, 2160} & listed


CHECKS: dict[str, Callable[[Book, str], None]] = {
    "A birth": a_birth,
    "A death": a_death,
    "A divorce": a_divorce,
    "A wrong termination": a_wrong_termination,
    "A doubled record": a_doubled_record,
    "A corrected birth date": a_corrected_birth_date,
    "A wrong price": a_wrong_price,
}


def test_every_guide_is_checked() -> None:
    assert [guide.title for guide in guides()[1:]] == list(CHECKS)
    assert len(HEADING.findall(text_of(GUIDES))) >= len(CHECKS) + 1
    assert all({language for language, _ in guide.blocks} == {"sh", "python"} for guide in guides()[1:])


@pytest.mark.parametrize("guide", guides()[1:], ids=lambda guide: guide.title)
def test_the_guide_does_what_it_says(guide: Guide, book: Book) -> None:
    CHECKS[guide.title](book, book.run(guide))
