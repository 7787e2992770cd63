"""Migrations that change stored data, on databases of earlier releases."""

from datetime import UTC, date, datetime
from uuid import UUID, uuid4

import psycopg
import pytest
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from psycopg.types.json import Jsonb
from sqlalchemy.exc import ProgrammingError

from domain.actors import BEFORE_ACTORS
from domain.days import Span
from domain.enrollment.decisions import Change, Enroll, GroupKey, Leave, Requester, RequesterRole, ScopedChange
from domain.enrollment.history import ChangeRequest
from domain.enrollment.verdicts import Verdict
from domain.membership import MembershipType
from storage.postgres import migrations
from storage.postgres.documents import actor_from_document, change_request_to_document
from tests.conftest import a_database

MEMBER, MODULE = UUID(int=1), UUID(int=2)
FROM_MARCH = Span.between(date(2026, 3, 1), None)
ENROLL = Enroll(MEMBER, MembershipType.PRIMARY, MODULE, FROM_MARCH)
LEAVE, LEAVE_ALL = Leave(MEMBER, MODULE, FROM_MARCH), Leave(MEMBER, None, FROM_MARCH)


def upgraded_to_just_before(postgres_url: str, file_name: str) -> None:
    """Migrates an empty database to the schema before a migration."""
    config = Config()
    config.set_main_option("script_location", str(migrations.MIGRATIONS))
    config.attributes["url"] = postgres_url
    scripts = ScriptDirectory.from_config(config)
    (migration,) = (script for script in scripts.walk_revisions() if script.path.endswith(file_name))
    assert isinstance(migration.down_revision, str)
    command.upgrade(config, migration.down_revision)


def add_request(
    connection: psycopg.Connection, changes: list[Change], overridden: tuple[str, ...], verdict: Verdict
) -> int:
    """Adds a group with one request, and returns the group's key."""
    key = GroupKey(uuid4(), MEMBER)
    row = connection.execute(
        "INSERT INTO enrollment_group (group_id, contract_id, primary_id, recorded_at)"
        " VALUES (%s, %s, %s, now()) RETURNING group_key",
        [uuid4(), *key],
    ).fetchone()
    assert row
    request = ChangeRequest(
        change_request_id=uuid4(),
        request_id=uuid4(),
        group_id=uuid4(),
        key=key,
        requester=Requester(RequesterRole.ADMIN, "admin", "a test"),
        changes=tuple(ScopedChange(change) for change in changes),
        overridden_rules=overridden,
        accept_consequences=False,
        verdict=verdict,
        violations=(),
        notices=(),
        consequences=(),
        revision=1,
        made_revision=True,
        recorded_at=datetime.now(UTC),
        actor=BEFORE_ACTORS,
    )
    connection.execute(
        "INSERT INTO change_request (change_request_id, group_key, approved, revision, recorded_at, document)"
        " VALUES (%s, %s, %s, 1, now(), %s)",
        [uuid4(), row[0], verdict == Verdict.APPROVED, Jsonb(change_request_to_document(request))],
    )
    group_key: int = row[0]
    return group_key


def test_groups_with_an_overridden_leave_are_recomputed_after_an_upgrade(postgres_url: str) -> None:
    with a_database(postgres_url, migrated=False) as url:
        upgraded_to_just_before(url, "_overrides_of_leaves.py")
        with psycopg.connect(url) as connection:
            approved, rejected = Verdict.APPROVED, Verdict.REJECTED
            concerned = {
                add_request(connection, [LEAVE], ("R1",), approved),
                add_request(connection, [LEAVE_ALL], ("COMMITMENT_NOT_ELAPSED", "R1"), approved),
                add_request(connection, [LEAVE, ENROLL], ("R1",), approved),
            }
            already_waiting = add_request(connection, [LEAVE], ("R1",), approved)
            add_request(connection, [ENROLL], ("R1",), approved)
            add_request(connection, [LEAVE], ("COMMITMENT_NOT_ELAPSED",), approved)
            add_request(connection, [LEAVE], (), approved)
            add_request(connection, [LEAVE], ("R1",), rejected)
            connection.execute(
                "INSERT INTO recompute (recompute_id, group_key, trigger, requested_at)"
                " VALUES (%s, %s, 'FACTS', now())",
                [uuid4(), already_waiting],
            )
        assert migrations.migrate(url)
        with psycopg.connect(url) as connection:
            waiting = connection.execute(
                "SELECT group_key FROM recompute WHERE done_at IS NULL AND failed_at IS NULL ORDER BY group_key"
            ).fetchall()
        assert waiting == [(key,) for key in sorted({*concerned, already_waiting})]


WRITTEN_WITHOUT_ACTORS = """
INSERT INTO enrollment_group (group_id, contract_id, primary_id, recorded_at)
    VALUES (%(id)s, %(id)s, %(id)s, now());
INSERT INTO member_revision (member_id, revision, recorded_at, document) VALUES (%(id)s, 1, now(), '{}');
INSERT INTO contract_revision (contract_id, revision, recorded_at, document) VALUES (%(id)s, 1, now(), '{}');
INSERT INTO recompute (recompute_id, group_key, trigger, requested_at)
    SELECT %(id)s, group_key, 'FACTS', now() FROM enrollment_group WHERE group_id = %(id)s;
INSERT INTO premium_run (run_id, fingerprint, first_month, last_month, stopped, policies, recorded_at)
    VALUES (%(id)s, '', 0, 0, false, 0, now());
INSERT INTO accumulator_application (application_id, fingerprint, group_id, member_id, service_on, term_start, answer,
                                     recorded_at)
    VALUES (%(id)s, '', %(id)s, %(id)s, '2026-01-01', '2026-01-01', '{}', now());
INSERT INTO accumulator_reversal (application_key, answer, recorded_at)
    SELECT application_key, '{}', now() FROM accumulator_application WHERE application_id = %(id)s;
SELECT add_audit_entry('a call', '/affilia.test.v1.Probe/Write', 'ADMIN', 'ada',
                       jsonb_build_object('member_id', %(id)s::text), 0, 'OK');
SELECT erase_member(%(id)s, '2026-01-01', false, 'a call')
"""
"""What a server of a release without actors writes. It also inserts change requests (`add_request`)."""


@pytest.mark.parametrize("before", ["_actors.py", "_audit_search.py", ""])
def test_what_was_written_without_an_actor_has_the_actor_before_actors(postgres_url: str, before: str) -> None:
    """Either before the upgrade, or after it by a server of an earlier release."""
    written = uuid4()
    with a_database(postgres_url, migrated=not before) as url:
        if before:
            upgraded_to_just_before(url, before)
        with psycopg.connect(url) as connection:
            for statement in WRITTEN_WITHOUT_ACTORS.split(";\n"):
                connection.execute(statement, {"id": written})
            add_request(connection, [ENROLL], (), Verdict.APPROVED)
        assert migrations.migrate(url) is bool(before)
        with psycopg.connect(url) as connection:
            for table in (
                *("member_revision", "contract_revision", "change_request", "recompute", "premium_run"),
                *("accumulator_application", "accumulator_reversal", "erasure"),
            ):
                found = connection.execute(f"SELECT actor FROM {table}").fetchall()
                assert [actor_from_document(actor) for (actor,) in found] == [BEFORE_ACTORS], table
            listed = connection.execute(
                "SELECT method, subject, on_behalf_of FROM"
                " list_audit_entries(%s, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 10)",
                [written],
            ).fetchall()
        erased, wrote = listed
        assert wrote == ("/affilia.test.v1.Probe/Write", "ada", "")
        assert (erased[0], erased[2]) == ("/affilia.database/erase_member", "")


def test_lists_get_the_contracts_and_totals_of_earlier_rows_and_of_older_servers(postgres_url: str) -> None:
    with a_database(postgres_url, migrated=False) as url:
        upgraded_to_just_before(url, "0017_lists_for_operators.py")
        with psycopg.connect(url) as connection:
            groups = [add_request(connection, [ENROLL], (), Verdict.APPROVED) for _ in range(2)]
            recompute(connection, groups[0])
            with_three_parts(connection)
        assert migrations.migrate(url)
        with psycopg.connect(url) as connection:
            rest = "UPDATE premium_run_part SET done = true, offsets = 1, entries = 10, failed = 1 WHERE NOT done"
            connection.execute(rest)  # as a server of the previous release does it
            connection.execute("UPDATE premium_run_part SET done = true")
            groups.append(add_request(connection, [ENROLL], (), Verdict.REJECTED))
            recompute(connection, groups[2])
            totals = connection.execute("SELECT policies, done, failed, offsets, entries FROM premium_run").fetchall()
            assert totals == [(5, 5, 2, 3, 30)]
            for table, count in (("change_request", 3), ("recompute", 2)):
                stored = connection.execute(
                    f"SELECT t.contract_id = g.contract_id FROM {table} t JOIN enrollment_group g USING (group_key)"
                ).fetchall()
                assert stored == [(True,)] * count


def test_the_migration_for_lists_can_be_repeated_after_it_failed_in_the_middle(postgres_url: str) -> None:
    with a_database(postgres_url, migrated=False) as url:
        upgraded_to_just_before(url, "0017_lists_for_operators.py")
        with psycopg.connect(url) as connection:
            group = add_request(connection, [ENROLL], (), Verdict.APPROVED)
            before = connection.execute("SELECT version_num FROM alembic_version").fetchone()
            # An index cannot be built while a table of its name exists.
            connection.execute("CREATE TABLE recompute_listed_index ()")
        with pytest.raises(ProgrammingError, match="recompute_listed_index"):
            migrations.migrate(url)
        with psycopg.connect(url) as connection:
            assert connection.execute("SELECT version_num FROM alembic_version").fetchone() == before
            connection.execute("DROP TABLE recompute_listed_index")
            recompute(connection, group)
        assert migrations.migrate(url)
        with psycopg.connect(url) as connection:
            invalid = connection.execute("SELECT count(*) FROM pg_index WHERE NOT indisvalid").fetchone()
            assert invalid == (0,)


WRITTEN_WITHOUT_HISTORIES = """
INSERT INTO enrollment_group (group_id, contract_id, primary_id, recorded_at) VALUES (%(id)s, %(id)s, %(id)s, now());
INSERT INTO member_revision (member_id, revision, recorded_at, document) VALUES
    (%(id)s, 1, now(), '{"display_name": "Ada", "facts": {}}'),
    (%(id)s, 2, now(), '{"display_name": "Ada", "facts": {"born_on": "2000-01-01"}}'),
    (%(id)s, 3, now(), '{"display_name": "Ida", "facts": {"born_on": "2000-01-01"}}');
WITH price AS (
    INSERT INTO premium_price (price_id, module_id, beneficiary_type, service_type, currency_code, contribution_types,
                               billed_entities, debtors, monthly_minor, document)
        VALUES (%(id)s, %(id)s, '', '', 'EUR', '{}', '{}', '{PRIMARY}', '{100}', '{}') RETURNING price_key),
stretch AS (
    INSERT INTO premium_stretch (group_key, contract_id, enrollment_id, member_id, first_month, last_month, price_key,
                                 version, revision, recorded_at)
        SELECT group_key, %(id)s, %(id)s, %(id)s, 0, 0, price_key, 1, 1, now() FROM enrollment_group, price
        WHERE group_id = %(id)s RETURNING stretch_key)
INSERT INTO premium_invoice_mark (stretch_key, month, debtor, invoice_id, recorded_at)
    SELECT stretch_key, 0, 'PRIMARY', 'an invoice', now() FROM stretch;
INSERT INTO accumulator_application (application_id, fingerprint, group_id, member_id, service_on, term_start, answer,
                                     recorded_at)
    VALUES (%(id)s, '', %(id)s, %(id)s, '2026-01-01', '2026-01-01', '{}', now());
INSERT INTO accumulator_reversal (application_key, answer, recorded_at)
    SELECT application_key, '{}', now() FROM accumulator_application WHERE application_id = %(id)s
"""
"""What a server of a release without histories writes."""

HISTORIES = "0016_history_of_records.py"


def write_without_histories(connection: psycopg.Connection) -> None:
    written = uuid4()
    for statement in WRITTEN_WITHOUT_HISTORIES.split(";\n"):
        connection.execute(statement, {"id": written})


def check_owners_and_kinds(connection: psycopg.Connection, writes: int) -> None:
    """Fails unless everything that was written without histories is in the history of its owner, as what it is."""
    kinds = connection.execute("SELECT kind FROM member_revision ORDER BY member_id, revision").fetchall()
    assert [kind for (kind,) in kinds] == ["RECORD", "FACT", "RECORD"] * writes
    marks = connection.execute(
        "SELECT m.group_key = s.group_key FROM premium_invoice_mark m JOIN premium_stretch s USING (stretch_key)"
    ).fetchall()
    reversals = connection.execute(
        "SELECT r.group_id = a.group_id FROM accumulator_reversal r"
        " JOIN accumulator_application a USING (application_key)"
    ).fetchall()
    assert marks == reversals == [(True,)] * writes


def test_histories_have_what_older_servers_wrote_before_and_after_the_upgrade(postgres_url: str) -> None:
    with a_database(postgres_url, migrated=False) as url:
        upgraded_to_just_before(url, HISTORIES)
        with psycopg.connect(url) as connection:
            write_without_histories(connection)
        assert migrations.migrate(url)
        with psycopg.connect(url) as connection:
            write_without_histories(connection)
            check_owners_and_kinds(connection, writes=2)


def test_the_migration_for_histories_can_be_repeated_after_it_failed_in_the_middle(postgres_url: str) -> None:
    with a_database(postgres_url, migrated=False) as url:
        upgraded_to_just_before(url, HISTORIES)
        with psycopg.connect(url) as connection:
            write_without_histories(connection)
            # An index cannot be built while a table of its name exists.
            connection.execute("CREATE TABLE recompute_history_index ()")
        with pytest.raises(ProgrammingError, match="recompute_history_index"):
            migrations.migrate(url)
        with psycopg.connect(url) as connection:
            connection.execute("DROP TABLE recompute_history_index")
            write_without_histories(connection)
        assert migrations.migrate(url)
        with psycopg.connect(url) as connection:
            check_owners_and_kinds(connection, writes=2)
            invalid = connection.execute("SELECT count(*) FROM pg_index WHERE NOT indisvalid").fetchone()
            assert invalid == (0,)


def recompute(connection: psycopg.Connection, group_key: int) -> None:
    connection.execute(
        "INSERT INTO recompute (recompute_id, group_key, trigger, requested_at) VALUES (%s, %s, 'ADMIN', now())",
        [uuid4(), group_key],
    )


def with_three_parts(connection: psycopg.Connection) -> None:
    """Adds a run over five policies, with one part done and two left."""
    connection.execute(
        "WITH run AS (INSERT INTO premium_run (run_id, fingerprint, first_month, last_month, stopped, policies,"
        " recorded_at) VALUES (%s, '', 0, 0, false, 5, now()) RETURNING run_key)"
        " INSERT INTO premium_run_part (run_key, part, group_keys, done, offsets, entries, failed)"
        " SELECT run_key, part, keys::bigint[], part = 0, 1 - least(part, 1), 10 * (1 - least(part, 1)), 0 FROM run,"
        " (VALUES (0, '{1,2}'), (1, '{3,4}'), (2, '{5}')) AS parts (part, keys)",
        [uuid4()],
    )
