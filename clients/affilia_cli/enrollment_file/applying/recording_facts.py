"""Records the facts and identifiers of a file's people, computed from what the server knows at that moment.

Facts are compared again right before they are recorded, because others can record facts while an import runs. Each
write names the state that it is based on, so that it never overwrites a change that it hasn't seen.
"""

from collections.abc import Iterable
from datetime import date

from affilia.catalog.v1.member_service_pb2 import (
    BatchGetMembersRequest,
    BatchGetMembersResponse,
    MemberWithFacts,
    UpsertMemberRequest,
)
from affilia_cli.enrollment_file.applying.file_requests import FileRequests
from affilia_cli.enrollment_file.applying.retrying import Retrier
from affilia_cli.enrollment_file.book.batched_calls import read_members
from affilia_cli.enrollment_file.mapping import Mapping
from affilia_cli.enrollment_file.people.facts import fact_requests
from affilia_cli.enrollment_file.people.people import Person
from affilia_cli.enrollment_file.planning.plan import PlannedMember
from affilia_client import CallFailed, Client

ATTEMPTS = 3
CHANGED_MEANWHILE = frozenset({"ETAG_MISMATCH", "IDENTIFIER_TAKEN"})
"""Reasons after which the facts are compared again with a new reading."""
ADVICE = {
    "ETAG_MISMATCH": "Others keep changing this member. Import the file again.",
    "IDENTIFIER_TAKEN": "The identifier was given to another member while the import ran. Import the file again, or"
    " merge the two members.",
}


class FactsNotRecorded(Exception):
    """A write failed. The text says why and what to do."""


class FactRecorder:
    """Records facts for one import. Thread-safe."""

    def __init__(self, client: Client, requests: FileRequests, retrier: Retrier, mapping: Mapping, today: date) -> None:
        self._client = client
        self._requests = requests
        self._retrier = retrier
        self._mapping = mapping
        self._today = today

    def read(self, members: Iterable[PlannedMember]) -> dict[str, MemberWithFacts]:
        """Returns those of the members whose facts are to be recorded and whom the server knows. Raises CallFailed."""
        return self._read(dict.fromkeys(each.member_id for each in members if has_facts(each)))

    def record(self, member: PlannedMember, stored: MemberWithFacts | None, employer_id: str) -> None:
        """Records what differs from the stored facts. Raises FactsNotRecorded, CallFailed and Stopped."""
        if member.person is None or not has_facts(member):
            return
        for attempt in range(ATTEMPTS):
            try:
                self._write(member.person, stored, employer_id)
                return
            except CallFailed as failed:
                if failed.reason not in CHANGED_MEANWHILE:
                    raise
                if attempt == ATTEMPTS - 1:
                    raise FactsNotRecorded(f"{failed} {ADVICE[failed.reason]}") from failed
            stored = self._read([member.member_id]).get(member.member_id)

    def _write(self, person: Person, stored: MemberWithFacts | None, employer_id: str) -> None:
        etag = stored.member.etag if stored else ""
        for request in fact_requests(person, stored, self._mapping, employer_id, self._today):
            request.etag = etag
            self._requests.set_id(request)
            if isinstance(request, UpsertMemberRequest):
                etag = self._retrier.call(self._client.members.upsert_member, request).member.etag
            else:
                etag = self._retrier.call(self._client.members.record_facts, request).etag

    def _read(self, member_ids: Iterable[str]) -> dict[str, MemberWithFacts]:
        def call(batch: list[str]) -> BatchGetMembersResponse:
            request = BatchGetMembersRequest(member_ids=batch)
            return self._retrier.call(self._client.members.batch_get_members, request)

        return {each.member.member_id: each for found in read_members(member_ids, call) for each in found.members}


def has_facts(member: PlannedMember) -> bool:
    """Returns whether the plan records facts or identifiers about a member."""
    person = member.person
    return person is not None and bool(member.facts or person.is_new or person.identifiers)
