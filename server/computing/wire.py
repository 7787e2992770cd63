"""Serializes jobs and their results between the server and its compute workers.

Pickle is safe here, because both ends are the same program on the same machine, and no one else can write to the pipes
between them. Contracts are large and used by many jobs, so a worker caches them, and jobs refer to them by number.
Contracts are sent without the values derived from them.
"""

import pickle
import struct
from collections import OrderedDict
from collections.abc import Callable
from copyreg import dispatch_table
from dataclasses import dataclass, fields
from io import BytesIO
from itertools import count
from typing import Any
from uuid import UUID

from domain.catalog.contract import Contract, ContractVersion
from domain.days import Span
from domain.enrollment.decisions import Enroll, Leave
from domain.membership import MembershipType

LENGTH = struct.Struct(">Q")
"""Every message is preceded by its length."""

MAX_CONTRACTS = 64
"""Maximum number of contracts in a worker's cache."""

Job = tuple[Callable[..., Any], tuple[Any, ...]]

_CONTRACT_FIELDS = tuple(field.name for field in fields(Contract) if field.init)
_VERSION_FIELDS = tuple(field.name for field in fields(ContractVersion) if field.init)


class JobPacker:
    """Packs the jobs of one worker, and tracks which contracts that worker has cached."""

    _numbers = count(1)

    def __init__(self) -> None:
        # Contracts are compared by identity, because comparing their contents costs more than sending them. The
        # reference keeps the identity valid.
        self._sent: OrderedDict[int, tuple[Contract, int]] = OrderedDict()

    def pack(self, job: Job) -> bytes:
        """Returns a job as bytes, with the contracts that the worker lacks, and the numbers of those it can drop."""
        new: dict[int, bytes] = {}

        def reduce_contract(contract: Contract) -> tuple[Any, ...]:
            sent = self._sent.get(id(contract))
            if sent is None:
                sent = self._sent[id(contract)] = (contract, next(self._numbers))
                new[sent[1]] = _pickled(contract, _REDUCED | {Contract: _reduce_whole_contract})
            self._sent.move_to_end(id(contract))
            return _cached_contract, (sent[1],)

        packed = _pickled(job, _REDUCED | {Contract: reduce_contract})
        forget = []
        while len(self._sent) > MAX_CONTRACTS:
            _, (_, number) = self._sent.popitem(last=False)
            forget.append(number)
        return pickle.dumps((new, forget, packed), pickle.HIGHEST_PROTOCOL)


def unpack_job(message: bytes) -> Job:
    """Returns the job in a message. Used by the worker."""
    new, forget, packed = pickle.loads(message)  # noqa: S301 (from our own server, see above)
    for number, contract in new.items():
        _contracts[number] = pickle.loads(contract)  # noqa: S301 (from our own server)
    job: Job = pickle.loads(packed)  # noqa: S301 (from our own server)
    for number in forget:
        del _contracts[number]
    return job


@dataclass(frozen=True, slots=True)
class Failure:
    """An unexpected exception of a job: its type, and where it was raised."""

    error: str
    where: list[str]


def pack_result(result: object) -> bytes:
    """Returns the result of a job, the DomainError that it raised, or its Failure as bytes."""
    return _pickled(result, _REDUCED)


def unpack_result(message: bytes) -> Any:
    """Returns the result in a message. Used by the server."""
    return pickle.loads(message)  # noqa: S301 (from our own worker)


_contracts: dict[int, Contract] = {}
"""The contracts that this worker has cached, by number."""


def _cached_contract(number: int) -> Contract:
    return _contracts[number]


def _pickled(value: object, reductions: dict[Any, Any]) -> bytes:
    file = BytesIO()
    pickler = pickle.Pickler(file, pickle.HIGHEST_PROTOCOL)
    pickler.dispatch_table = dispatch_table | reductions
    pickler.dump(value)
    return file.getvalue()


def _reduce_whole_contract(contract: Contract) -> tuple[Any, ...]:
    return Contract, tuple(getattr(contract, name) for name in _CONTRACT_FIELDS)


def _reduce_version(version: ContractVersion) -> tuple[Any, ...]:
    return ContractVersion, tuple(getattr(version, name) for name in _VERSION_FIELDS)


def _reduce_uuid(value: UUID) -> tuple[Any, ...]:
    return _uuid, (value.int,)


def _uuid(value: int) -> UUID:
    return UUID(int=value)


def _reduce_enroll(enroll: Enroll) -> tuple[Any, ...]:
    kind = enroll.membership_type.value
    return _enroll, (enroll.member_id.int, kind, enroll.module_id.int, enroll.days.start, enroll.days.end)


def _enroll(member: int, kind: str, module: int, start: int, end: int) -> Enroll:
    return Enroll(UUID(int=member), MembershipType(kind), UUID(int=module), Span(start, end))


def _reduce_leave(leave: Leave) -> tuple[Any, ...]:
    module = leave.module_id.int if leave.module_id else None
    return _leave, (leave.member_id.int, module, leave.days.start, leave.days.end)


def _leave(member: int, module: int | None, start: int, end: int) -> Leave:
    return Leave(UUID(int=member), None if module is None else UUID(int=module), Span(start, end))


_REDUCED: dict[Any, Any] = {
    ContractVersion: _reduce_version,
    Enroll: _reduce_enroll,
    Leave: _reduce_leave,
    UUID: _reduce_uuid,
}
"""Fast reductions of types of which a group can have thousands, because packing a job blocks the event loop."""
