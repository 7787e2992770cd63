"""Compares what was acknowledged to clients with what the server has stored."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import grpc

from affilia.enrollment.v1 import (
    change_request_pb2,
    change_request_service_pb2,
    enrollment_group_pb2,
    enrollment_query_service_pb2,
)
from tests.support.channels import connected_to
from tests.support.feeds import BEGINNING, Event, watching
from tests.support.insured import DEDUCTIBLE, Insured
from tests.support.recording_clients import APPLIED_ON, Address, RecordingClient

PAGE_SIZE = 1000


@dataclass(frozen=True, slots=True)
class Comparison:
    """How much was compared, and all differences, in sentences."""

    requests: int
    applications: int
    revisions: int
    faults: list[str]

    def __str__(self) -> str:
        return (
            f"{self.requests} acknowledged requests, {self.applications} applications and {self.revisions} revisions"
            f" compared, {len(self.faults)} faults"
        )


def compared(address: Address, clients: Sequence[RecordingClient]) -> Comparison:
    """Compares the journals of stopped clients with one server.

    Every acknowledged request and application is stored once, every request that changed something made exactly one
    revision, revisions have no gaps and can be read, the feed has each of them once and in order, and the limits used
    are the sum of the ledger.
    """
    faults = [fault for client in clients for fault in client.journal.unexpected]
    revisions: dict[str, int] = {}
    with connected_to(address.public) as public, connected_to(address.internal) as internal:
        for client in clients:
            insured = Insured(public, internal, **client.ids)
            stored = list(_requests(insured, client.group_id))
            faults += _differences("request", client.journal.request_ids, [request.request_id for request in stored])
            faults += _history_faults(insured, client.group_id, stored)
            faults += _ledger_faults(insured, client)
            revisions[client.group_id] = insured.family.group().revision
        faults += _feed_faults(public, revisions)
        differing = Insured(public, internal).rebuild().differing
        faults += [f"{differing} rows of the read model differ from the history"] if differing else []
    return Comparison(
        sum(len(client.journal.request_ids) for client in clients),
        sum(len(client.journal.application_ids) for client in clients),
        sum(revisions.values()),
        faults,
    )


def _requests(insured: Insured, group_id: str) -> Iterator[change_request_pb2.ChangeRequest]:
    request = change_request_service_pb2.ListChangeRequestsRequest(group_id=group_id, page_size=PAGE_SIZE)
    while True:
        page = insured.family.requests.ListChangeRequests(request)
        yield from page.change_requests
        if not page.next_page_token:
            return
        request.page_token = page.next_page_token


def _differences(kind: str, acknowledged: set[str], stored: Sequence[str]) -> list[str]:
    lost, doubled = acknowledged - set(stored), len(stored) - len(set(stored))
    faults = [f"{kind} {one} was acknowledged and is not stored" for one in sorted(lost)]
    return [*faults, f"{doubled} {kind}s are stored twice"] if doubled else faults


def _history_faults(insured: Insured, group_id: str, stored: Sequence[change_request_pb2.ChangeRequest]) -> list[str]:
    """Compares the revisions of a group with its requests, and reads each revision."""
    family, faults = insured.family, []
    request = enrollment_query_service_pb2.ListRevisionsRequest(group_id=group_id, page_size=PAGE_SIZE)
    revisions: list[enrollment_group_pb2.Revision] = []
    while True:
        page = family.queries.ListRevisions(request)
        revisions += page.revisions
        if not page.next_page_token:
            break
        request.page_token = page.next_page_token
    numbers = sorted(revision.revision for revision in revisions)
    if numbers != list(range(1, family.group().revision + 1)):
        faults.append(f"group {group_id} has the revisions {numbers}")
    causes = Counter(revision.cause.change_request_id for revision in revisions)
    for one in stored:
        made = causes[one.change_request_id]
        if made != bool(one.made_revision):
            faults.append(f"request {one.request_id} made {made} revisions, it reports {one.made_revision}")
    for number in numbers:
        if not family.group(revision=number).periods:
            faults.append(f"revision {number} of group {group_id} has no periods")
    return faults


def _ledger_faults(insured: Insured, client: RecordingClient) -> list[str]:
    applied = insured.ledger(group_id=client.group_id)
    faults = _differences("application", client.journal.application_ids, [one.application_id for one in applied])
    used, of_family = insured.used(APPLIED_ON, code=DEDUCTIBLE) if applied else (0, 0)
    if not used == of_family == len(applied):  # each application is of one unit
        faults.append(f"{len(applied)} applications of 1 add up to {used} for the member, {of_family} for the family")
    return faults


def _feed_faults(channel: grpc.Channel, revisions: dict[str, int]) -> list[str]:
    """Reads the feed from its beginning: every revision of every group must come once, in order."""
    seen = dict.fromkeys(revisions, 0)
    faults: list[str] = []
    with watching(channel, BEGINNING, seconds=600) as call:
        for message in call:
            for event in message.events:
                faults += _out_of_order(event, seen)
            if all(seen[group_id] >= revision for group_id, revision in revisions.items()):
                return faults
    return [*faults, "the feed ended before its last revisions"]


def _out_of_order(event: Event, seen: dict[str, int]) -> list[str]:
    if event.group_id not in seen or not event.HasField("policy_revision"):
        return []
    revision, before = event.policy_revision.revision, seen[event.group_id]
    seen[event.group_id] = revision
    return [] if revision == before + 1 else [f"{event.group_id}: revision {revision} came after {before}"]
