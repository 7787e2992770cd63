"""A file of another sponsor is rejected, and one of another sender or receiver if the mapping names them."""

from typing import Any

import pytest

from affilia_cli.enrollment_file.findings import FileRejected
from affilia_cli.enrollment_file.mapping import Mapping, mapping_of
from affilia_cli.enrollment_file.parties import check_parties
from affilia_cli.enrollment_file.reading.parsing import parse
from tests.files.test_enrollment_file_mapping import a_mapping
from tests.support.enrollment_file import SPONSOR, a_file, a_member


def mapping_with(**fields: str) -> Mapping:
    content: Any = a_mapping({"line": "HMO"}, **{"sponsor": SPONSOR, **fields})
    return mapping_of(content)


@pytest.mark.parametrize(
    ("fields", "codes"),
    [
        ({}, []),
        ({"sender": "SENDER", "receiver": "RECEIVER"}, []),
        ({"sender": "OTHER"}, ["SENDER_UNKNOWN"]),
        ({"receiver": "RECEIVERS"}, ["RECEIVER_UNKNOWN"]),
        ({"sender": "RECEIVER", "receiver": "SENDER"}, ["SENDER_UNKNOWN", "RECEIVER_UNKNOWN"]),
        ({"sponsor": "987654321"}, ["SPONSOR_OTHER"]),
    ],
)
def test_a_file_must_have_the_sender_receiver_and_sponsor_that_the_mapping_names(
    fields: dict[str, str], codes: list[str]
) -> None:
    file, mapping = parse(a_file(a_member())), mapping_with(**fields)
    found: list[str] = []
    try:
        check_parties(file, mapping)
    except FileRejected as rejected:
        found = [finding.code for finding in rejected.findings if finding.is_error]
    assert found == codes
