"""Publishes and amends contracts, or only validates them."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from uuid import UUID

from domain.catalog.contract import Contract, ContractVersion
from domain.days import UNBOUNDED_END, Span
from domain.enrollment.history import RecomputeTrigger
from domain.errors import (
    ContractExists,
    ContractUnknown,
    DomainError,
    EtagMismatch,
    FieldViolation,
    Reason,
    RequestMalformed,
    VersionOverlaps,
)
from domain.premiums.repricing import repriced
from domain.publishing.contracts import contract_violations
from domain.publishing.warnings import PublicationWarning, contract_warnings
from operations.call import MAX_RESOLVED_IDS, Call
from operations.core import Core
from operations.recomputes import cause_of
from storage import premium_stale, recomputes
from storage.contracts import RecordedContract, module_conflicts, record_contract
from storage.postgres.database import Connection
from storage.postgres.locks import Lock, lock
from storage.requests import WriteKey, find_answer, store_answer

MAX_ERRORS = 1000
"""Maximum number of errors that a validation returns."""


@dataclass(frozen=True, slots=True)
class ExpectedContract:
    """The contract that a caller wants to change, and the etag of the state that they have seen; empty for any."""

    contract_id: UUID
    etag: str

    def matching(self, current: RecordedContract | None) -> Contract:
        """Returns the current state if it is the expected one. Raises ContractUnknown, EtagMismatch."""
        if current is None:
            raise ContractUnknown(self.contract_id)
        if self.etag and self.etag != current.etag:
            raise EtagMismatch(current.etag, contract_id=self.contract_id)
        return current.contract


@dataclass(frozen=True, slots=True)
class Publication:
    """A contract that a caller wants to publish, or a change to a published one."""

    contract_id: UUID
    resulting: Callable[[RecordedContract | None], Contract]
    """Returns the contract to store, given its current state. Raises the errors in CONFLICT_FIELDS."""
    path_in_request: Callable[[str, Contract], str]
    """Converts a path in the contract to one in the request."""


@dataclass(frozen=True, slots=True)
class PublishedContract:
    """A contract as recorded by a call, with warnings about it."""

    recorded: RecordedContract
    warnings: Sequence[PublicationWarning]


@dataclass(frozen=True, slots=True)
class PublicationError:
    """A reason why a publication would fail, with the part of the request that it is about."""

    reason: Reason
    field: str
    description: str


@dataclass(frozen=True, slots=True)
class Validation:
    """Everything that publishing would report. Nothing is published if there are errors."""

    errors: Sequence[PublicationError]
    warnings: Sequence[PublicationWarning] = ()


def new_contract(contract: Contract) -> Publication:
    """Returns the publication of a new contract."""

    def new(current: RecordedContract | None) -> Contract:
        if current:
            raise ContractExists(contract.contract_id)
        return contract

    return Publication(contract.contract_id, new, lambda path, _: f"contract.{path}")


def added_version(expected: ExpectedContract, version: ContractVersion) -> Publication:
    """Returns the addition of a version after the last one. If that has no last day, it ends the day before."""

    def longer(current: RecordedContract | None) -> Contract:
        contract = expected.matching(current)
        *earlier, last = contract.versions
        start = version.days.start
        if start <= last.days.start or (last.days.end != UNBOUNDED_END and start < last.days.end):
            raise VersionOverlaps(contract.contract_id, version.days.first_on)
        if last.days.end == UNBOUNDED_END:
            last = replace(last, days=Span(last.days.start, start))
        return replace(contract, versions=(*earlier, last, version))

    return Publication(expected.contract_id, longer, _in_the_added_version)


def _in_the_added_version(path: str, contract: Contract) -> str:
    """Returns a path in the request, which contains only the added version: the last one of the contract."""
    last = f"versions[{len(contract.versions) - 1}]."
    return path.replace(last, "version.", 1) if path.startswith(last) else path


def amendment(expected: ExpectedContract, versions: Sequence[ContractVersion]) -> Publication:
    """Returns the replacement of all versions of a contract."""

    def amended(current: RecordedContract | None) -> Contract:
        return replace(expected.matching(current), versions=tuple(versions))

    return Publication(expected.contract_id, amended, lambda path, _: path)


async def publish(core: Core, call: Call, key: WriteKey, publication: Publication) -> PublishedContract:
    """Records a contract or its change, and enqueues a recompute of every group of the contract.

    Raises RequestMalformed with everything that must not be published, the errors in CONFLICT_FIELDS, ModuleTaken,
    SlotChanged, RequestIdReused.
    """
    contract_id = publication.contract_id

    async def work(tx: Connection) -> RecordedContract:
        if answer := await find_answer(tx, key):
            return await core.contracts.state(tx, contract_id, answer["revision"])
        await lock(tx, Lock.CONTRACT, contract_id)
        current = await _current(core, tx, contract_id)
        contract = publication.resulting(current)
        if violations := list(_violations(publication, contract)):
            raise RequestMalformed(violations)
        await record_contract(tx, contract, current, call.actor)
        if current:
            cause = cause_of(call, RecomputeTrigger.CONTRACT)
            groups = await recomputes.enqueue_for_contract(tx, contract_id, cause, MAX_RESOLVED_IDS)
            call.trail.resolved_groups(groups.first_ids, groups.count)
            repricing = repriced(current.contract, contract)
            await premium_stale.mark_repriced(tx, contract_id, repricing, call.actor.subject)
        revision = current.revision + 1 if current else 1
        await store_answer(tx, key, {"revision": revision})
        return await core.contracts.state(tx, contract_id, revision)

    recorded = await core.write(call, work)
    core.recompute_wanted.set()
    core.premiums_stale.set()
    return PublishedContract(recorded, contract_warnings(recorded.contract))


async def _current(core: Core, connection: Connection, contract_id: UUID) -> RecordedContract | None:
    try:
        return await core.contracts.recorded(connection, contract_id)
    except ContractUnknown:
        return None


def _violations(publication: Publication, contract: Contract) -> Iterator[FieldViolation]:
    for violation in contract_violations(contract):
        yield FieldViolation(publication.path_in_request(violation.field, contract), violation.description)


CONFLICT_FIELDS: dict[type[DomainError], str] = {
    ContractExists: "contract.contract_id",
    ContractUnknown: "contract_id",
    EtagMismatch: "etag",
    VersionOverlaps: "version.days.first_on",
}
"""The field of the request that each conflict with the current state of the contract is about."""


async def validate(core: Core, publication: Publication) -> Validation:
    """Returns the errors and warnings that publishing would report now. Stores nothing."""
    async with core.database.reading() as connection:
        try:
            contract = publication.resulting(await _current(core, connection, publication.contract_id))
        except tuple(CONFLICT_FIELDS) as conflict:
            field = CONFLICT_FIELDS[type(conflict)]
            return Validation([PublicationError(conflict.reason, field, conflict.message)])
        if violations := malformed(_violations(publication, contract)):
            return Validation(violations)
        conflicts = await module_conflicts(connection, contract)
    fields = {
        module.module_id: publication.path_in_request(f"versions[{i}].modules[{j}].module_id", contract)
        for i, version in enumerate(contract.versions)
        for j, module in enumerate(version.modules)
    }
    errors = [PublicationError(each.reason, fields[module_id], each.message) for module_id, each in conflicts.items()]
    return Validation(errors, contract_warnings(contract))


def malformed(violations: Iterator[FieldViolation]) -> list[PublicationError]:
    """Returns violations as errors: at most MAX_ERRORS, and one more if there are others."""
    errors = [
        PublicationError(RequestMalformed.reason, each.field, each.description)
        for each in islice(violations, MAX_ERRORS + 1)
    ]
    if len(errors) > MAX_ERRORS:
        more = f"there are more violations; only the first {MAX_ERRORS} are listed"
        errors[-1] = replace(errors[-1], description=more)
    return errors
