"""Creates Spanish legacy tables with invented families, to try a migration: the same ones for the same seed.

`python -m tools.legacy_sample --policies 3000` fills the embedded database of `make run`. `--url` names another one.
Every third family has a peculiarity of legacy tables: gaps, overlaps, cancelled and reversed rows, missing dates of
birth, several policies of one owner, and so on. They belong to contract 17. Contract 18 isn't meant to be mapped.
"""

import argparse
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from itertools import count
from pathlib import Path
from random import Random
from uuid import UUID

import psycopg
from psycopg import sql

from storage.legacy import spain
from storage.legacy.spain import SpanishTables
from storage.postgres.embedded import EmbeddedPostgres
from storage.postgres.migrations import migrate

CONTRACT, UNMAPPED_CONTRACT = 17, 18
PRODUCTS = ("ESENCIAL", "ESENCIAL_2019", "COMPLETA", "DENTAL")
"""The first two are meant for one module, and share a slot with the third one."""

START = date(2025, 1, 1)
OPEN_ENDS = (None, None, None, "9999-12-31", "infinity")
POLICIES_OF_OTHER_CONTRACT = 3
TABLES = Path(spain.__file__).with_name("spain_tables.sql")

Day = date | str | None
Row = list[object]


@dataclass
class Tables:
    """The rows of each table."""

    users: list[Row] = field(default_factory=list)
    contracts: list[Row] = field(default_factory=list)
    policies: list[Row] = field(default_factory=list)
    enrollments: list[Row] = field(default_factory=list)


class Family:
    """Adds the rows of one family."""

    def __init__(self, tables: Tables, random: Random, contract: int) -> None:
        self.random = random
        self._tables = tables
        self._contract = contract
        self.product = random.choice(PRODUCTS[:3])
        self.start = START + timedelta(days=30 * random.randrange(12))
        self.owner = self.person(25, 60)
        self.policy = self.add_policy()

    def person(self, youngest: int, oldest: int, *, known: bool = True, born: bool = True) -> int:
        """Adds a user of some age at the start of the contract, `known` by a global id and `born` on a known day."""
        global_id = UUID(int=self.random.getrandbits(128), version=4)
        born_on = START - timedelta(days=365 * self.random.randint(youngest, oldest) + self.random.randrange(365))
        user_id = len(self._tables.users) + 1
        self._tables.users.append([user_id, global_id if known else None, born_on if born else None])
        return user_id

    def add_policy(self) -> int:
        policy_id = len(self._tables.policies) + 1
        self._tables.policies.append([policy_id, self._contract, self.owner, f"{self.start} 12:00:00+00"])
        return policy_id

    def add(
        self, user: int, type_: str, product: str, first: Day, last: Day = None, *, cancelled: bool = False
    ) -> None:
        row_id = len(self._tables.enrollments) + 1
        self._tables.enrollments.append([row_id, self.policy, user, type_, product, first, last, cancelled])

    def plain(self) -> None:
        """The owner, often a partner, up to three children, sometimes a parent; some with a second product."""
        people = [(self.owner, "PRIMARY")]
        if self.random.random() < 0.6:
            people.append((self.person(25, 60), "PARTNER"))
        people += [(self.child(), "CHILD") for _ in range(self.random.randrange(4))]
        if self.random.random() < 0.1:
            people.append((self.person(60, 85), "ASCENDANT"))
        last = self.start + timedelta(days=364) if self.random.random() < 0.2 else None
        for user, type_ in people:
            self.add(user, type_, self.product, self.start, last or self.random.choice(OPEN_ENDS))
            if self.random.random() < 0.4:
                self.add(user, type_, "DENTAL", self.start, last)

    def child(self, *, known: bool = True, born: bool = True) -> int:
        return self.person(0, 29, known=known, born=born)

    def day(self, days: int) -> date:
        """Returns a day after the start of the family's coverage."""
        return self.start + timedelta(days=days)


def has_gap(family: Family) -> None:
    family.add(family.owner, "PRIMARY", family.product, family.start, family.day(90))
    family.add(family.owner, "PRIMARY", family.product, family.day(150))


def overlaps(family: Family) -> None:
    family.add(family.owner, "PRIMARY", "ESENCIAL_2019", family.start, family.day(180))
    family.add(family.owner, "PRIMARY", "ESENCIAL", family.day(100))


def upgrades_for_a_while(family: Family) -> None:
    family.add(family.owner, "PRIMARY", "ESENCIAL", family.start)
    family.add(family.owner, "PRIMARY", "COMPLETA", family.day(60), family.day(425))


def was_cancelled(family: Family) -> None:
    family.plain()
    family.add(family.child(), "CHILD", family.product, family.start, cancelled=True)


def is_reversed(family: Family) -> None:
    family.plain()
    family.add(family.child(), "CHILD", family.product, family.day(100), family.day(10))


def never_began(family: Family) -> None:
    family.plain()
    family.add(family.child(), "CHILD", family.product, family.day(100), family.day(99))


def has_no_start(family: Family) -> None:
    family.plain()
    family.add(family.child(), "CHILD", family.product, None)
    family.add(family.child(), "CHILD", family.product, "-infinity")


def began_too_early(family: Family) -> None:
    family.add(family.owner, "PRIMARY", family.product, date(2019, 5, 1))
    family.add(family.person(25, 60), "PARTNER", family.product, "0044-03-15 BC")


def child_has_no_birth_date(family: Family) -> None:
    family.plain()
    family.add(family.child(born=False), "CHILD", family.product, family.start)


def people_are_not_known_elsewhere(family: Family) -> None:
    family.add(family.owner, "PRIMARY", family.product, family.start)
    family.add(family.person(25, 60, known=False), "PARTNER", family.product, family.start)
    family.add(family.child(known=False), "CHILD", family.product, family.start)


def has_two_policies(family: Family) -> None:
    family.add(family.owner, "PRIMARY", "ESENCIAL", family.start, family.day(200))
    family.policy = family.add_policy()
    family.add(family.owner, "PRIMARY", "COMPLETA", family.day(201))


def changes_type(family: Family) -> None:
    family.plain()
    child = family.child()
    family.add(child, "CHILD", family.product, family.start, family.day(120))
    family.add(child, family.random.choice(("PARTNER", "PRIMARY")), family.product, family.day(121))


def has_no_rows(_family: Family) -> None:
    """Adds nothing: the policy is empty."""


PECULIARITIES: Sequence[Callable[[Family], None]] = (
    has_gap,
    overlaps,
    upgrades_for_a_while,
    was_cancelled,
    is_reversed,
    never_began,
    has_no_start,
    began_too_early,
    child_has_no_birth_date,
    people_are_not_known_elsewhere,
    has_two_policies,
    changes_type,
    has_no_rows,
)


def invented(policies: int, seed: int) -> Tables:
    """Returns at least that many policies of contract 17. All peculiarities occur if there are three times as many."""
    random = Random(seed)
    tables = Tables(contracts=[[CONTRACT, 1, START, None], [UNMAPPED_CONTRACT, 2, START, None]])
    for number in count():
        if len(tables.policies) >= policies:
            break
        family = Family(tables, random, CONTRACT)
        if number % 3 == 2:
            PECULIARITIES[number // 3 % len(PECULIARITIES)](family)
        else:
            family.plain()
    for _ in range(POLICIES_OF_OTHER_CONTRACT):
        Family(tables, random, UNMAPPED_CONTRACT).plain()
    return tables


def create_tables(connection: psycopg.Connection) -> None:
    """Creates the schema with empty tables, and the triggers that guard them, in a migrated database.

    Raises psycopg.errors.DuplicateSchema.
    """
    connection.execute(TABLES.read_text().encode())
    connection.execute(SpanishTables.guard.read_text().encode())


def fill(connection: psycopg.Connection, tables: Tables) -> None:
    """Adds rows to the empty tables, and lets ids of later rows follow theirs."""
    _copy(connection, "es_user", "id, global_user_id, birth_date", tables.users)
    _copy(connection, "es_health_contract", "id, company_id, start_date, end_date", tables.contracts)
    _copy(connection, "es_policy", "id, health_contract_id, owner_user_id, created_at", tables.policies)
    columns = "id, policy_id, user_id, enrollment_type, product_code, start_date, end_date, is_cancelled"
    _copy(connection, "es_enrollment", columns, tables.enrollments)


def _copy(connection: psycopg.Connection, table: str, columns: str, rows: Iterable[Row]) -> None:
    name = sql.Identifier("legacy_es", table)
    with connection.cursor() as cursor:
        with cursor.copy(sql.SQL(f"COPY {{}} ({columns}) FROM STDIN").format(name)) as copy:
            for row in rows:
                copy.write_row(row)
        cursor.execute(
            sql.SQL("SELECT setval(pg_get_serial_sequence(%s, 'id'), max(id)) FROM {}").format(name),
            [f"legacy_es.{table}"],
        )


def main(arguments: Sequence[str] | None = None) -> int:
    """Creates and fills the tables, and prints what they contain. Returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tools.legacy_sample", description=__doc__)
    parser.add_argument("--policies", type=int, default=100, help="Number of policies. Default: 100.")
    parser.add_argument("--seed", type=int, default=1, help="The same seed gives the same families. Default: 1.")
    parser.add_argument("--data-dir", type=Path, default=Path(".data"), help="Data directory of the embedded database.")
    parser.add_argument("--url", help="URL of another database, for its owner.")
    given = parser.parse_args(arguments)
    tables = invented(given.policies, given.seed)
    embedded = None if given.url else EmbeddedPostgres.start(given.data_dir)
    try:
        url = embedded.url if embedded else given.url
        migrate(url)
        with psycopg.connect(url) as connection:
            create_tables(connection)
            fill(connection, tables)
    except psycopg.errors.DuplicateSchema:
        print("The schema legacy_es exists already. It was not changed.", file=sys.stderr)
        return 1
    finally:
        if embedded:
            embedded.stop()
    print(
        f"Contract {CONTRACT} has {len(tables.policies) - POLICIES_OF_OTHER_CONTRACT} policies with the products"
        f" {', '.join(PRODUCTS)}. Contract {UNMAPPED_CONTRACT} has {POLICIES_OF_OTHER_CONTRACT} policies."
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
