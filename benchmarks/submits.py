"""Measures durable SubmitChangeRequest calls from 64 requesters with a group each. For comparison, pgbench makes the
same row writes in one transaction each, with 64 clients, on the same database and tables, in the same run.

pgbench comes with Debian's PostgreSQL. Without it, only the calls are measured. All requesters run in one Python
process beside the server, which needs as much CPU as the server.
"""

import re
import subprocess
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory

import psycopg

from benchmarks.running import calls_per_second
from storage.postgres.embedded import EmbeddedPostgres
from tests.conftest import ServerProcess
from tests.support.calls import Family, admin
from tests.support.channels import connected_to

REQUESTERS = 64
SECONDS = 8
NAMED_IDS = 6
"""Number of ids in the audit entry of a submit."""
PGBENCH = sorted(Path("/usr/lib/postgresql").glob("*/bin/pgbench"))

WRITES = """
\\set g random(1, {groups})
BEGIN;
SELECT pg_advisory_xact_lock((random() * 1e15)::bigint);
UPDATE enrollment_group SET revision = revision + 1, recorded_at = clock_timestamp()
    WHERE group_key = :g RETURNING revision \\gset
INSERT INTO change_request (change_request_id, group_key, approved, revision, recorded_at, document)
    VALUES (gen_random_uuid(), :g, false, :revision, clock_timestamp(),
            jsonb_build_object('changes', '[]'::jsonb, 'text', repeat('x', {document_bytes})))
    RETURNING change_request_key \\gset
INSERT INTO enrollment_revision (group_key, revision, recorded_at, change_request_key, policy_event)
    VALUES (:g, :revision, clock_timestamp(), :change_request_key, 'CHANGED') RETURNING revision_key \\gset
INSERT INTO enrollment_period (revision_key, member_id, module_id, slot_id, membership_type, days)
    VALUES (:revision_key, gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), 'PRIMARY', '[2026-01-01,)');
INSERT INTO enrollment_difference (revision_key, group_key, member_id, membership_type, module_id, kinds, gained, lost)
    VALUES (:revision_key, :g, gen_random_uuid(), 'PRIMARY', gen_random_uuid(), '{{STARTED}}', '{{[2026-01-01,)}}',
            '{{}}');
WITH added AS (INSERT INTO event (event_id, group_key, kind, revision_key, recorded_at, member_ids)
    VALUES (gen_random_uuid(), :g, 'POLICY_CHANGED', :revision_key, clock_timestamp(), '{{}}')
    RETURNING event_key, recorded_at)
    INSERT INTO feed_pending (event_key, recorded_at) SELECT event_key, recorded_at FROM added;
INSERT INTO answered_request (request_id, fingerprint, answer, recorded_at)
    VALUES (gen_random_uuid(), '\\\\x00', '{{}}', clock_timestamp());
WITH added AS (INSERT INTO audit_entry (recorded_at, call_id, method, caller_kind, subject, ids, outcome)
    VALUES (clock_timestamp(), md5(random()::text), 'Submit', 'SYSTEM', 'dev', '{{}}', 'OK') RETURNING entry_key)
    INSERT INTO audit_entry_id (named_id, entry_key)
    SELECT gen_random_uuid(), entry_key FROM added, generate_series(1, {named_ids});
COMMIT;
"""


def measure() -> None:
    with TemporaryDirectory() as folder:
        postgres = EmbeddedPostgres.start(Path(folder) / "database")
        try:
            calls = _submits(Path(folder), postgres.url)
            if PGBENCH:
                writes = _pgbench(Path(folder), postgres.url)
                print(f"pgbench, the same rows, {REQUESTERS} clients: {writes:.0f} transactions/s")
                print(f"SubmitChangeRequest is {calls / writes:.2f} of it (target 0.80)")
            else:
                print("no pgbench here: nothing to compare with")
        finally:
            postgres.stop()


def _submits(folder: Path, url: str) -> float:
    server = ServerProcess(folder / "server", "--database-url", url, "--max-calls", "200")
    with connected_to(server.address) as channel:
        families = [Family(channel).set_up() for _ in range(REQUESTERS)]
        numbers = [count() for _ in families]

        def submit(caller: int) -> None:
            family, n = families[caller], next(numbers[caller])
            module = family.plus if n % 2 else family.base
            family.submit(family.enroll(module, "2026-01-01"), requester=admin())

        rate = calls_per_second(submit, REQUESTERS, SECONDS)
        history = sum(next(n) for n in numbers) / REQUESTERS
    server.stop()
    print(
        f"SubmitChangeRequest: {rate:.0f} calls/s, {REQUESTERS} requesters;"
        f" each group ended with {history:.0f} decisions, all replayed by every submit"
    )
    return rate


def _pgbench(folder: Path, url: str) -> float:
    with psycopg.connect(url, autocommit=True) as connection:
        row = connection.execute(
            "SELECT (SELECT max(group_key) FROM enrollment_group), avg(pg_column_size(document))::int"
            " FROM change_request"
        ).fetchone()
    assert row is not None  # noqa: S101 (an aggregate gives a row)
    script = folder / "writes.sql"
    script.write_text(WRITES.format(groups=row[0], document_bytes=row[1], named_ids=NAMED_IDS))
    parts = psycopg.conninfo.conninfo_to_dict(url)
    done = subprocess.run(
        [
            PGBENCH[-1], "--no-vacuum", "--protocol=prepared", f"--client={REQUESTERS}", "--jobs=2",
            f"--time={SECONDS}", f"--file={script}", "--host", str(parts["host"]), "--username", str(parts["user"]),
            str(parts["dbname"]),
        ],
        capture_output=True,
        text=True,
        check=True,
    )  # fmt: skip
    report = re.search(r"tps = ([\d.]+)", done.stdout)
    if report is None:
        raise RuntimeError(done.stdout + done.stderr)
    return float(report[1])
