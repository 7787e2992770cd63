"""Names to show for ids. Each program reads them in its own way."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping

from affilia.catalog.v1.condition_pb2 import Rule
from affilia.catalog.v1.contract_pb2 import Contract
from affilia.enrollment.v1.change_request_pb2 import ChangeRequest
from affilia.enrollment.v1.enrollment_group_pb2 import GroupKey


class Names(ABC):
    """Names of members, modules, contracts and rules, and change requests to describe.

    If there is no name, or the caller isn't allowed to read it, the id is shown.
    """

    @abstractmethod
    def member(self, member_id: str) -> str:
        """Returns the name of a member, or the id."""

    @abstractmethod
    def module(self, module_id: str) -> str:
        """Returns the name of a module, or the id."""

    @abstractmethod
    def slots(self, module_ids: Iterable[str]) -> Mapping[str, str]:
        """Returns the slots of the modules that have one."""

    @abstractmethod
    def request(self, change_request_id: str) -> ChangeRequest | None:
        """Returns a change request, or None if it can't be read."""

    @abstractmethod
    def contract(self, contract_id: str) -> Contract:
        """Returns a contract, or an empty one if it can't be read."""

    def contract_name(self, contract_id: str) -> str:
        """Returns the name of a contract, or the id."""
        return self.contract(contract_id).display_name or contract_id

    def family(self, key: GroupKey) -> str:
        """Returns a family with its contract, such as `family of Marie Dupont, Basic health`."""
        return f"family of {self.member(key.primary_id)}, {self.contract_name(key.contract_id)}"

    def in_sentence(self, sentence: str, member_ids: Iterable[str], module_ids: Iterable[str] = ()) -> str:
        """Returns a sentence with these ids replaced by names."""
        for member_id in filter(None, member_ids):
            sentence = sentence.replace(member_id, self.member(member_id)) if member_id in sentence else sentence
        for module_id in filter(None, module_ids):
            sentence = sentence.replace(module_id, self.module(module_id)) if module_id in sentence else sentence
        return sentence

    def rule(self, contract_id: str, code: str) -> Rule | None:
        """Returns a rule from the newest version that has it, or None."""
        for version in reversed(self.contract(contract_id).versions):
            for rule in (*version.rules, *(rule for module in version.modules for rule in module.rules)):
                if rule.code == code:
                    return rule
        return None
