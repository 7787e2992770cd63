"""The Spanish legacy tables: the source passes the conformance tests, and the guard keeps others from writing."""

from uuid import UUID

import psycopg
import pytest

from storage.legacy.spain import SpanishTables
from tests.storage.legacy_source_conformance import FLEX, Legacy, LegacySourceConformance, inserted


class OtherProgram:
    """Writes the Spanish tables as the legacy system does."""

    source = SpanishTables()

    def clear(self, connection: psycopg.Connection) -> None:
        connection.execute(
            "TRUNCATE legacy_es.es_enrollment, legacy_es.es_policy, legacy_es.es_health_contract, legacy_es.es_user"
        )

    def add_contract(self, connection: psycopg.Connection, first: str, last: str | None) -> int:
        return _added(
            connection,
            "INSERT INTO legacy_es.es_health_contract (company_id, start_date, end_date) VALUES (1, %s, %s)",
            first,
            last,
        )

    def add_user(self, connection: psycopg.Connection, global_id: UUID | None, born: str | None) -> int:
        statement = "INSERT INTO legacy_es.es_user (global_user_id, birth_date) VALUES (%s, %s)"
        return _added(connection, statement, global_id, born)

    def set_global_id(self, connection: psycopg.Connection, user_id: int, global_id: UUID | None) -> None:
        connection.execute("UPDATE legacy_es.es_user SET global_user_id = %s WHERE id = %s", [global_id, user_id])

    def add_policy(self, connection: psycopg.Connection, contract: int, owner: int) -> int:
        statement = "INSERT INTO legacy_es.es_policy (health_contract_id, owner_user_id) VALUES (%s, %s)"
        return _added(connection, statement, contract, owner)

    def delete_policy(self, connection: psycopg.Connection, policy_id: int) -> None:
        connection.execute("DELETE FROM legacy_es.es_policy WHERE id = %s", [policy_id])

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
    ) -> int:
        return _added(
            connection,
            "INSERT INTO legacy_es.es_enrollment"
            " (policy_id, user_id, enrollment_type, product_code, start_date, end_date, is_cancelled)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s)",
            policy_id,
            user_id,
            type_,
            product,
            *days,
            is_cancelled,
        )


def _added(connection: psycopg.Connection, statement: str, *values: object) -> int:
    row = connection.execute(f"{statement} RETURNING id".encode(), values).fetchone()
    assert row
    added: int = row[0]
    return added


class TestSpain(LegacySourceConformance):
    @pytest.fixture
    def tables(self) -> OtherProgram:
        return OtherProgram()

    @pytest.mark.parametrize("stage", [None, "TRANSLATE", "DUAL_WRITE", "READ_CORE", "CORE", "RETIRED"])
    def test_from_read_core_until_retired_nobody_else_can_write(self, legacy: Legacy, stage: str | None) -> None:
        primary_id = UUID(int=4)
        policy = legacy.policy(owner := legacy.user(primary_id))
        row = legacy.row(policy, owner)
        legacy.group_of(primary_id)
        with psycopg.connect(legacy.url) as connection:
            if stage:
                connection.execute("INSERT INTO migration VALUES ('ES', %s, now())", [stage])
        for statement in (
            "UPDATE legacy_es.es_enrollment SET end_date = '2025-01-01'",
            f"DELETE FROM legacy_es.es_enrollment WHERE id = {row}",
            "TRUNCATE legacy_es.es_enrollment",
            f"INSERT INTO legacy_es.es_policy (health_contract_id, owner_user_id) VALUES ({legacy.contract}, {owner})",
        ):
            with psycopg.connect(legacy.url) as connection:
                if stage in ("READ_CORE", "CORE"):
                    with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState, match="READ_CORE"):
                        connection.execute(statement.encode())
                else:
                    connection.execute(statement.encode())
                connection.rollback()
        assert len(legacy.changed(primary_id, inserted(legacy, policy, primary_id)).rows) == 2

    def test_the_id_of_user_4711(self, legacy: Legacy) -> None:
        given = UUID("9f0c7a34-31d4-4e0e-8f5a-0d8b5a7f1c11")
        with psycopg.connect(legacy.url) as connection:
            connection.execute(
                "INSERT INTO legacy_es.es_user (id, global_user_id) VALUES (4711, NULL), (4712, %s)", [given]
            )
        policy = legacy.policy(4711)
        legacy.row(policy, 4712)
        member_id = UUID("6166ffb3-324a-599b-9578-5b9aca33b4af")
        assert legacy.group_of(member_id).member_ids == {4711: member_id, 4712: given}
        legacy.add("set_global_id", 4711, UUID(int=1))
        assert legacy.group_of(member_id).member_ids == {4711: member_id, 4712: given}
