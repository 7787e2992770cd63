"""What every legacy source does, as tests. Subclass `LegacySourceConformance` for each source, with a
fixture of its `tables`.

The tests fill the tables as other programs do, and use the source as operations do.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, replace
from datetime import date
from functools import partial
from typing import Any, Protocol, TypeVar
from uuid import UUID, uuid4

import psycopg
import pytest

from domain.days import Span
from domain.enrollment.decisions import GroupKey
from domain.identity import derived_id, group_id
from domain.membership import MembershipType
from domain.migration.legacy import LegacyGroup, LegacyRow
from domain.migration.writing_back import RowChange
from storage.legacy.identifiers import MappedContract, map_contract, mapped_contract, mapped_contracts, owned_groups
from storage.legacy.preparing import prepare_tables
from storage.legacy.source import LegacySource
from storage.postgres.database import Connection, Database
from tests.support.guarded import application_url
from tests.support.waiting import wait_until

T = TypeVar("T")
START = date(2024, 1, 1)
FLEX, DENTAL = "FLEX", "DENTAL"
NIL = UUID(int=0)


class LegacyTables(Protocol):
    """Writes the tables of a source as other programs do. Dates are texts, so that they can be any of PostgreSQL's."""

    source: LegacySource

    def clear(self, connection: psycopg.Connection) -> None: ...

    def add_contract(self, connection: psycopg.Connection, first: str, last: str | None) -> int: ...

    def add_user(self, connection: psycopg.Connection, global_id: UUID | None, born: str | None) -> int: ...

    def set_global_id(self, connection: psycopg.Connection, user_id: int, global_id: UUID | None) -> None: ...

    def add_policy(self, connection: psycopg.Connection, contract: int, owner: int) -> int: ...

    def delete_policy(self, connection: psycopg.Connection, policy_id: int) -> None: ...

    def add_row(
        self,
        connection: psycopg.Connection,
        policy_id: int,
        user_id: int,
        days: tuple[str | None, str | None],
        *,
        type_: str = "PRIMARY",
        product: str = FLEX,
        is_cancelled: bool = False,
    ) -> int: ...


@dataclass
class Legacy:
    """A database with a source and one mapped contract. Every call is a transaction of its own."""

    url: str
    tables: LegacyTables
    contract: int = 0
    contract_id: UUID = NIL
    base: UUID = NIL
    dental: UUID = NIL

    @property
    def source(self) -> LegacySource:
        return self.tables.source

    def set_up(self) -> "Legacy":
        """Adds a contract and maps it."""
        contract = self.add("add_contract", "2024-01-01", None)
        legacy = replace(self, contract=contract, contract_id=uuid4(), base=uuid4(), dental=uuid4())
        assert legacy.map({FLEX: legacy.base, "FLEX/OLD": legacy.base, DENTAL: legacy.dental})
        return legacy

    def map(self, modules: dict[str, UUID], contract: int | None = None, contract_id: UUID | None = None) -> bool:
        mapping = MappedContract(contract or self.contract, contract_id or self.contract_id, modules)
        return self.write(lambda tx: map_contract(tx, self.source.country, mapping))

    def add(self, name: str, *arguments: Any, **named: Any) -> int:
        """Calls a method of the tables, as another program."""
        with psycopg.connect(self.url) as connection:
            added: int = getattr(self.tables, name)(connection, *arguments, **named)
        return added

    def user(self, global_id: UUID | None = None, born: str | None = None) -> int:
        return self.add("add_user", global_id, born)

    def policy(self, owner: int) -> int:
        return self.add("add_policy", self.contract, owner)

    def row(
        self, policy: int, user: int, first: str | None = "2024-03-01", last: str | None = None, **more: Any
    ) -> int:
        return self.add("add_row", policy, user, (first, last), **more)

    def run(self, work: Callable[[Database], Awaitable[T]]) -> T:
        """Runs something with the database, as a server."""
        return on_database(self.url, work)

    def write(self, work: Callable[[Connection], Awaitable[T]]) -> T:
        return self.run(lambda database: database.write(work))

    def read(self, work: Callable[[Connection], Awaitable[T]]) -> T:
        async def reading(database: Database) -> T:
            async with database.snapshot() as connection:
                return await work(connection)

        return self.run(reading)

    def store(self) -> int:
        return self.write(self.source.store_identifiers)

    def group_of(self, primary_id: UUID) -> LegacyGroup:
        """Stores identifiers, and loads the group of a primary."""
        self.store()
        group = group_id(self.contract_id, primary_id)
        return self.read(lambda connection: self.source.load(connection, [group]))[group]

    def changed(self, primary_id: UUID, *changes: RowChange) -> LegacyGroup:
        """Locks the group of a primary and writes changes."""
        group = group_id(self.contract_id, primary_id)

        async def work(tx: Connection) -> LegacyGroup:
            locked = (await self.source.lock(tx, [group]))[group]
            return await self.source.write(tx, locked, changes)

        return self.write(work)

    def merge(self, from_id: UUID, into_id: UUID) -> None:
        with psycopg.connect(self.url) as connection:
            connection.execute(
                "INSERT INTO member_merge (from_member_id, into_member_id, recorded_at, reason, document)"
                " VALUES (%s, %s, now(), '', '{}')",
                [from_id, into_id],
            )


def on_database(url: str, work: Callable[[Database], Awaitable[T]]) -> T:
    async def run() -> T:
        database = Database(url, 4)
        await database.open()
        try:
            return await work(database)
        finally:
            await database.close()

    return asyncio.run(run())


def inserted(legacy: Legacy, policy: int, member_id: UUID, first: str = "2024-03-01", **more: Any) -> RowChange:
    return RowChange(None, policy, member_id, "CHILD", DENTAL, date.fromisoformat(first), None, **more)


def days_of(group: LegacyGroup) -> list[tuple[date | None, date | None]]:
    return [(row.first_on, row.last_on) for row in group.rows]


class LegacySourceConformance:
    """Every source passes these tests."""

    @pytest.fixture
    def tables(self) -> LegacyTables:
        raise NotImplementedError

    @pytest.fixture
    def legacy(self, legacy_url: str, tables: LegacyTables) -> Iterator[Legacy]:
        yield (legacy := Legacy(legacy_url, tables).set_up())
        with psycopg.connect(legacy_url) as connection:
            connection.execute("TRUNCATE migration, legacy_identifier, member_merge")
            legacy.tables.clear(connection)

    # ------------------------------------------------------------------------------------------------- identifiers

    def test_a_user_is_the_member_of_the_global_id_or_gets_a_derived_id(self, legacy: Legacy) -> None:
        global_id = uuid4()
        known, unknown = legacy.user(global_id), legacy.user()
        policy = legacy.policy(known)
        legacy.row(policy, unknown, type_="CHILD")
        derived = derived_id("legacy", legacy.source.country, "MEMBER", str(unknown))
        assert legacy.group_of(global_id).member_ids == {known: global_id, unknown: derived}

    def test_what_was_stored_first_stays(self, legacy: Legacy) -> None:
        user = legacy.user()
        legacy.policy(user)
        derived = derived_id("legacy", legacy.source.country, "MEMBER", str(user))
        before = legacy.group_of(derived)
        legacy.add("set_global_id", user, uuid4())
        assert legacy.store() == 0
        assert legacy.group_of(derived) == before

    def test_a_global_id_that_moves_to_another_user_stays_with_the_first_one(self, legacy: Legacy) -> None:
        global_id = uuid4()
        first, second = legacy.user(global_id), legacy.user()
        policy = legacy.policy(first)
        legacy.row(policy, second, type_="CHILD")
        with psycopg.connect(legacy.url) as connection:
            connection.execute(
                "INSERT INTO legacy_identifier VALUES (%s, 'MEMBER', %s, %s)",
                [legacy.source.country, str(first), global_id],
            )
        legacy.add("set_global_id", first, None)
        legacy.add("set_global_id", second, global_id)
        loaded = legacy.read(lambda connection: legacy.source.load_of_members(connection, [global_id]))
        derived = derived_id("legacy", legacy.source.country, "MEMBER", str(second))
        assert [group.member_ids for group in loaded.values()] == [{first: global_id, second: derived}]
        assert legacy.group_of(global_id).member_ids == {first: global_id, second: derived}

    def test_storing_identifiers_again_stores_only_new_ones(self, legacy: Legacy) -> None:
        owner = legacy.user(uuid4())
        legacy.policy(owner)
        assert legacy.store() == 2
        assert legacy.store() == 0
        legacy.policy(legacy.user())
        legacy.policy(owner)  # of the same group
        assert legacy.store() == 2

    def test_identifiers_of_some_members_can_be_stored_alone(self, legacy: Legacy) -> None:
        primary_id, other_id, child_id = uuid4(), uuid4(), uuid4()
        policy = legacy.policy(legacy.user(primary_id))
        legacy.row(policy, legacy.user(child_id), type_="CHILD")
        legacy.policy(legacy.user(other_id))
        assert legacy.write(lambda tx: legacy.source.store_identifiers(tx, [child_id])) == 3
        groups = [group_id(legacy.contract_id, each) for each in (primary_id, other_id)]
        assert list(legacy.read(lambda connection: legacy.source.load(connection, groups))) == groups[:1]

    def test_concurrent_stores_store_each_identifier_once(self, legacy: Legacy) -> None:
        with psycopg.connect(legacy.url) as connection:
            for _ in range(200):
                owner = legacy.tables.add_user(connection, uuid4(), None)
                legacy.tables.add_policy(connection, legacy.contract, owner)

        async def work(database: Database) -> list[int]:
            return await asyncio.gather(*(database.write(legacy.source.store_identifiers) for _ in range(4)))

        assert sum(legacy.run(work)) == 400

    # ----------------------------------------------------------------------------------------------------- mapping

    def test_mapping_a_contract_again_replaces_its_products(self, legacy: Legacy) -> None:
        assert legacy.map({"NEW": legacy.base})
        country = legacy.source.country
        (mapped,) = legacy.read(lambda connection: mapped_contracts(connection, country))
        assert mapped == MappedContract(legacy.contract, legacy.contract_id, {"NEW": legacy.base})

    def test_a_contract_is_mapped_to_one_contract(self, legacy: Legacy) -> None:
        other = legacy.add("add_contract", "2024-01-01", None)
        assert not legacy.map({FLEX: legacy.base}, contract_id=uuid4())
        assert not legacy.map({FLEX: legacy.base}, contract=other)
        country = legacy.source.country
        for contract in (legacy.contract, legacy.contract_id):
            mapped = legacy.read(partial(mapped_contract, country=country, contract=contract))
            assert mapped
            assert len(mapped.modules) == 3
        assert legacy.read(partial(mapped_contract, country=country, contract=other)) is None

    def test_policies_of_contracts_that_are_not_mapped_are_only_counted(self, legacy: Legacy) -> None:
        other = legacy.add("add_contract", "2024-01-01", None)
        owner_id = uuid4()
        owner = legacy.user(owner_id)
        legacy.add("add_policy", other, owner)
        legacy.store()
        assert legacy.read(legacy.source.unmapped_policies) == 1
        assert legacy.read(lambda connection: legacy.source.load_of_members(connection, [owner_id])) == {}
        assert legacy.read(lambda connection: legacy.source.heads(connection, None, None, NIL, 10)) == []
        assert legacy.read(lambda connection: legacy.source.known_members(connection, [owner_id, uuid4()])) == {
            owner_id
        }

    def test_a_contract_is_found_by_its_legacy_id(self, legacy: Legacy) -> None:
        contract = legacy.add("add_contract", "2024-02-01", "2024-12-31")
        found = legacy.read(lambda connection: legacy.source.contract(connection, contract))
        assert found and (found.first_on, found.last_on) == (date(2024, 2, 1), date(2024, 12, 31))
        assert legacy.read(lambda connection: legacy.source.contract(connection, contract + 1000)) is None

    # ------------------------------------------------------------------------------------------------------- reads

    def test_all_policies_of_an_owner_under_a_contract_are_one_group(self, legacy: Legacy) -> None:
        primary_id, child_id = uuid4(), uuid4()
        owner, child = legacy.user(primary_id, "1980-05-01"), legacy.user(child_id)
        policies = [legacy.policy(owner), legacy.policy(owner)]
        second = legacy.row(policies[1], child, "2024-06-01", "2024-12-31", type_="CHILD", product="SPA")
        first = legacy.row(policies[0], owner, is_cancelled=True)
        group = legacy.group_of(primary_id)
        assert group == LegacyGroup(
            group_id(legacy.contract_id, primary_id),
            GroupKey(legacy.contract_id, primary_id),
            group.mapping,
            owner,
            tuple(policies),
            (
                LegacyRow(
                    second, policies[1], child, MembershipType.CHILD, "SPA", date(2024, 6, 1), date(2024, 12, 31), False
                ),
                LegacyRow(
                    first, policies[0], owner, MembershipType.PRIMARY, FLEX, date(2024, 3, 1), None, is_cancelled=True
                ),
            ),
            {owner: primary_id, child: child_id},
            {primary_id: date(1980, 5, 1)},
        )
        mapping = group.mapping
        assert (mapping.legacy_contract_id, mapping.contract_id) == (legacy.contract, legacy.contract_id)
        assert mapping.days == Span.between(START, None)
        assert mapping.modules == {FLEX: legacy.base, "FLEX/OLD": legacy.base, DENTAL: legacy.dental}

    @pytest.mark.parametrize(
        ("first", "last", "read"),
        [
            ("2024-03-01", None, (date(2024, 3, 1), None)),
            ("2024-03-01", "infinity", (date(2024, 3, 1), None)),
            ("2024-03-01", "9999-12-31", (date(2024, 3, 1), None)),
            ("2024-03-01", "9999-12-30", (date(2024, 3, 1), date(9999, 12, 30))),
            ("2024-03-01", "5874897-12-31", (date(2024, 3, 1), None)),
            ("2024-03-01", "2024-02-29", (date(2024, 3, 1), date(2024, 2, 29))),
            ("2024-03-01", "0044-03-15 BC", (date(1, 1, 3), date(1, 1, 1))),
            ("2024-03-01", "-infinity", (date(1, 1, 3), date(1, 1, 1))),
            (None, "2024-03-01", (None, date(2024, 3, 1))),
            (None, None, (None, None)),
            ("-infinity", "2024-03-01", (None, date(2024, 3, 1))),
            ("infinity", "infinity", (None, None)),
            ("10000-01-01", None, (None, None)),
            ("0044-03-15 BC", "2024-03-01", (date(1, 1, 1), date(2024, 3, 1))),
            ("0044-03-15 BC", "0043-01-01 BC", (date(1, 1, 1), date(1, 1, 1))),
            ("0044-03-15 BC", "0044-03-14 BC", (date(1, 1, 2), date(1, 1, 1))),
            ("0044-03-15 BC", "0044-03-13 BC", (date(1, 1, 3), date(1, 1, 1))),
            ("4713-01-01 BC", "-infinity", (date(1, 1, 3), date(1, 1, 1))),
        ],
    )
    def test_any_date_of_postgresql_can_be_read(
        self, legacy: Legacy, first: str | None, last: str | None, read: tuple[date | None, date | None]
    ) -> None:
        primary_id = uuid4()
        owner = legacy.user(primary_id)
        legacy.row(legacy.policy(owner), owner, first, last)
        assert days_of(legacy.group_of(primary_id)) == [read]

    @pytest.mark.parametrize(
        ("first", "last", "days"),
        [
            ("2024-01-01", "2024-12-31", Span.between(START, date(2024, 12, 31))),
            ("2024-01-01", "infinity", Span.between(START, None)),
            ("-infinity", "9999-12-31", Span.between(date.min, None)),
            ("0044-03-15 BC", None, Span.between(date.min, None)),
            ("2024-01-01", "2023-12-31", Span.between(date.min, date.min)),
            ("infinity", None, Span.between(date.min, date.min)),
            ("2024-01-01", "-infinity", Span.between(date.min, date.min)),
        ],
    )
    def test_any_days_of_a_contract_can_be_read(self, legacy: Legacy, first: str, last: str | None, days: Span) -> None:
        contract = legacy.add("add_contract", first, last)
        legacy = replace(legacy, contract=contract, contract_id=uuid4())
        legacy.map({FLEX: legacy.base})
        primary_id = uuid4()
        legacy.policy(legacy.user(primary_id))
        assert legacy.group_of(primary_id).mapping.days == days

    @pytest.mark.parametrize("born", ["infinity", "-infinity", "0044-03-15 BC", "10000-01-01", None])
    def test_a_birth_date_outside_of_the_calendar_is_missing(self, legacy: Legacy, born: str | None) -> None:
        primary_id = uuid4()
        legacy.policy(legacy.user(primary_id, born))
        assert legacy.group_of(primary_id).birth_dates == {}

    def test_unknown_membership_types_are_read_as_none(self, legacy: Legacy) -> None:
        primary_id = uuid4()
        owner = legacy.user(primary_id)
        policy = legacy.policy(owner)
        for type_ in ("COUSIN", "", "primary", "PET"):
            legacy.row(policy, owner, type_=type_)
        assert [row.membership_type for row in legacy.group_of(primary_id).rows] == [None] * 4

    def test_a_policy_without_rows_is_a_group(self, legacy: Legacy) -> None:
        primary_id = uuid4()
        policy = legacy.policy(legacy.user(primary_id))
        group = legacy.group_of(primary_id)
        assert (group.policy_ids, group.rows) == ((policy,), ())

    def test_a_group_stays_known_when_its_policies_are_deleted(self, legacy: Legacy) -> None:
        primary_id = uuid4()
        policy = legacy.policy(legacy.user(primary_id))
        legacy.group_of(primary_id)
        legacy.add("delete_policy", policy)
        assert legacy.group_of(primary_id).policy_ids == ()

    def test_groups_are_listed_in_order_by_contract_and_primary(self, legacy: Legacy) -> None:
        other = replace(legacy, contract=legacy.add("add_contract", "2024-01-01", None), contract_id=uuid4())
        other.map({FLEX: legacy.base})
        primaries = [uuid4() for _ in range(5)]
        for primary_id in primaries:
            owner = legacy.user(primary_id)
            legacy.policy(owner)
            other.policy(owner)
        legacy.store()

        def heads(contract_id: UUID | None, primary_id: UUID | None, after: UUID = NIL, limit: int = 20) -> list[UUID]:
            found = legacy.read(lambda c: legacy.source.heads(c, contract_id, primary_id, after, limit))
            return list(found)

        ours = sorted(group_id(legacy.contract_id, each) for each in primaries)
        theirs = sorted(group_id(other.contract_id, each) for each in primaries)
        assert heads(None, None) == sorted(ours + theirs)
        assert heads(legacy.contract_id, None) == ours
        assert heads(legacy.contract_id, None, ours[1], 2) == ours[2:4]
        of_first = sorted(group_id(each, primaries[0]) for each in (legacy.contract_id, other.contract_id))
        assert heads(None, primaries[0]) == of_first
        assert heads(None, primaries[0], of_first[0]) == of_first[1:]
        assert heads(other.contract_id, primaries[0]) == [group_id(other.contract_id, primaries[0])]
        assert heads(uuid4(), None) == heads(None, uuid4()) == []

    def test_groups_are_found_by_the_members_of_their_rows_before_they_are_stored(self, legacy: Legacy) -> None:
        primary_id, child_id = uuid4(), uuid4()
        policy = legacy.policy(legacy.user(primary_id))
        legacy.row(policy, legacy.user(child_id), type_="CHILD")

        def loaded(member_id: UUID) -> dict[UUID, LegacyGroup]:
            return legacy.read(lambda c: legacy.source.load_of_members(c, [member_id, uuid4()]))

        def ids() -> dict[UUID, list[UUID]]:
            return legacy.read(lambda c: legacy.source.groups_of_members(c, [primary_id, child_id, uuid4()]))

        found = loaded(primary_id)
        assert loaded(child_id) == found
        assert ids() == {}
        group = legacy.group_of(primary_id)
        assert found == {group.group_id: group}
        assert ids() == {primary_id: [group.group_id], child_id: [group.group_id]}

    def test_many_groups_take_as_many_statements_as_one(self, legacy: Legacy, monkeypatch: pytest.MonkeyPatch) -> None:
        primaries = [uuid4() for _ in range(20)]
        for primary_id in primaries:
            owner = legacy.user(primary_id)
            legacy.row(legacy.policy(owner), owner)
        legacy.store()
        statements: list[Any] = []
        execute = psycopg.AsyncCursor.execute

        async def counted(cursor: Any, statement: Any, *arguments: Any, **named: Any) -> Any:
            statements.append(statement)
            return await execute(cursor, statement, *arguments, **named)

        ids = [group_id(legacy.contract_id, each) for each in primaries]

        async def work(tx: Connection) -> list[int]:
            counts = []
            for some in (ids[:1], ids):
                for call in (legacy.source.load, legacy.source.lock):
                    statements.clear()
                    assert list(await call(tx, some)) == sorted(some)
                    counts.append(len(statements))
            return counts

        monkeypatch.setattr(psycopg.AsyncCursor, "execute", counted)
        one_loaded, one_locked, all_loaded, all_locked = legacy.write(work)
        assert one_loaded == all_loaded == 1
        assert one_locked == all_locked

    # ------------------------------------------------------------------------------------------------------ merges

    def test_a_merged_member_is_read_as_the_remaining_one(self, legacy: Legacy) -> None:
        primary_id, merged_id, then_id, child_id = (uuid4() for _ in range(4))
        policy = legacy.policy(owner := legacy.user(primary_id))
        first, second = legacy.user(merged_id, "2010-01-01"), legacy.user(child_id)
        legacy.row(policy, first, type_="CHILD")
        legacy.row(policy, second, type_="CHILD")
        legacy.group_of(primary_id)
        legacy.merge(merged_id, then_id)
        legacy.merge(then_id, child_id)
        group = legacy.group_of(primary_id)
        assert group.member_ids == {owner: primary_id, first: child_id, second: child_id}
        assert group.birth_dates == {child_id: date(2010, 1, 1)}
        ids = legacy.read(lambda c: legacy.source.groups_of_members(c, [child_id]))
        assert ids == {child_id: [group.group_id]}

    def test_a_merged_member_whose_id_is_not_stored_yet_is_read_as_the_remaining_one(self, legacy: Legacy) -> None:
        primary_id, merged_id, child_id = uuid4(), uuid4(), uuid4()
        policy = legacy.policy(owner := legacy.user(primary_id))
        legacy.store()
        legacy.row(policy, child := legacy.user(merged_id), type_="CHILD")
        legacy.merge(merged_id, child_id)
        (group,) = legacy.read(lambda c: legacy.source.load_of_members(c, [child_id])).values()
        assert group.member_ids == {owner: primary_id, child: child_id}

    def test_the_group_of_an_owner_who_was_merged_before_is_that_of_the_remaining_member(self, legacy: Legacy) -> None:
        merged_id, primary_id = uuid4(), uuid4()
        policy = legacy.policy(legacy.user(merged_id))
        legacy.merge(merged_id, primary_id)
        group = legacy.group_of(primary_id)
        assert (group.key.primary_id, group.policy_ids) == (primary_id, (policy,))

    def test_policies_of_merged_owners_are_one_group(self, legacy: Legacy) -> None:
        merged_id, primary_id = uuid4(), uuid4()
        owner, duplicate = legacy.user(primary_id), legacy.user(merged_id)
        policies = legacy.policy(owner), legacy.policy(duplicate)
        rows = [legacy.row(policies[0], owner), legacy.row(policies[1], duplicate)]
        legacy.merge(merged_id, primary_id)
        group = legacy.group_of(primary_id)
        assert group.policy_ids == policies
        assert [row.row_id for row in group.rows] == rows
        assert group.member_ids == {owner: primary_id, duplicate: primary_id}
        assert legacy.read(lambda c: legacy.source.load_of_members(c, [primary_id])) == {group.group_id: group}
        assert legacy.store() == 0
        assert len(legacy.changed(primary_id, inserted(legacy, policies[1], primary_id)).rows) == 3

    def test_the_groups_that_a_member_owns_are_known_before_a_merge(self, legacy: Legacy) -> None:
        primary_id, child_id = uuid4(), uuid4()
        policy = legacy.policy(legacy.user(primary_id))
        legacy.row(policy, legacy.user(child_id), type_="CHILD")
        group = legacy.group_of(primary_id)
        assert legacy.read(lambda c: owned_groups(c, primary_id)) == [group.group_id]
        assert legacy.read(lambda c: owned_groups(c, child_id)) == []

    # ------------------------------------------------------------------------------------------------------ writes

    def test_writing_changes_days_cancels_and_inserts_rows(self, legacy: Legacy) -> None:
        primary_id, child_id = uuid4(), uuid4()
        owner, child = legacy.user(primary_id), legacy.user(child_id)
        policy = legacy.policy(owner)
        kept = legacy.row(policy, owner, "2024-03-01", "2024-05-31")
        cancelled = legacy.row(policy, child, "2024-06-01", "infinity", type_="CHILD")
        untouched = legacy.row(policy, child, "-infinity", None, type_="COUSIN")
        before = legacy.group_of(primary_id)
        after = legacy.changed(
            primary_id,
            RowChange(kept, policy, primary_id, "PARTNER", DENTAL, date(2024, 4, 1), None),
            RowChange(cancelled, policy, child_id, "CHILD", FLEX, date(2025, 1, 1), None, is_cancelled=True),
            inserted(legacy, policy, child_id, "2024-07-01"),
        )
        assert after == legacy.group_of(primary_id)
        assert after.rows[:3] == (
            replace(before.rows[0], first_on=date(2024, 4, 1), last_on=None),
            replace(before.rows[1], is_cancelled=True),
            before.rows[2],
        )
        assert before.rows[2].row_id == untouched
        (added,) = after.rows[3:]
        assert replace(added, row_id=0) == LegacyRow(
            0, policy, child, MembershipType.CHILD, DENTAL, date(2024, 7, 1), None, is_cancelled=False
        )

    def test_writing_adds_a_user_for_an_unknown_member(self, legacy: Legacy) -> None:
        primary_id, child_id, elsewhere_id = uuid4(), uuid4(), uuid4()
        policy = legacy.policy(owner := legacy.user(primary_id))
        elsewhere = legacy.user(elsewhere_id)  # whose id isn't stored yet
        legacy.write(lambda tx: legacy.source.store_identifiers(tx, [primary_id]))
        group = legacy.changed(primary_id, inserted(legacy, policy, child_id), inserted(legacy, policy, elsewhere_id))
        assert sorted(group.member_ids.values()) == sorted([primary_id, child_id, elsewhere_id])
        assert group.member_ids[owner] == primary_id
        assert group.member_ids[elsewhere] == elsewhere_id
        again = legacy.changed(primary_id, inserted(legacy, policy, child_id, "2025-01-01"))
        assert again.member_ids == group.member_ids
        assert legacy.store() == 0

    def test_a_member_whose_global_id_belongs_to_another_user_gets_a_user(self, legacy: Legacy) -> None:
        primary_id, child_id = uuid4(), uuid4()
        policy = legacy.policy(legacy.user(primary_id))
        other = legacy.user()
        legacy.store()
        legacy.add("set_global_id", other, child_id)
        group = legacy.changed(primary_id, inserted(legacy, policy, child_id))
        (row,) = group.rows
        assert row.user_id != other
        assert group.member_ids[row.user_id] == child_id

    def test_a_primary_without_a_policy_gets_one(self, legacy: Legacy) -> None:
        primary_id = uuid4()
        key = GroupKey(legacy.contract_id, primary_id)
        group = legacy.write(lambda tx: legacy.source.add_policy(tx, key))
        assert group and group.key == key
        assert len(group.policy_ids) == 1
        assert legacy.group_of(primary_id) == group
        assert legacy.changed(primary_id, inserted(legacy, group.policy_ids[0], primary_id)).rows
        unmapped = GroupKey(uuid4(), primary_id)
        assert legacy.write(lambda tx: legacy.source.add_policy(tx, unmapped)) is None

    def test_a_group_whose_policies_were_deleted_gets_one(self, legacy: Legacy) -> None:
        primary_id = uuid4()
        policy = legacy.policy(legacy.user(primary_id))
        before = legacy.group_of(primary_id)
        legacy.add("delete_policy", policy)
        group = legacy.write(lambda tx: legacy.source.add_policy(tx, before.key))
        assert group and group.owner_user_id == before.owner_user_id
        assert len(group.policy_ids) == 1

    # ------------------------------------------------------------------------------------------------------- locks

    def test_locking_a_group_stores_the_ids_of_its_users(self, legacy: Legacy) -> None:
        primary_id = uuid4()
        policy = legacy.policy(legacy.user(primary_id))
        legacy.store()
        legacy.row(policy, child := legacy.user(), type_="CHILD")
        derived = derived_id("legacy", legacy.source.country, "MEMBER", str(child))
        group = group_id(legacy.contract_id, primary_id)
        locked = legacy.write(lambda tx: legacy.source.lock(tx, [group]))[group]
        assert locked.member_ids[child] == derived
        legacy.add("set_global_id", child, uuid4())
        assert legacy.group_of(primary_id) == locked

    def test_rows_of_a_locked_group_cannot_change_and_none_can_be_added(self, legacy: Legacy) -> None:
        primary_id = uuid4()
        owner = legacy.user(primary_id)
        policy = legacy.policy(owner)
        legacy.row(policy, owner)
        group = legacy.group_of(primary_id)

        async def hold(tx: Connection) -> None:
            await legacy.source.lock(tx, [group.group_id])
            await self.refuses(legacy, lambda c: legacy.tables.add_row(c, policy, owner, ("2025-01-01", None)))
            await self.refuses(legacy, lambda c: legacy.tables.delete_policy(c, policy))
            await asyncio.to_thread(legacy.policy, owner)  # of the same group, but not part of it until it is unlocked
            locked = (await legacy.source.lock(tx, [group.group_id]))[group.group_id]
            assert len(locked.policy_ids) == 2

        legacy.write(hold)
        legacy.row(policy, owner)

    async def refuses(self, legacy: Legacy, change: Callable[[psycopg.Connection], object]) -> None:
        """Checks that a change by another program would have to wait."""

        def attempt() -> None:
            with psycopg.connect(legacy.url) as connection:
                connection.execute("SET lock_timeout = '100ms'")
                with pytest.raises(psycopg.errors.LockNotAvailable):
                    change(connection)
                connection.rollback()

        await asyncio.to_thread(attempt)

    def test_a_policy_added_after_the_lock_is_not_in_the_written_group(self, legacy: Legacy) -> None:
        primary_id = uuid4()
        owner = legacy.user(primary_id)
        policy = legacy.policy(owner)
        group = legacy.group_of(primary_id)

        async def work(tx: Connection) -> LegacyGroup:
            locked = (await legacy.source.lock(tx, [group.group_id]))[group.group_id]
            other = await asyncio.to_thread(legacy.policy, owner)
            await asyncio.to_thread(legacy.row, other, owner)
            return await legacy.source.write(tx, locked, [inserted(legacy, policy, primary_id)])

        written = legacy.write(work)
        assert (len(written.policy_ids), len(written.rows)) == (1, 1)
        after = legacy.group_of(primary_id)
        assert (len(after.policy_ids), len(after.rows)) == (2, 2)

    def test_locking_waits_for_rows_that_others_are_adding(self, legacy: Legacy) -> None:
        primary_id = uuid4()
        owner = legacy.user(primary_id)
        policy = legacy.policy(owner)
        group = legacy.group_of(primary_id)

        async def locked(database: Database) -> LegacyGroup:
            with psycopg.connect(legacy.url) as other, psycopg.connect(legacy.url, autocommit=True) as watcher:
                legacy.tables.add_row(other, policy, owner, ("2024-03-01", None))
                waiting = asyncio.create_task(database.write(lambda tx: legacy.source.lock(tx, [group.group_id])))
                await asyncio.to_thread(wait_until, lambda: self.somebody_waits(watcher), "a lock is waited for")
                other.commit()
                return (await waiting)[group.group_id]

        assert len(legacy.run(locked).rows) == 1

    def somebody_waits(self, watcher: psycopg.Connection) -> bool:
        statement = (
            "SELECT count(*) > 0 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
        )
        row = watcher.execute(statement).fetchone()
        return bool(row and row[0])

    def test_waiting_for_writers_ends_when_they_commit_and_holds_later_ones(self, legacy: Legacy) -> None:
        policy = legacy.policy(owner := legacy.user(uuid4()))

        async def waited(database: Database) -> None:
            async def work(tx: Connection) -> None:
                await legacy.source.wait_for_writers(tx)
                await self.refuses(legacy, lambda c: legacy.tables.add_row(c, policy, owner, ("2024-03-01", None)))

            with psycopg.connect(legacy.url) as other, psycopg.connect(legacy.url, autocommit=True) as watcher:
                legacy.tables.add_row(other, policy, owner, ("2024-03-01", None))
                waiting = asyncio.create_task(database.write(work))
                await asyncio.to_thread(wait_until, lambda: self.somebody_waits(watcher), "a lock is waited for")
                other.commit()
                await waiting

        legacy.run(waited)

    # -------------------------------------------------------------------------------------------------- privileges

    def test_the_declared_privileges_suffice(self, legacy: Legacy) -> None:
        """Runs reads and writes as a role that has nothing else."""
        primary_id, new_id = uuid4(), uuid4()
        owner = legacy.user(primary_id)
        policy = legacy.policy(owner)
        legacy.row(policy, owner)
        limited = replace(legacy, url=limited_url(legacy))
        group = limited.group_of(primary_id)
        changes = [
            RowChange(group.rows[0].row_id, policy, primary_id, "PRIMARY", FLEX, START, None),
            inserted(legacy, policy, new_id),
        ]
        assert len(limited.changed(primary_id, *changes).rows) == 2
        assert limited.write(lambda tx: limited.source.add_policy(tx, GroupKey(legacy.contract_id, new_id)))
        limited.write(limited.source.wait_for_writers)
        assert limited.read(limited.source.unmapped_policies) == 0
        assert limited.read(lambda c: limited.source.contract(c, legacy.contract))


def limited_url(legacy: Legacy) -> str:
    """Returns a connection string for a role with the privileges of the application's role and of the source."""
    url = application_url(legacy.url)
    with psycopg.connect(legacy.url, autocommit=True) as connection:
        prepare_tables(connection, [legacy.source], connection_role(url))
    return url


def connection_role(url: str) -> str:
    return str(psycopg.conninfo.conninfo_to_dict(url)["user"])
