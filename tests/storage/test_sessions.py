"""Sessions of every kind have limits that other settings can't override, and no error contains the URL."""

import asyncio
import socket
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from domain.errors import DatabaseUnavailable
from storage.postgres import sessions
from storage.postgres.database import Connection, Database
from storage.postgres.refusals import DatabaseRefused, refused
from storage.postgres.sessions import (
    POOL,
    DatabaseUrlMalformed,
    SessionKind,
    allow_whole_tables,
    connect,
    connect_blocking,
)
from tests.support.proxy import hole_before
from tests.support.waiting import wait_until

KINDS = [kind for kind in vars(sessions).values() if isinstance(kind, SessionKind)]

SHOWN = (
    "SELECT current_setting('application_name'), current_setting('idle_in_transaction_session_timeout'),"
    " current_setting('lock_timeout'), current_setting('client_connection_check_interval'),"
    " current_setting('search_path'), current_setting('default_transaction_isolation')"
)


def shown(url: str, kind: SessionKind) -> tuple[str, ...]:
    async def ask() -> tuple[str, ...]:
        async with await connect(url, kind) as connection:
            row: tuple[str, ...] | None = await (await connection.execute(SHOWN)).fetchone()
            assert row is not None
            return row

    return asyncio.run(ask())


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_every_session_has_limits_for_waiting_and_being_idle(database_url: str, kind: SessionKind) -> None:
    name, idle, lock, check, _, _ = shown(database_url, kind)
    assert name == kind.name
    assert "0" not in (idle, lock, check)
    assert kind.lock_seconds < kind.idle_in_transaction_seconds


def test_a_server_that_freezes_while_it_sends_a_statement_loses_its_locks(own_database_url: str) -> None:
    """libpq sends large messages in pieces of 8 KiB, and a process can freeze between two of them."""
    hole = hole_before(own_database_url)
    through = make_conninfo(own_database_url, host="127.0.0.1", port=hole.port, sslmode="disable")

    async def freeze() -> None:
        database = Database(through, 1)
        await database.open()
        has_lock = asyncio.Event()

        async def work(tx: Connection) -> None:
            await tx.execute("SELECT pg_advisory_xact_lock(%s)", [4711])
            hole.swallow_within(8192)
            has_lock.set()
            await tx.execute("SELECT %s::text", ["x" * 30_000])

        frozen = asyncio.create_task(database.write(work))
        await has_lock.wait()
        try:
            with psycopg.connect(own_database_url, autocommit=True) as other:
                await asyncio.to_thread(wait_until, lambda: gets_lock(other), "the lock of the frozen server is free")
        finally:
            hole.pass_again()
            await asyncio.wait([frozen])
            await database.close()
        assert isinstance(frozen.exception(), DatabaseUnavailable)

    def gets_lock(other: psycopg.Connection) -> bool:
        return other.execute("SELECT pg_try_advisory_lock(4711)").fetchone() == (True,)

    asyncio.run(freeze())
    hole.stop()


def test_settings_of_the_database_do_not_change_those_that_our_locks_rely_on(own_database_url: str) -> None:
    with psycopg.connect(own_database_url, autocommit=True) as owner:
        name = owner.info.dbname
        for setting, value in (
            ("search_path", "'nowhere'"),
            ("default_transaction_isolation", "'serializable'"),
            ("lock_timeout", "'1ms'"),
        ):
            owner.execute(f"ALTER DATABASE {name} SET {setting} = {value}")
    _, _, lock, _, search_path, isolation = shown(own_database_url, POOL)
    assert (lock, search_path, isolation) == ("500ms", "public", "read committed")


def test_plans_made_while_a_table_is_empty_use_its_indexes(own_database_url: str) -> None:
    """Otherwise they read the whole table until the database collects statistics, however large it has become."""
    by_key = "EXPLAIN SELECT FROM answered_request WHERE request_id = ANY($1)"

    with psycopg.connect(own_database_url, autocommit=True) as owner:
        owner.execute("VACUUM ANALYZE answered_request")

    async def plan(database: Database, *, whole_tables: bool) -> str:
        async def work(tx: Connection) -> str:
            if whole_tables:
                await allow_whole_tables(tx)
            await tx.execute("SET LOCAL plan_cache_mode = force_generic_plan")
            cursor = await tx.execute(by_key.replace("$1", "%s"), [[uuid4()]], prepare=True)
            return "\n".join(str(line) for (line,) in await cursor.fetchall())

        return await database.write(work)

    async def plans() -> tuple[str, str]:
        database = Database(own_database_url, pool_size=1)
        await database.open()
        try:
            return await plan(database, whole_tables=False), await plan(database, whole_tables=True)
        finally:
            await database.close()

    usual, allowed = asyncio.run(plans())
    assert "answered_request_pkey" in usual
    assert "Seq Scan" not in usual
    assert "Seq Scan" in allowed


def test_options_in_the_url_override_ours(database_url: str) -> None:
    _, idle, *_ = shown(make_conninfo(database_url, options="-c idle_in_transaction_session_timeout=20s"), POOL)
    assert idle == "20s"


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://affilia:s3cr3t pw@127.0.0.1:1/x",
        "postgresql://affilia:s3cr3t%zz@127.0.0.1:1/x",
        "postgresql://affilia:s3cr3t@127.0.0.1:1/x?nonsense=1",
        "host=127.0.0.1 port=1 password=s3cr3t user",
        "mysql://root:s3cr3t@127.0.0.1/x",
        "s3cr3t",
    ],
)
def test_the_error_for_a_malformed_url_has_no_part_of_it(url: str) -> None:
    with pytest.raises(DatabaseUrlMalformed) as raised:
        connect_blocking(url, POOL)
    assert "s3cr3t" not in traceback_text(raised.value)


def traceback_text(error: BaseException) -> str:
    """Returns everything that a traceback of an error would print, except source lines."""
    chain = traceback.TracebackException.from_exception(error)
    return "".join(chain.format_exception_only()) + str(chain.__cause__ or "")


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"user": "stranger"}, "PostgreSQL has no role stranger; create the role or correct its name."),
        ({"dbname": "missing"}, "database missing at"),
        (
            {"dbname": "missing"},
            "PostgreSQL has no database of this name; create the database or correct its name.",
        ),
        (
            {"host": "127.0.0.1", "port": "1"},
            "Can't connect to database affilia at 127.0.0.1:1: the connection was refused because nothing listens"
            " there; start PostgreSQL or correct the host and port.",
        ),
        (
            {"host": "::1,127.0.0.1", "port": "1,2"},
            "Can't connect to database affilia at [::1,127.0.0.1]:1,2: the connection was refused",
        ),
        ({"host": "/nowhere"}, "Can't connect to database affilia at socket /nowhere:5432: the connection was refused"),
        ({"host": "nowhere.invalid"}, "at nowhere.invalid:5432: the host name can't be resolved; correct the name"),
        ({"host": "127.0.0.1", "port": "70000"}, "the port is not valid; correct the port."),
    ],
)
def test_a_refused_connection_is_reported_with_its_database_and_cause(
    database_url: str, change: dict[str, Any], sentence: str
) -> None:
    url = make_conninfo(database_url, **{"dbname": "affilia", "password": "s3cr3t", **change})
    with pytest.raises(DatabaseRefused) as raised:
        connect_blocking(url, POOL)
    assert sentence in str(raised.value)
    assert "s3cr3t" not in traceback_text(raised.value)
    assert len(str(raised.value).splitlines()) == 1


@contextmanager
def listening(answer: Callable[[socket.socket], None]) -> Iterator[int]:
    """A listener that isn't PostgreSQL: `answer` gets each connection."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        open_ones = []

        def accept() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                open_ones.append(connection)
                answer(connection)

        thread = threading.Thread(target=accept)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()
            for connection in open_ones:
                connection.close()


def silent(connection: socket.socket) -> None:
    """Never answers."""


def without_tls(connection: socket.socket) -> None:
    """Answers the request for TLS with a no, as PostgreSQL without TLS does."""
    connection.recv(8)
    connection.sendall(b"N")


@pytest.mark.parametrize(
    ("answer", "parameters", "sentence"),
    [
        (silent, "connect_timeout=2", "the host did not respond in time; correct the host and port"),
        (without_tls, "sslmode=require", "the TLS connection can't be established; check sslmode"),
    ],
)
def test_a_listener_that_is_no_usable_postgresql_is_reported_with_its_cause(
    answer: Callable[[socket.socket], None], parameters: str, sentence: str
) -> None:
    with listening(answer) as port, pytest.raises(DatabaseRefused) as raised:
        connect_blocking(f"host=127.0.0.1 port={port} dbname=affilia password=s3cr3t {parameters}", POOL)
    assert f"Can't connect to database affilia at 127.0.0.1:{port}: {sentence}" in str(raised.value)
    assert "s3cr3t" not in traceback_text(raised.value)


@pytest.mark.parametrize(
    ("libpq_message", "cause"),
    [
        ('FATAL:  password authentication failed for user "app"', "rejects the password of role app"),
        ("fe_sendauth: no password supplied", "requires a password for role app"),
        ('FATAL:  role "app" is not permitted to log in', "role app is not permitted to log in"),
        ('FATAL:  no pg_hba.conf entry for host "1.2.3.4", user "app", SSL off', "does not permit role app"),
        ("FATAL:  sorry, too many clients already", "no connection left for role app"),
        ("FATAL:  the database system is starting up", "starting up or shutting down"),
        ("FATAL:  something new", "PostgreSQL rejects the connection"),
        ("connect: No route to host", "the host can't be reached"),
        ("SSL error: certificate verify failed", "the TLS connection can't be established"),
        ("something else", "no connection can be opened"),
    ],
)
def test_every_cause_names_the_database_and_what_to_do(libpq_message: str, cause: str) -> None:
    parameters = {"host": "db", "port": "5433", "dbname": "core", "user": "app", "password": "s3cr3t"}
    sentence = str(refused(parameters, libpq_message))
    assert sentence.startswith("Can't connect to database core at db:5433: ")
    assert cause in sentence
    assert "; " in sentence


@pytest.mark.parametrize(
    "password", ["s3cr3t@s3cr3t", "s3cr3t/s3cr3t", "12345/s3cr3t", "1/2?host=s3cr3t", "s3@cr3t/s3cr3t"]
)
def test_a_password_that_breaks_the_url_is_never_taken_for_a_name_and_quoted(password: str) -> None:
    for host in ("127.0.0.1:1", "127.0.0.1"):
        with pytest.raises((DatabaseRefused, DatabaseUrlMalformed)) as raised:
            connect_blocking(f"postgresql://affilia:{password}@{host}/core?connect_timeout=2", POOL)
        text = traceback_text(raised.value)
        for part in (*password.split("@"), *password.split("/"), "cr3t", "12345"):
            assert len(part) < 4 or part not in text
        assert "percent-encode" in text.lower()


def test_a_pool_that_cannot_be_opened_reports_the_database_and_the_cause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("storage.postgres.database.OPEN_SECONDS", 0.5)

    async def open_pool() -> None:
        database = Database("postgresql://affilia:s3cr3t@127.0.0.1:1/core")
        try:
            await database.open()
        finally:
            await database.close()

    with pytest.raises(DatabaseRefused, match=r"database core at 127.0.0.1:1: the connection was refused") as raised:
        asyncio.run(open_pool())
    assert "s3cr3t" not in traceback_text(raised.value)
