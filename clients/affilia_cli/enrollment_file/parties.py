"""Checks that a file's interchange is from the mapping's sender and for its receiver."""

from affilia_cli.enrollment_file.findings import FileRejected, Finding, error
from affilia_cli.enrollment_file.mapping import Mapping
from affilia_cli.enrollment_file.reading.file import EnrollmentFile

SENDER_UNKNOWN, RECEIVER_UNKNOWN = "SENDER_UNKNOWN", "RECEIVER_UNKNOWN"


def check_parties(file: EnrollmentFile, mapping: Mapping) -> None:
    """Raises FileRejected if ISA06 or ISA08 isn't what the mapping names. A mapping that names none accepts any."""
    envelope = file.envelope
    found = [
        *_other(SENDER_UNKNOWN, "sender", "ISA06", mapping.sender, envelope.sender),
        *_other(RECEIVER_UNKNOWN, "receiver", "ISA08", mapping.receiver, envelope.receiver),
    ]
    if found:
        raise FileRejected([*file.findings, *found], file)


def _other(code: str, party: str, element: str, expected: str, actual: str) -> list[Finding]:
    if not expected or expected == actual:
        return []
    message = f"The mapping's {party} is {expected!r}, but the file has {actual!r}."
    return [error(code, message, 1, "ISA_LOOP", element)]
