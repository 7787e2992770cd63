"""The worker that clears caches after erasures keeps its server id when the supervisor restarts it."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import psycopg
import pytest

from operations.core import core_on
from server.workers import erasure_watcher
from server.workers.erasure_watcher import ErasureWatcher
from server.workers.supervisor import Supervisor, Worker
from storage.postgres.database import Database


def test_a_check_that_the_database_cancels_is_repeated_by_the_same_server(monkeypatch: pytest.MonkeyPatch) -> None:
    servers: list[Any] = []

    async def changes(*_: object) -> AsyncGenerator[None]:
        yield None

    async def story() -> None:
        repeated = asyncio.Event()

        async def check(_core: object, _connection: object, server_id: object) -> None:
            servers.append(server_id)
            if len(servers) == 1:
                raise psycopg.errors.QueryCanceled
            repeated.set()

        monkeypatch.setattr(erasure_watcher, "check", check)
        supervisor = Supervisor()
        supervisor.start(Worker("erasure-watcher", ErasureWatcher(core_on(Database("")), "").run, 0.01))
        await repeated.wait()
        await supervisor.stop()

    monkeypatch.setattr("storage.erasures.changes", changes)
    asyncio.run(asyncio.wait_for(story(), 30))
    assert len(servers) >= 2
    assert len(set(servers)) == 1
