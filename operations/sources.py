"""Where contracts and members' facts come from.

The built-in sources are `storage.contracts` and `storage.members`, which CatalogService and MemberService write to. A
deployment can replace them; `tests/storage/test_sources.py` checks what every implementation must do.
"""

from collections.abc import Collection, Iterable, Sequence
from typing import Protocol
from uuid import UUID

from domain.catalog.contract import Contract
from domain.errors import ContractUnknown
from domain.members import Facts
from storage.contracts import RecordedContract
from storage.postgres.database import Connection


class ContractSource(Protocol):
    """Reads contracts."""

    async def current(
        self, connection: Connection, contract_ids: Collection[UUID], *, hold: bool
    ) -> dict[UUID, Contract]:
        """Returns the newest states of contracts. Unknown contracts are omitted.

        With `hold`, they can't change until the transaction ends: the caller holds shared locks on the contracts
        (`Lock.CONTRACT`). A source whose contracts can change without the exclusive lock must lock what it reads.
        """
        ...

    async def contracts_of_modules(self, connection: Connection, module_ids: Sequence[UUID]) -> dict[UUID, UUID]:
        """Returns the contract of each module, without unknown modules."""
        ...

    async def mark(self, connection: Connection) -> int:
        """Returns a number that increases whenever any contract changes."""
        ...

    async def newest(self, connection: Connection, contract_ids: Collection[UUID] | None = None) -> dict[UUID, int]:
        """Returns the revision of the newest state of every contract, or of some. Unknown contracts are omitted."""
        ...

    async def state(self, connection: Connection, contract_id: UUID, revision: int) -> RecordedContract:
        """Returns a state by its revision. Raises ContractUnknown."""
        ...


async def known_contracts(
    source: ContractSource, connection: Connection, contract_ids: Collection[UUID], *, hold: bool
) -> dict[UUID, Contract]:
    """Returns the newest states of contracts, in order of id. Raises ContractUnknown."""
    found = await source.current(connection, contract_ids, hold=hold)
    for contract_id in (ids := sorted(set(contract_ids))):
        if contract_id not in found:
            raise ContractUnknown(contract_id)
    return {contract_id: found[contract_id] for contract_id in ids}


async def known_contract(source: ContractSource, connection: Connection, contract_id: UUID, *, hold: bool) -> Contract:
    """Returns the newest state of a contract. Raises ContractUnknown."""
    return (await known_contracts(source, connection, [contract_id], hold=hold))[contract_id]


class FactSource(Protocol):
    """Reads members' facts."""

    async def current_facts(
        self, connection: Connection, member_ids: Iterable[UUID], *, hold: bool
    ) -> dict[UUID, Facts]:
        """Returns the newest facts of members.

        With `hold`, they can't change until the transaction ends: the caller holds shared locks on the members
        (`Lock.MEMBER`). A source whose facts can change without the exclusive lock must lock what it reads.

        Raises MemberUnknown.
        """
        ...
