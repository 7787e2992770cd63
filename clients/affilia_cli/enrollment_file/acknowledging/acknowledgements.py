"""Writes the acknowledgements of a received file into a folder."""

from collections.abc import Callable
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

from affilia_cli.enrollment_file.acknowledging.judging import group_answers, refusal_of
from affilia_cli.enrollment_file.acknowledging.received_envelope import ReceivedEnvelope
from affilia_cli.enrollment_file.acknowledging.writing import functional_of, nine_digits, ta1_of
from affilia_cli.enrollment_file.findings import FileRejected
from affilia_cli.enrollment_file.reading.file import EnrollmentFile
from affilia_cli.local_files import replace_private
from affilia_client import Client

Reserve = Callable[[int], int]
"""Reserves consecutive control numbers, given their count, and returns the first."""


def write_acknowledgements(
    folder: Path, envelope: ReceivedEnvelope, outcome: EnrollmentFile | FileRejected, reserve: Reserve
) -> list[Path]:
    """Writes the acknowledgements of a file into a folder, and returns their paths.

    They are `<ISA13>.ta1`, if the sender asks for it (ISA14) or the interchange is refused, and `<ISA13>.999`, unless
    it is refused. Only their owner can read them. Existing files are replaced. Acknowledgements are not acknowledged.
    Raises OSError and CallFailed.
    """
    if envelope.is_acknowledgement:
        return []
    refusal = refusal_of(envelope, outcome)
    writes_ta1 = bool(refusal) or envelope.wants_acknowledgement
    numbers = count(reserve(writes_ta1 + (not refusal)))
    # ISA13 was written by the sender, so the name consists of its digits only.
    name, now = nine_digits(envelope.number), datetime.now(UTC)
    written = []
    if writes_ta1:
        written.append(folder / f"{name}.ta1")
        replace_private(written[-1], ta1_of(envelope, refusal, next(numbers), now))
    if not refusal:
        written.append(folder / f"{name}.999")
        answers = group_answers(envelope, outcome)
        replace_private(written[-1], functional_of(envelope, answers, next(numbers), now))
    return written


def control_numbers_of(client: Client) -> Reserve:
    """Returns a function that reserves control numbers of the server's deployment."""

    def reserve(how_many: int) -> int:
        return client.interchange.reserve_control_numbers(count=how_many).first

    return reserve
