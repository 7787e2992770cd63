"""A server that starts stores the locators of all records only if some may be missing."""

from datetime import datetime

import psycopg
import pytest

from storage.locator_progress import ALL_LOCATORS, COMPLETE, INCOMPLETE, LOCATORS
from tests.rpc.test_projection import Servers, servers
from tests.support.insured import Insured
from tests.support.waiting import wait_until

__all__ = ["servers"]

ON = "2026-06-15"


class Passes:
    """Servers that run one after the other on one database, and what they store about locators."""

    def __init__(self, servers: Servers, url: str) -> None:
        self._servers = servers
        self._url = url
        self.insured = self._started().set_up()

    def _started(self) -> Insured:
        ids = self.insured.family.ids() if hasattr(self, "insured") else {}
        return self._servers.insured(self._servers.start(), **ids)

    def restart(self) -> None:
        self._servers.running[-1].stop()
        self.insured = self._started()

    def execute(self, statement: str, *parameters: object) -> list[tuple[object, ...]]:
        with psycopg.connect(self._url, autocommit=True) as connection:
            cursor = connection.execute(statement.encode(), parameters)
            return cursor.fetchall() if cursor.description else []

    def complete_pass_at(self) -> datetime | None:
        """Returns when the last pass began, or None while it isn't complete."""
        statement = "SELECT moved_at FROM projection_checkpoints WHERE name = %s AND position = %s"
        rows = self.execute(statement, ALL_LOCATORS, COMPLETE)
        at = rows[0][0] if rows else None
        assert at is None or isinstance(at, datetime)
        return at

    def after_an_amendment(self) -> datetime | None:
        """Returns the same after the server has stored the locators of a contract that was amended."""
        ((amended,),) = self.execute("SELECT count(*) + 1 FROM contract_revision")
        self.insured.family.amend(self.insured.contract(physio=8))
        mark = "SELECT 1 FROM projection_checkpoints WHERE name = %s AND position >= %s"
        wait_until(lambda: self.execute(mark, LOCATORS, amended), "the locators are up to date")
        return wait_until(self.complete_pass_at, "a pass is complete")


@pytest.fixture
def passes(servers: Servers, own_database_url: str) -> Passes:
    passes = Passes(servers, own_database_url)
    passes.insured.enroll("2026-01-01")
    passes.insured.records(ON)
    passes.after_an_amendment()
    return passes


def test_a_restarted_server_stores_no_locators_again(passes: Passes) -> None:
    before = passes.complete_pass_at()
    passes.restart()
    assert passes.after_an_amendment() == before


def test_a_restarted_server_stores_locators_of_contracts_amended_meanwhile(passes: Passes) -> None:
    before = passes.complete_pass_at()
    passes.execute("UPDATE projection_checkpoints SET position = position - 1 WHERE name = %s", LOCATORS)
    passes.restart()
    assert passes.after_an_amendment() != before


def test_a_restarted_server_stores_all_locators_if_some_were_missed(passes: Passes) -> None:
    passes.execute("UPDATE projection_checkpoints SET position = %s WHERE name = %s", INCOMPLETE, ALL_LOCATORS)
    passes.restart()
    assert passes.after_an_amendment() is not None


def test_a_restarted_server_stores_all_locators_after_a_day(passes: Passes) -> None:
    statement = (
        "UPDATE projection_checkpoints SET moved_at = moved_at - interval '25 hours' WHERE name = %s RETURNING moved_at"
    )
    ((before,),) = passes.execute(statement, ALL_LOCATORS)
    passes.restart()
    wait_until(lambda: passes.complete_pass_at() not in (None, before), "another pass is complete")
