"""Every source of contracts and facts behaves alike, and operations read contracts and facts from nowhere else."""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from functools import partial
from typing import Protocol, TypeVar
from uuid import UUID, uuid4

import psycopg
import pytest

from domain.actors import BEFORE_ACTORS
from domain.catalog.contract import Contract
from domain.days import to_date
from domain.enrollment.decisions import ChangeProposal, Enroll, GroupKey, Requester, RequesterRole, ScopedChange
from domain.enrollment.verdicts import Verdict
from domain.errors import ContractUnknown, MemberUnknown
from domain.members import Facts, Member
from domain.membership import MembershipType
from operations import catalog, premium_runs, recomputes, submitting
from operations.core import Core, core_on
from operations.offers import OffersBook
from operations.paging import Page
from operations.sources import ContractSource, FactSource, known_contract, known_contracts
from server.system import own_call
from storage.contracts import RecordedContract, StoredContracts, record_contract
from storage.members import MemberChange, StoredMembers, record_member
from storage.postgres.database import Connection, Database
from storage.postgres.locks import Lock, lock
from storage.requests import WriteKey
from tests.support.builders import a_contract, a_member, a_module, a_span, a_version

T = TypeVar("T")


class WritableContracts(ContractSource, Protocol):
    async def record(self, tx: Connection, contract: Contract) -> None: ...


class WritableFacts(FactSource, Protocol):
    async def record(self, tx: Connection, member: Member) -> None: ...


class BuiltInContracts(StoredContracts):
    async def record(self, tx: Connection, contract: Contract) -> None:
        await lock(tx, Lock.CONTRACT, contract.contract_id)
        try:
            current = await self.recorded(tx, contract.contract_id)
        except ContractUnknown:
            current = None
        await record_contract(tx, contract, current, BEFORE_ACTORS)


class ContractsInMemory:
    """A second implementation: the database is only used for its locks."""

    def __init__(self) -> None:
        self._states: defaultdict[UUID, list[RecordedContract]] = defaultdict(list)

    async def record(self, tx: Connection, contract: Contract) -> None:
        await lock(tx, Lock.CONTRACT, contract.contract_id)
        states = self._states[contract.contract_id]
        states.append(RecordedContract(contract, len(states) + 1, datetime.now(UTC), BEFORE_ACTORS))

    async def current(
        self, connection: Connection, contract_ids: Collection[UUID], *, hold: bool
    ) -> dict[UUID, Contract]:
        return {each: self._states[each][-1].contract for each in contract_ids if each in self._states}

    async def contracts_of_modules(self, connection: Connection, module_ids: Sequence[UUID]) -> dict[UUID, UUID]:
        return {
            module_id: contract_id
            for contract_id, states in self._states.items()
            for module_id in states[-1].contract.slots
            if module_id in module_ids
        }

    async def mark(self, connection: Connection) -> int:
        return sum(map(len, self._states.values()))

    async def newest(self, connection: Connection, contract_ids: Collection[UUID] | None = None) -> dict[UUID, int]:
        known = self._states if contract_ids is None else self._states.keys() & set(contract_ids)
        return {contract_id: len(self._states[contract_id]) for contract_id in known}

    async def state(self, connection: Connection, contract_id: UUID, revision: int) -> RecordedContract:
        if not 1 <= revision <= len(self._states.get(contract_id, ())):
            raise ContractUnknown(contract_id)
        return self._states[contract_id][revision - 1]


class BuiltInFacts(StoredMembers):
    async def record(self, tx: Connection, member: Member) -> None:
        await lock(tx, Lock.MEMBER, member.member_id)
        await record_member(tx, member, await self.recorded(tx, member.member_id), MemberChange.FACT, BEFORE_ACTORS)


class FactsInMemory:
    """A second implementation: the database is only used for its locks."""

    def __init__(self) -> None:
        self._facts: dict[UUID, Facts] = {}

    async def record(self, tx: Connection, member: Member) -> None:
        await lock(tx, Lock.MEMBER, member.member_id)
        self._facts[member.member_id] = member.facts

    async def current_facts(
        self, connection: Connection, member_ids: Iterable[UUID], *, hold: bool
    ) -> dict[UUID, Facts]:
        for member_id in (ids := sorted(set(member_ids))):
            if member_id not in self._facts:
                raise MemberUnknown(member_id)
        return {member_id: self._facts[member_id] for member_id in ids}


def on_database(url: str, work: Callable[[Database], Awaitable[T]]) -> T:
    async def run() -> T:
        database = Database(url, 5)
        await database.open()
        try:
            return await work(database)
        finally:
            await database.close()

    return asyncio.run(run())


def contract_named(name: str) -> Contract:
    """Returns a contract with one module, both with ids of their own."""
    module = replace(a_module(name), module_id=uuid4())
    return replace(a_contract(a_version(module, max_backdating_days=3650)), contract_id=uuid4(), display_name=name)


@pytest.fixture(params=[BuiltInContracts, ContractsInMemory])
def contracts(request: pytest.FixtureRequest) -> WritableContracts:
    source: WritableContracts = request.param()
    return source


@pytest.fixture(params=[BuiltInFacts, FactsInMemory])
def facts(request: pytest.FixtureRequest) -> WritableFacts:
    source: WritableFacts = request.param()
    return source


def test_a_source_returns_every_state_of_a_contract(database_url: str, contracts: WritableContracts) -> None:
    first = contract_named("first")
    second = replace(first, display_name="second")

    async def work(database: Database) -> None:
        marks = []
        for contract in (first, second):
            await database.write(partial(contracts.record, contract=contract))
            async with database.reading() as connection:
                marks.append(await contracts.mark(connection))
                current = await contracts.current(connection, [first.contract_id], hold=False)
                assert current[first.contract_id].display_name == contract.display_name
        assert marks[0] < marks[1]
        async with database.reading() as connection:
            assert (await contracts.newest(connection))[first.contract_id] == 2
            for revision, name in ((1, "first"), (2, "second")):
                state = await contracts.state(connection, first.contract_id, revision)
                assert (state.contract.display_name, state.revision) == (name, revision)

    on_database(database_url, work)


def test_a_source_knows_the_contract_of_each_module(database_url: str, contracts: WritableContracts) -> None:
    contract = contract_named("modules")
    (module_id,) = [module.module_id for version in contract.versions for module in version.modules]

    async def work(database: Database) -> None:
        await database.write(lambda tx: contracts.record(tx, contract))
        async with database.reading() as connection:
            found = await contracts.contracts_of_modules(connection, [module_id, uuid4()])
            assert found == {module_id: contract.contract_id}
            assert module_id in (await known_contract(contracts, connection, contract.contract_id, hold=False)).slots

    on_database(database_url, work)


def test_a_source_omits_or_rejects_an_unknown_contract(database_url: str, contracts: WritableContracts) -> None:
    contract = contract_named("known")
    ids = [contract.contract_id, uuid4()]

    async def work(database: Database) -> None:
        await database.write(lambda tx: contracts.record(tx, contract))
        async with database.reading() as connection:
            assert list(await contracts.current(connection, ids, hold=False)) == [contract.contract_id]
            assert await contracts.current(connection, [], hold=False) == {}
            with pytest.raises(ContractUnknown):
                await known_contracts(contracts, connection, ids, hold=False)
            with pytest.raises(ContractUnknown):
                await contracts.state(connection, uuid4(), 1)

    on_database(database_url, work)


def test_a_held_contract_cannot_change(database_url: str, contracts: WritableContracts) -> None:
    contract = contract_named("held")

    async def work(database: Database) -> None:
        await database.write(lambda tx: contracts.record(tx, contract))

        async def hold(tx: Connection) -> None:
            await lock(tx, Lock.CONTRACT, contract.contract_id, shared=True)
            await contracts.current(tx, [contract.contract_id], hold=True)
            await refuses(database_url, lambda other: contracts.record(other, contract))

        await database.write(hold)
        await database.write(lambda tx: contracts.record(tx, contract))

    on_database(database_url, work)


async def refuses(url: str, change: Callable[[Connection], Awaitable[None]]) -> None:
    """Checks that a change in another transaction would have to wait."""
    async with await psycopg.AsyncConnection.connect(url) as other:
        await other.execute("SET LOCAL lock_timeout = '100ms'")
        with pytest.raises(psycopg.errors.LockNotAvailable):
            await change(other)


def test_facts_are_those_recorded_last(database_url: str, facts: WritableFacts) -> None:
    member = replace(a_member(), member_id=uuid4())
    born = replace(member, facts=replace(member.facts, born_on=date(1980, 5, 1)))

    async def work(database: Database) -> None:
        for each in (member, born):
            await database.write(partial(facts.record, member=each))
        async with database.reading() as connection:
            found = await facts.current_facts(connection, [member.member_id], hold=False)
            assert found == {member.member_id: born.facts}
            with pytest.raises(MemberUnknown):
                await facts.current_facts(connection, [member.member_id, uuid4()], hold=False)

    on_database(database_url, work)


def test_held_facts_cannot_change(database_url: str, facts: WritableFacts) -> None:
    member = replace(a_member(), member_id=uuid4())

    async def work(database: Database) -> None:
        await database.write(lambda tx: facts.record(tx, member))

        async def hold(tx: Connection) -> None:
            await lock(tx, Lock.MEMBER, member.member_id, shared=True)
            await facts.current_facts(tx, [member.member_id], hold=True)
            await refuses(database_url, lambda other: facts.record(other, member))

        await database.write(hold)

    on_database(database_url, work)


def test_operations_use_a_contract_and_a_member_that_only_the_sources_know(own_database_url: str) -> None:
    contract, member = contract_named("elsewhere"), replace(a_member(), member_id=uuid4())
    (module_id,) = [module.module_id for version in contract.versions for module in version.modules]
    start = contract.versions[0].days.start
    proposal = ChangeProposal(
        GroupKey(contract.contract_id, member.member_id),
        Requester(RequesterRole.ADMIN, "an-admin", "test"),
        (ScopedChange(Enroll(member.member_id, MembershipType.PRIMARY, module_id, a_span(str(to_date(start))))),),
    )

    async def work(database: Database) -> None:
        core = await core_elsewhere(database, contract, member)
        call = replace(own_call("a-call"), method="/affilia.enrollment.v1.ChangeRequestService/SubmitChangeRequest")
        (module,) = await catalog.get_modules(core, call, [module_id], to_date(start))
        assert module.contract_id == contract.contract_id
        submitted = await submitting.submit(core, call, WriteKey(uuid4(), b"submit"), proposal)
        assert submitted.change_request.verdict == Verdict.APPROVED
        assert [period.module_id for period in submitted.group.periods] == [module_id]
        key = WriteKey(uuid4(), b"recompute")
        assert await recomputes.request_for_contract(core, call, key, contract.contract_id) == 1
        assert await premium_runs.set_following(core, call, contract.contract_id, True) is False
        assert await premium_runs.list_following_failures(core, contract.contract_id, Page(UUID(int=0), 10)) == []
        offers = OffersBook()
        await offers.ensure(database, core.contract_source, contract.contract_id)
        assert offers.revision_of(contract.contract_id) == 1

    on_database(own_database_url, work)


async def core_elsewhere(database: Database, contract: Contract, member: Member) -> Core:
    """Returns a core whose contract and member aren't in the database."""
    contracts, facts = ContractsInMemory(), FactsInMemory()
    await database.write(lambda tx: contracts.record(tx, contract))
    await database.write(lambda tx: facts.record(tx, member))
    return replace(core_on(database), contract_source=contracts, fact_source=facts)
