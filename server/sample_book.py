"""Loads a folder of samples into a running server, as any client would: through the public calls only.

Every request id is derived from what its request says. So loading the same files again repeats what was said
and changes nothing, an interrupted load goes on where it stopped, and an edited row is a new request. Undoing
an edit is the old request again, so it changes nothing either: that takes a call of one's own.
The files are read by `sample_files.py`; whether what they ask for is right, the server alone judges.
"""

import asyncio
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
from google.protobuf import json_format
from google.protobuf.message import Message
from rich.console import Console
from rich.progress import Progress

from affilia.catalog.v1 import catalog_service_pb2 as catalog_service
from affilia.catalog.v1 import member_service_pb2 as member_service
from affilia.catalog.v1.catalog_service_pb2_grpc import CatalogServiceStub
from affilia.catalog.v1.member_service_pb2_grpc import MemberServiceStub
from affilia.enrollment.v1 import change_request_pb2
from affilia.enrollment.v1 import change_request_service_pb2 as change_request_service
from affilia.enrollment.v1 import enrollment_query_service_pb2 as query_service
from affilia.enrollment.v1.change_request_service_pb2_grpc import ChangeRequestServiceStub
from affilia.enrollment.v1.enrollment_query_service_pb2_grpc import EnrollmentQueryServiceStub
from affilia_client.errors import call_failed
from domain.identity import derived_id
from server.sample_files import SampleContract, SampleFamily, SampleMember, read_samples

CALL_SECONDS = 30
TROUBLES_SHOWN = 10
RETRIES = {  # Each of these says "repeat with the same request_id" (`error_reason.proto`).
    "maxAttempts": 5,
    "initialBackoff": "0.2s",
    "maxBackoff": "2s",
    "backoffMultiplier": 2,
    "retryableStatusCodes": ["UNAVAILABLE", "RESOURCE_EXHAUSTED", "ABORTED"],
}


class _Bearing(grpc.aio.UnaryUnaryClientInterceptor):
    """Sends a token with every call, also where there is no TLS: on the loopback interface."""

    def __init__(self, token: str) -> None:
        self._token = token

    async def intercept_unary_unary(self, continuation: Any, client_call_details: Any, request: Any) -> Any:
        metadata = grpc.aio.Metadata(*(client_call_details.metadata or ()))
        metadata.add("authorization", f"Bearer {self._token}")
        return await continuation(client_call_details._replace(metadata=metadata), request)


def _channel(address: str, token: str, ca: str) -> grpc.aio.Channel:
    retries = json.dumps({"methodConfig": [{"name": [{}], "retryPolicy": RETRIES}]})
    options = [("grpc.service_config", retries)]
    interceptors = [_Bearing(token)] if token else []
    if not ca:
        return grpc.aio.insecure_channel(address, options=options, interceptors=interceptors)
    credentials = grpc.ssl_channel_credentials(Path(ca).read_bytes())
    return grpc.aio.secure_channel(address, credentials, options=options, interceptors=interceptors)


@dataclass(slots=True)
class Summary:
    """What became of a load. `troubles` names what was rejected or failed, and why; empty: all is well."""

    contracts: int = 0
    families: int = 0
    members: int = 0
    approved: int = 0
    rejected: int = 0
    failed: int = 0
    troubles: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        if not self.families and not self.troubles:
            return f"sample book: everything of its {self.contracts} contracts was there already"
        lines = [
            f"sample book: {self.contracts} contracts, {self.families} families, {self.members} members; "
            f"{self.approved} families approved, {self.rejected} rejected, {self.failed} failed",
            *(f"  {trouble}" for trouble in self.troubles[:TROUBLES_SHOWN]),
        ]
        if (more := len(self.troubles) - TROUBLES_SHOWN) > 0:
            lines.append(f"  and {more} more")
        return "\n".join(lines)


async def load_sample_book(
    address: str,
    folder: Path,
    *,
    families_at_once: int = 16,
    show_progress: bool = True,
    only_missing: bool = False,
    token: str = "",
    ca: str = "",
) -> Summary:
    """Loads every sample in a folder into the server at 'host:port', and tells what became of it.

    `only_missing` passes over families that the server has enrolled before, whatever their rows say now.

    A contract that cannot be published takes its families with it; any other family that is rejected or fails
    is named in the summary and stops nobody else. SampleFilesMalformed: nothing was sent.
    """
    samples = read_samples(folder)
    summary = Summary()
    async with _channel(address, token, ca) as channel:
        loader = _Loader(channel, summary)
        for sample in samples:
            await loader.publish(sample)
        wanted = [family for sample in loader.published for family in sample.families]
        if only_missing:
            known = {key for sample in loader.published for key in await loader.enrolled(sample)}
            wanted = [family for family in wanted if family.key.primary_id not in known]
        families = iter(wanted)
        with _progress(len(wanted), show_progress) as advance:

            async def work() -> None:
                for family in families:  # Shared: each worker takes the next family that nobody has taken.
                    await loader.load(family)
                    advance()

            async with asyncio.TaskGroup() as workers:
                for _ in range(families_at_once):
                    workers.create_task(work())
    return summary


class _Loader:
    """Sends samples, and counts in the summary what became of them."""

    def __init__(self, channel: grpc.aio.Channel, summary: Summary) -> None:
        self._catalog = CatalogServiceStub(channel)
        self._members = MemberServiceStub(channel)
        self._change_requests = ChangeRequestServiceStub(channel)
        self._queries = EnrollmentQueryServiceStub(channel)
        self._summary = summary
        self.published: list[SampleContract] = []

    async def publish(self, sample: SampleContract) -> None:
        request = catalog_service.PublishContractRequest(contract=sample.contract)
        request.request_id = _request_id(request)
        try:
            await self._catalog.PublishContract(request, timeout=CALL_SECONDS)
        except grpc.aio.AioRpcError as error:
            self._summary.failed += len(sample.families)
            self._summary.troubles.append(f"{sample.folder.name} with all its families: {call_failed(error)}")
        else:
            self._summary.contracts += 1
            self.published.append(sample)

    async def enrolled(self, sample: SampleContract) -> set[str]:
        """The primaries of the contract's groups that have a revision."""
        primaries: set[str] = set()
        request = query_service.ListEnrollmentGroupsRequest(
            contract_id=sample.contract.contract_id, revision=1, page_size=1000
        )
        while True:
            page = await self._queries.ListEnrollmentGroups(request, timeout=CALL_SECONDS)
            primaries |= {group.key.primary_id for group in page.groups}
            if not page.next_page_token:
                return primaries
            request.page_token = page.next_page_token

    async def load(self, family: SampleFamily) -> None:
        """Facts before the change request: it is judged by them, and nothing is recomputed."""
        try:
            for member in family.members:
                await self._store(member)
            change_request = await self._submit(family)
        except grpc.aio.AioRpcError as error:
            self._summary.failed += 1
            self._summary.troubles.append(f"{family.name} failed: {call_failed(error)}")
            return
        self._summary.families += 1
        self._summary.members += len(family.members)
        if change_request.verdict == change_request_pb2.VERDICT_APPROVED:
            self._summary.approved += 1
        else:
            self._summary.rejected += 1
            reasons = "; ".join(_describe_violation(family, violation) for violation in change_request.violations)
            self._summary.troubles.append(f"{family.name} rejected: {reasons}")

    async def _store(self, member: SampleMember) -> None:
        upsert = member_service.UpsertMemberRequest(member=member.member)
        upsert.request_id = _request_id(upsert)
        await self._members.UpsertMember(upsert, timeout=CALL_SECONDS)
        for fact in member.facts:
            fact.request_id = _request_id(fact)
            await self._members.RecordFacts(fact, timeout=CALL_SECONDS)

    async def _submit(self, family: SampleFamily) -> change_request_pb2.ChangeRequest:
        request = change_request_service.SubmitChangeRequestRequest(
            requester=change_request_pb2.Requester(
                role=change_request_pb2.REQUESTER_ROLE_ADMIN, requester_id="sample-book", reason="sample book"
            ),
            group=family.key,
            changes=[enroll for member in family.members for enroll in member.enrolls],
        )
        request.request_id = _request_id(request)
        response = await self._change_requests.SubmitChangeRequest(request, timeout=CALL_SECONDS)
        return response.change_request


def _request_id(request: Message) -> str:
    """The UUIDv5 of what a request says beside its id; as JSON, whose form no protobuf release changes."""
    content = json_format.MessageToDict(request)
    content.pop("requestId", None)
    return str(derived_id("sample book", request.DESCRIPTOR.full_name, json.dumps(content, sort_keys=True)))


def _describe_violation(family: SampleFamily, violation: change_request_pb2.Violation) -> str:
    code = change_request_pb2.ViolationCode.Name(violation.code).removeprefix("VIOLATION_CODE_")
    names = {member.member.member_id: member.member.display_name for member in family.members}
    parts = (code, violation.rule_code, names.get(violation.member_id, ""))
    return f"{' '.join(filter(None, parts))}: {violation.message}"


@contextmanager
def _progress(total: int, show: bool) -> Iterator[Callable[[], None]]:
    """Yields what to call after each family: it moves a bar on a terminal, elsewhere it prints ten lines."""
    console = Console(stderr=True)
    if show and console.is_terminal:
        with Progress(console=console) as bar:
            task = bar.add_task("sample book", total=total)
            yield lambda: bar.advance(task)
        return
    done = 0

    def advance() -> None:
        nonlocal done
        done += 1
        if show and (done * 10 // total > (done - 1) * 10 // total):
            print(f"sample book: {done} of {total} families", file=sys.stderr, flush=True)

    yield advance
