"""What the requests of one import have in common: the requester, the note of every change, and derived request ids.

A request id is derived from the file and from the content of the request. An interrupted import can therefore be
repeated: requests that succeeded aren't carried out again.
"""

import json
from typing import TypeAlias

from google.protobuf import json_format

from affilia.catalog.v1.member_service_pb2 import RecordFactsRequest, UpsertMemberRequest
from affilia.enrollment.v1.change_request_service_pb2 import SubmitChangeRequestRequest
from affilia_cli.enrollment_file.mapping import Mapping
from affilia_cli.enrollment_file.planning.earlier_imports import file_mark
from affilia_cli.enrollment_file.reading.file import EnrollmentFile
from affilia_cli.requesters import Claims, loading_admin

Write: TypeAlias = UpsertMemberRequest | RecordFactsRequest | SubmitChangeRequestRequest


class FileRequests:
    """The requests of one file's import. `note` is the note of every change."""

    def __init__(self, file: EnrollmentFile, mapping: Mapping, claims: Claims) -> None:
        envelope = file.envelope
        self._mapping = mapping
        self._source = (envelope.interchange_number, envelope.group_number, file.digest)
        self.note = file_mark(file)
        self.requester = loading_admin(
            claims,
            f"834 {envelope.sender}"[:100],
            f"834 file {envelope.interchange_number} of {envelope.sender}"[:500],
        )

    def set_id(self, request: Write) -> None:
        """Sets the request id to the UUIDv5 of the file's control numbers and digest and of the other fields."""
        request.request_id = ""
        # As JSON, a request is the same in every release of protobuf.
        content = json.dumps(json_format.MessageToDict(request), sort_keys=True)
        request.request_id = self._mapping.request_id(*self._source, request.DESCRIPTOR.full_name, content)
