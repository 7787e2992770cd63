"""Names that a test gives, instead of those of a server."""

from collections.abc import Iterable

from affilia.catalog.v1.contract_pb2 import Contract
from affilia.enrollment.v1.change_request_pb2 import ChangeRequest
from affilia_views.names import Names


class Ids(Names):
    """Shows ids, or the names it has."""

    def __init__(self, **names: str) -> None:
        self._names = names

    def member(self, member_id: str) -> str:
        return self._names.get(member_id, member_id)

    def module(self, module_id: str) -> str:
        return self._names.get(module_id, module_id)

    def slots(self, module_ids: Iterable[str]) -> dict[str, str]:
        return {}

    def request(self, change_request_id: str) -> ChangeRequest | None:
        return None

    def contract(self, contract_id: str) -> Contract:
        return Contract()
