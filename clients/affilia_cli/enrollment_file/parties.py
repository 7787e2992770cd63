"""Checks that a file is from the mapping's sender and sponsor, and for its receiver."""

from affilia_cli.enrollment_file.findings import FileRejected, Finding, error
from affilia_cli.enrollment_file.mapping import Mapping
from affilia_cli.enrollment_file.reading.file import EnrollmentFile

SENDER_UNKNOWN, RECEIVER_UNKNOWN = "SENDER_UNKNOWN", "RECEIVER_UNKNOWN"


def check_parties(file: EnrollmentFile, mapping: Mapping) -> None:
    """Raises FileRejected if ISA06, ISA08 or the sponsor's number isn't what the mapping names.

    A mapping that names no sender or receiver accepts any.
    """
    envelope = file.envelope
    found = [
        *_other(SENDER_UNKNOWN, "sender", "ISA06", mapping.sender, envelope.sender),
        *_other(RECEIVER_UNKNOWN, "receiver", "ISA08", mapping.receiver, envelope.receiver),
    ]
    if other := {each.sponsor.number for each in file.transactions} - {mapping.sponsor}:
        message = (
            f"The mapping is for sponsor {mapping.sponsor}, but the file is from {' and '.join(sorted(other))}."
            " Use the mapping of that sponsor."
        )
        found.append(error("SPONSOR_OTHER", message, 0, "1000A", "N104"))
    if found:
        raise FileRejected([*file.findings, *found])


def _other(code: str, party: str, element: str, expected: str, actual: str) -> list[Finding]:
    if not expected or expected == actual:
        return []
    message = f"Must be {expected!r}, the {party} in the mapping, got {actual!r}. Use the mapping of this {party}."
    return [error(code, message, 1, "ISA_LOOP", element)]
