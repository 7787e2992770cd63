"""A `--dev` server with the Spanish legacy tables and the contract of `tools/legacy_sample_contract/`."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg

from affilia.enrollment.v1.enrollment_group_pb2 import GroupKey
from affilia_client import Client
from storage.postgres.embedded import EmbeddedPostgres
from storage.postgres.migrations import migrate
from tests.conftest import ROOT, ServerProcess
from tests.support.command_line import Typed, typed
from tools import legacy_sample

CONTRACT_FOLDER = ROOT / "tools" / "legacy_sample_contract"
CONTRACT = "8ccdb33d-3cfb-5a69-811c-cfbebaf50a80"
MAPPED = ("17", "Seguro de salud")
PRODUCTS = {"ESENCIAL": "Salud Esencial", "COMPLETA": "Salud Completa", "DENTAL": "Dental"}

Row = tuple[int, str, str, str | None, str | None]
"""The user, type, product, first and last day of an enrollment."""


class LegacyBook:
    """The server, its legacy tables, and the command line."""

    def __init__(self, server: ServerProcess, url: str) -> None:
        self.server, self.url = server, url

    def sql(self, statement: str, *values: Any) -> list[Any]:
        """Runs a statement as the owner of the tables, as another program would."""
        with psycopg.connect(self.url) as connection:
            cursor = connection.execute(statement.encode(), values)
            return cursor.fetchall() if cursor.description else []

    def user(self, born_on: str | None = "1980-01-01") -> tuple[int, str]:
        """Adds a user. Returns their id in the tables and their member id."""
        member_id = str(uuid4())
        statement = "INSERT INTO legacy_es.es_user (global_user_id, birth_date) VALUES (%s, %s) RETURNING id"
        ((user_id,),) = self.sql(statement, member_id, born_on and date.fromisoformat(born_on))
        return user_id, member_id

    def policy(self, owner: int, *rows: Row) -> int:
        """Adds a policy with rows."""
        statement = "INSERT INTO legacy_es.es_policy (health_contract_id, owner_user_id) VALUES (17, %s) RETURNING id"
        ((policy_id,),) = self.sql(statement, owner)
        for user, type_, product, first, last in rows:
            self.sql(
                "INSERT INTO legacy_es.es_enrollment"
                " (policy_id, user_id, enrollment_type, product_code, start_date, end_date)"
                " VALUES (%s, %s, %s, %s, %s::date, %s::date)",
                policy_id,
                user,
                type_,
                product,
                first,
                last,
            )
        return int(policy_id)

    def run(self, *words: str, **environment: str) -> Typed:
        return typed(self.server.address, *words, **environment)

    def map(self, **products: str) -> Typed:
        """Maps contract 17, and these products or those of PRODUCTS."""
        given = (products or PRODUCTS).items()
        options = [word for code, module in given for word in ("--product", f"{code}={module}")]
        return self.run("migration", "map", "ES", *MAPPED, *options, "--admin", "ada")

    def move(self, stage: str, *options: str) -> Typed:
        return self.run("migration", "stage", "ES", stage, "--yes", "--admin", "ada", *options)

    def group_id(self, primary_id: str) -> str:
        with Client(self.server.address) as client:
            key = GroupKey(contract_id=CONTRACT, primary_id=primary_id)
            return client.enrollment.get_enrollment_group(key=key).group.group_id


@contextmanager
def a_legacy_book(folder: Path) -> Iterator[LegacyBook]:
    """Starts a server beside empty legacy tables, with the legacy contracts 17 and 18, and publishes the contract."""
    embedded = EmbeddedPostgres.start(folder)
    try:
        migrate(embedded.url)
        with psycopg.connect(embedded.url) as connection:
            legacy_sample.create_tables(connection)
            legacy_sample.fill(connection, legacy_sample.Tables(contracts=[[17, 1, legacy_sample.START, None]]))
        server = ServerProcess(folder, "--legacy-sources", "ES")
        try:
            book = LegacyBook(server, embedded.url)
            loaded = book.run("sample", "load", str(CONTRACT_FOLDER))
            assert loaded.code == 0, loaded.err
            yield book
        finally:
            server.stop()
    finally:
        embedded.stop()
