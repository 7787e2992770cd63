"""Loads a folder of samples into a running server through its public calls.

Every request id is derived from the content of its request. Loading the same files again therefore changes nothing, an
interrupted load can be resumed by repeating it, and an edited row becomes a new request. Undoing an edit repeats the
original request, which changes nothing either; use another command to revert a change. The requester is part of the
content, so if an admin loads files that someone else has loaded, all families are requested again.

`reading.py` reads the files. Only the server decides whether the changes are allowed.
"""

import asyncio
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from google.protobuf import json_format
from google.protobuf.message import Message
from rich.console import Console
from rich.progress import Progress

from affilia.catalog.v1 import catalog_service_pb2 as catalog_service
from affilia.catalog.v1 import member_service_pb2 as member_service
from affilia.enrollment.v1 import change_request_pb2
from affilia.enrollment.v1 import change_request_service_pb2 as change_request_service
from affilia_cli.requesters import NOBODY, Claims, loading_admin
from affilia_cli.samples.ids import derived_id
from affilia_cli.samples.location import sample_book_folder
from affilia_cli.samples.reading import SampleContract, SampleFamily, SampleMember, read_samples
from affilia_client import AsyncClient, CallFailed, NotAllowed, NotFound
from affilia_views.words import warning_words

CALL_SECONDS = 30


@dataclass(frozen=True, slots=True)
class Purpose:
    """What a folder is loaded for: a title for messages, and the requester of its change requests."""

    title: str
    requester: change_request_pb2.Requester


def purpose_of(folder: Path, reason: str = "", claims: Claims = NOBODY) -> Purpose:
    """Returns the purpose of a folder. Folders of the sample book have their own, unless a reason is given.

    `claims` are the claims of the client's token.
    """
    if not reason and folder.resolve().is_relative_to(sample_book_folder().resolve()):
        return Purpose("sample book", loading_admin(claims, "sample-book", "sample book"))
    return Purpose("folder", loading_admin(claims, "bulk-load", reason or "bulk load"))


@dataclass(slots=True)
class Summary:
    """The result of a load. `problems` lists everything that was rejected or failed, with the reason."""

    title: str
    contracts: int = 0
    families: int = 0
    members: int = 0
    approved: int = 0
    rejected: int = 0
    failed: int = 0
    problems: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    """What is allowed in the published contracts but probably not intended."""

    def in_words(self, max_problems: int | None = None) -> str:
        """Returns a line with the numbers, and a line for each problem and warning, up to `max_problems` of each."""
        if not self.families and not self.problems:
            first = f"{self.title}: nothing to load, the families of its {self.contracts} contracts are enrolled"
        else:
            first = (
                f"{self.title}: {self.contracts} contracts, {self.families} families, {self.members} members; "
                f"{self.approved} families approved, {self.rejected} rejected, {self.failed} failed"
            )
        warnings = [f"warning: {each}" for each in self.warnings]
        return "\n".join([first, *_first(self.problems, max_problems), *_first(warnings, max_problems)])


def _first(texts: Sequence[str], max_texts: int | None) -> list[str]:
    """Returns a line for each text, up to a maximum, and how many more there are."""
    lines = [f"  {text}" for text in texts[:max_texts]]
    if (more := len(texts) - len(lines)) > 0:
        lines.append(f"  and {more} more; redirect the output, or add --json, to see all of them")
    return lines


async def load_folder(
    client: AsyncClient,
    folder: Path,
    purpose: Purpose,
    *,
    max_concurrent_families: int = 16,
    show_progress: bool = True,
    only_missing: bool = False,
    max_families: int | None = None,
) -> Summary:
    """Loads all contracts and families of a folder and returns a summary.

    With `max_families`, only the first families of each contract are loaded. With `only_missing`, families that are
    already enrolled are skipped, even if their rows have changed.

    If a contract can't be published, its families are skipped. Any other family that is rejected or fails is listed in
    the summary and doesn't affect the others. Raises SampleFilesMalformed before anything is sent.
    """
    samples = read_samples(folder)
    summary = Summary(purpose.title)
    loader = _Loader(client, purpose, summary)
    for sample in samples:
        await loader.publish(sample)
    selected = [family for sample in loader.published for family in sample.families[:max_families]]
    if only_missing:
        known = {key for sample in loader.published for key in await loader.enrolled(sample)}
        selected = [family for family in selected if family.key.primary_id not in known]
    families = iter(selected)
    with _progress(purpose.title, len(selected), show_progress) as advance:

        async def work() -> None:
            for family in families:  # All workers share this iterator.
                await loader.load(family)
                advance()

        async with asyncio.TaskGroup() as workers:
            for _ in range(max_concurrent_families):
                workers.create_task(work())
    return summary


class _Loader:
    """Sends samples and counts the results in the summary."""

    def __init__(self, client: AsyncClient, purpose: Purpose, summary: Summary) -> None:
        self._client = client
        self._purpose = purpose
        self._summary = summary
        self.published: list[SampleContract] = []

    async def publish(self, sample: SampleContract) -> None:
        """Publishes a contract. A caller without permission can still load families if an admin has published it."""
        request = catalog_service.PublishContractRequest(contract=sample.contract)
        request.request_id = _request_id(request)
        try:
            try:
                published = await self._client.catalog.publish_contract(request, timeout=CALL_SECONDS)
                self._summary.warnings += [
                    f"{sample.folder.name}, {warning_words(each)}" for each in published.warnings
                ]
            except NotAllowed as refused:
                if not await self._is_published(sample):
                    raise refused from None
        except CallFailed as error:
            self._summary.failed += len(sample.families)
            self._summary.problems.append(f"{sample.folder.name} and all its families failed: {error}")
        else:
            self._summary.contracts += 1
            self.published.append(sample)

    async def _is_published(self, sample: SampleContract) -> bool:
        try:
            await self._client.catalog.get_contract(contract_id=sample.contract.contract_id, timeout=CALL_SECONDS)
        except NotFound:
            return False
        return True

    async def enrolled(self, sample: SampleContract) -> set[str]:
        """Returns the primaries of the contract's groups that have at least one revision."""
        groups = self._client.enrollment.all_enrollment_groups(
            contract_id=sample.contract.contract_id, revision=1, page_size=1000, timeout=CALL_SECONDS
        )
        return {group.key.primary_id async for group in groups}

    async def load(self, family: SampleFamily) -> None:
        """Sends the facts before the change request, which depends on them. This order causes no recomputes."""
        try:
            for member in family.members:
                await self._store(member)
            change_request = await self._submit(family)
        except CallFailed as error:
            self._summary.failed += 1
            self._summary.problems.append(f"{family.name} failed: {error}")
            return
        self._summary.families += 1
        self._summary.members += len(family.members)
        if change_request.verdict == change_request_pb2.VERDICT_APPROVED:
            self._summary.approved += 1
        else:
            self._summary.rejected += 1
            reasons = "; ".join(_describe_violation(family, violation) for violation in change_request.violations)
            self._summary.problems.append(f"{family.name} rejected: {reasons}")

    async def _store(self, member: SampleMember) -> None:
        upsert = member_service.UpsertMemberRequest(member=member.member)
        upsert.request_id = _request_id(upsert)
        await self._client.members.upsert_member(upsert, timeout=CALL_SECONDS)
        for fact in member.facts:
            fact.request_id = _request_id(fact)
            await self._client.members.record_facts(fact, timeout=CALL_SECONDS)

    async def _submit(self, family: SampleFamily) -> change_request_pb2.ChangeRequest:
        request = change_request_service.SubmitChangeRequestRequest(
            requester=self._purpose.requester,
            group=family.key,
            changes=[enroll for member in family.members for enroll in member.enrolls],
        )
        request.request_id = _request_id(request)
        response = await self._client.changes.submit_change_request(request, timeout=CALL_SECONDS)
        return response.change_request


def _request_id(request: Message) -> str:
    """Returns the UUIDv5 of a request's content without its id. JSON is stable across protobuf releases."""
    content = json_format.MessageToDict(request)
    content.pop("requestId", None)
    return derived_id("sample book", request.DESCRIPTOR.full_name, json.dumps(content, sort_keys=True))


def _describe_violation(family: SampleFamily, violation: change_request_pb2.Violation) -> str:
    code = change_request_pb2.ViolationCode.Name(violation.code).removeprefix("VIOLATION_CODE_")
    names = {member.member.member_id: member.member.display_name for member in family.members}
    parts = (code, violation.rule_code, names.get(violation.member_id, ""))
    return f"{' '.join(filter(None, parts))}: {violation.message}"


@contextmanager
def _progress(title: str, total: int, show: bool) -> Iterator[Callable[[], None]]:
    """Yields a function to call after each family. It advances a bar on a terminal, and otherwise prints ten lines."""
    console = Console(stderr=True)
    if show and console.is_terminal:
        with Progress(console=console) as bar:
            task = bar.add_task(title, total=total)
            yield lambda: bar.advance(task)
        return
    done = 0

    def advance() -> None:
        nonlocal done
        done += 1
        if show and (done * 10 // total > (done - 1) * 10 // total):
            print(f"{title}: {done} of {total} families", file=sys.stderr, flush=True)

    yield advance
