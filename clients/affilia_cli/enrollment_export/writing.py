"""Writes the file and the token of an export while families are read, in bounded memory.

Both are first written completely under temporary names. Then the file gets its name, then the token file. If the
program stops in between, the file is there and the old token remains: the next export has the same changes again.
"""

from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TypeVar
from uuid import uuid4

from affilia_cli.enrollment_export.interchange import Header, InterchangeWriter
from affilia_cli.enrollment_export.left_out import Remark
from affilia_cli.enrollment_export.outbound_mapping import OutboundMapping
from affilia_cli.enrollment_export.planning import Planner
from affilia_cli.enrollment_export.population import Population
from affilia_cli.enrollment_export.reading import CALL_SECONDS
from affilia_cli.enrollment_file.book.batched_calls import batches
from affilia_cli.local_files import UnfinishedFile, unfinished_file
from affilia_client import Client

AnyFamily = TypeVar("AnyFamily")

FAMILIES_AT_A_TIME = 250
"""Families whose members are read together. Few families have more than four members."""


@dataclass(frozen=True, slots=True)
class Exported:
    """An export. `path` is None if there was nothing to send, because a file must name at least one member.

    `members` are the INS loops and `coverages` the HD loops of the file.
    """

    path: Path | None
    token_path: Path
    control_number: int
    members: int
    coverages: int
    remarks: tuple[Remark, ...]

    @property
    def is_complete(self) -> bool:
        """Whether nothing was left out."""
        return not any(remark.leaves_out for remark in self.remarks)


@dataclass(frozen=True, slots=True)
class Heading:
    """BGN08 and DTP 007 of the file."""

    action: str
    effective_on: date | None


@dataclass(frozen=True, slots=True)
class Destination:
    """Where the file and its token are written. `token` is called after all families were read."""

    path: Path
    token_path: Path
    token: Callable[[], str]


def write_export(
    client: Client,
    mapping: OutboundMapping,
    population: Population,
    families: Iterable[AnyFamily],
    planner: Planner[AnyFamily],
    heading: Heading,
    destination: Destination,
) -> Exported:
    """Writes the loops of each family. If nobody has a loop, only the token is written.

    If anything fails, neither the file nor the token is written.
    """
    with ExitStack() as stack:
        file = stack.enter_context(unfinished_file(destination.path))
        token_file = stack.enter_context(unfinished_file(destination.token_path))
        body = _Body(client, mapping, heading, file)
        for batch in batches(families, FAMILIES_AT_A_TIME):
            population.load(member_id for family in batch for member_id in planner.member_ids(family))
            remaining_ids = population.remaining_ids()
            for family in batch:
                planned = planner.planned(family, remaining_ids)
                for segments in population.segments(planned.primary_id, planned.loops):
                    body.add(segments)
        body.end()
        token_file.text.write(destination.token() + "\n")
        token_file.sync()
        if body.members:
            file.sync()
            file.move()
        token_file.move()
    return Exported(
        destination.path if body.members else None,
        destination.token_path,
        body.control_number,
        body.members,
        body.coverages,
        population.remarks.all(),
    )


class _Body:
    """Begins the interchange with the first member, so that a control number is reserved only for a file."""

    def __init__(self, client: Client, mapping: OutboundMapping, heading: Heading, file: UnfinishedFile) -> None:
        self.members = self.coverages = self.control_number = 0
        self._client = client
        self._mapping = mapping
        self._heading = heading
        self._file = file
        self._writer: InterchangeWriter | None = None

    def add(self, segments: list[tuple[str, ...]]) -> None:
        """Adds the segments of one member."""
        if self._writer is None:
            self._writer = self._begun()
        for segment in segments:
            self._writer.write(*segment)
        self.members += 1
        self.coverages += sum(segment[0] == "HD" for segment in segments)

    def end(self) -> None:
        if self._writer is not None:
            self._writer.end()

    def _begun(self) -> InterchangeWriter:
        self.control_number = self._client.interchange.reserve_control_numbers(
            request_id=str(uuid4()), count=1, timeout=CALL_SECONDS
        ).first
        header = Header(self._heading.action, self._heading.effective_on, self.control_number, datetime.now(UTC))
        writer = InterchangeWriter(self._file.text, self._mapping.parties, header)
        writer.begin()
        return writer
