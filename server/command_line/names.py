"""Ids, and what people call them. A name that the caller may not read is told as the beginning of its id."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import typer

from affilia.catalog.v1.contract_pb2 import Contract
from affilia.enrollment.v1.enrollment_group_pb2 import GroupKey
from affilia.pricing.v1.insurance_cost_pb2 import Policy
from affilia_client import CallFailed, Client


def group_named(text: str) -> dict[str, str | GroupKey]:
    """A group as a request names it: `GROUP_ID`, or `CONTRACT_ID/PRIMARY_ID`."""
    parts = text.split("/")
    try:
        ids = [str(UUID(part)) for part in parts]
    except ValueError as wrong:
        raise typer.BadParameter(f"{text} is neither a group id nor contract-id/primary-id") from wrong
    if len(ids) == 1:
        return {"group_id": ids[0]}
    if len(ids) == 2:
        return {"key": GroupKey(contract_id=ids[0], primary_id=ids[1])}
    raise typer.BadParameter(f"{text} is neither a group id nor contract-id/primary-id")


def policy_named(text: str) -> Policy:
    """A group as requests about money name it."""
    named: dict[str, Any] = dict(group_named(text))
    return Policy(**named)


def key_named(client: Client, text: str) -> GroupKey:
    """A group by contract and primary, as requests for changes name it; one that is named by its id is looked up."""
    named = group_named(text)
    key = named.get("key")
    if isinstance(key, GroupKey):
        return key
    return client.enrollment.get_enrollment_group(group_id=str(named["group_id"])).group.key


def short(identity: str) -> str:
    """As much of an id as tells it from its neighbours."""
    return identity[:8]


@dataclass(slots=True)
class Names:
    """What members, modules and rules are called, asked for once."""

    client: Client
    _contracts: dict[str, Contract] = field(default_factory=dict)
    _members: dict[str, str] = field(default_factory=dict)
    _modules: dict[str, str] = field(default_factory=dict)

    def member(self, member_id: str) -> str:
        if member_id not in self._members:
            try:
                name = self.client.members.get_member(member_id=member_id).member.display_name
            except CallFailed:
                name = ""
            self._members[member_id] = name or short(member_id)
        return self._members[member_id]

    def module(self, module_id: str) -> str:
        if module_id not in self._modules:
            self.learn_modules([module_id])
        return self._modules[module_id]

    def learn_modules(self, module_ids: Iterable[str]) -> None:
        """Asks for many at once."""
        wanted = sorted(set(module_ids) - self._modules.keys())
        found: dict[str, str] = {}
        if wanted:
            try:
                answer = self.client.catalog.get_modules(module_ids=wanted)
                found = {its.module_id: its.module.display_name for its in answer.modules}
            except CallFailed:
                found = {}
        self._modules |= {module_id: found.get(module_id) or short(module_id) for module_id in wanted}

    def contract(self, contract_id: str) -> Contract:
        """A contract; an empty one where it cannot be read."""
        if contract_id not in self._contracts:
            try:
                found = self.client.catalog.get_contract(contract_id=contract_id).contract
            except CallFailed:
                found = Contract()
            self._contracts[contract_id] = found
        return self._contracts[contract_id]

    def rule(self, contract_id: str, code: str) -> str:
        """What a rule demands, in a sentence, as the newest version of the contract that has it says; or nothing."""
        for version in reversed(self.contract(contract_id).versions):
            for rule in (*version.rules, *(rule for module in version.modules for rule in module.rules)):
                if rule.code == code and rule.description:
                    return rule.description
        return ""
