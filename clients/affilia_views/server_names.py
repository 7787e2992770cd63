"""Reads the names to show for ids, and change requests to describe, from the server."""

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TypeVar

from affilia.catalog.v1.catalog_service_pb2 import ModuleOfContract
from affilia.catalog.v1.contract_pb2 import Contract
from affilia.enrollment.v1.change_request_pb2 import ChangeRequest
from affilia_client import CallFailed, Client, Invalid, NotAllowed, NotFound, NotSupported
from affilia_views.names import Names

Value = TypeVar("Value")

MAX_BATCH = 1000
MAX_NAMES, MAX_CONTRACTS, MAX_REQUESTS = 10_000, 100, 1000
UNREADABLE = (NotFound, NotAllowed, Invalid)
"""Errors that a retry would return again. After other errors, such as a lost connection, names are read again."""


class Cache(OrderedDict[str, Value]):
    """A cache that drops its oldest entry when it is full, so that a command can run for months."""

    def __init__(self, max_entries: int) -> None:
        super().__init__()
        self._max_entries = max_entries

    def __setitem__(self, key: str, value: Value) -> None:
        super().__setitem__(key, value)
        if len(self) > self._max_entries:
            self.popitem(last=False)


@dataclass(slots=True)
class ServerNames(Names):
    """Names of members, modules, contracts and rules, read from the server in batches and cached.

    If there is no name, or the caller isn't allowed to read it, the id is shown. With `ids`, ids are always shown.
    """

    client: Client
    ids: bool = False
    _reads_batches: bool = True
    _contracts: Cache[Contract] = field(default_factory=lambda: Cache(MAX_CONTRACTS))
    _members: Cache[str] = field(default_factory=lambda: Cache(MAX_NAMES))
    _modules: Cache[ModuleOfContract] = field(default_factory=lambda: Cache(MAX_NAMES))
    _requests: Cache[ChangeRequest] = field(default_factory=lambda: Cache(MAX_REQUESTS))

    def member(self, member_id: str) -> str:
        if self.ids:
            return member_id
        if member_id not in self._members:
            self.load_members([member_id])
        return self._members.get(member_id) or member_id

    def load_members(self, member_ids: Iterable[str]) -> None:
        """Reads the names of several members, up to a thousand with each call."""
        missing = [] if self.ids else sorted(set(member_ids) - self._members.keys() - {""})
        for batch in (missing[start : start + MAX_BATCH] for start in range(0, len(missing), MAX_BATCH)):
            for member_id, name in self._read_members(batch).items():
                self._members[member_id] = name

    def forget_member(self, member_id: str) -> None:
        """Forgets the name of a member, which changed. It is read again when needed."""
        self._members.pop(member_id, None)

    def _read_members(self, member_ids: list[str]) -> dict[str, str]:
        """Returns the names of members, empty for those without one.

        Members whose names temporarily can't be read are omitted, so that they are looked up again.
        """
        if not self._reads_batches:
            return {member_id: name for member_id in member_ids if (name := self._read_member(member_id)) is not None}
        try:
            answer = self.client.members.batch_get_members(member_ids=member_ids)
        except (NotSupported, NotAllowed):  # an older server, or a caller who may only read single members
            self._reads_batches = False
            return self._read_members(member_ids)
        except CallFailed:
            return {}
        found = dict.fromkeys(member_ids, "")
        found |= {each.member.member_id: each.member.display_name for each in answer.members}
        if answer.omitted_member_ids:
            found |= self._read_members(list(answer.omitted_member_ids))
        return found

    def _read_member(self, member_id: str) -> str | None:
        try:
            return self.client.members.get_member(member_id=member_id).member.display_name
        except UNREADABLE:
            return ""
        except CallFailed:
            return None

    def module(self, module_id: str) -> str:
        if self.ids:
            return module_id
        self.load_modules([module_id])
        return self._modules[module_id].module.display_name or module_id if module_id in self._modules else module_id

    def slots(self, module_ids: Iterable[str]) -> dict[str, str]:
        """Returns the slots of the modules that have one."""
        wanted = list(module_ids)
        self._read_modules(wanted)
        return {each: self._modules[each].slot for each in wanted if each in self._modules and self._modules[each].slot}

    def load_modules(self, module_ids: Iterable[str]) -> None:
        """Reads the names of several modules with one call."""
        if not self.ids:
            self._read_modules(module_ids)

    def _read_modules(self, module_ids: Iterable[str]) -> None:
        missing = sorted(set(module_ids) - self._modules.keys() - {""})
        for batch in (missing[start : start + MAX_BATCH] for start in range(0, len(missing), MAX_BATCH)):
            try:
                answer = self.client.catalog.get_modules(module_ids=batch)
            except CallFailed:
                return
            for module_id in batch:
                self._modules[module_id] = ModuleOfContract(module_id=module_id)
            for each in answer.modules:
                self._modules[each.module_id] = each

    def request(self, change_request_id: str) -> ChangeRequest | None:
        """Returns a change request, or None if it can't be read."""
        if change_request_id not in self._requests:
            try:
                found = self.client.changes.get_change_request(change_request_id=change_request_id).change_request
            except CallFailed:
                return None
            self._requests[change_request_id] = found
        return self._requests[change_request_id]

    def contract(self, contract_id: str) -> Contract:
        """Returns a contract, or an empty one if it can't be read."""
        if contract_id not in self._contracts:
            try:
                found = self.client.catalog.get_contract(contract_id=contract_id).contract
            except UNREADABLE:
                found = Contract()
            except CallFailed:
                return Contract()
            self._contracts[contract_id] = found
        return self._contracts[contract_id]

    def forget_contract(self, contract_id: str) -> None:
        """Forgets a contract that has changed, and the names of all modules. They are read again when needed."""
        self._contracts.pop(contract_id, None)
        self._modules.clear()

    def contract_name(self, contract_id: str) -> str:
        return contract_id if self.ids else Names.contract_name(self, contract_id)
