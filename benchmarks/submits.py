"""Measures durable SubmitChangeRequest calls: from 64 requesters, compared with pgbench, and from a single requester,
whose requests are about groups that the server hasn't cached (`single`) or has cached (`cached`).

pgbench makes the same row writes, audit entry included, in one transaction each, with 64 clients, on the same database
and tables. Both take turns. Without pgbench, only the calls are measured.

Before each load, the server catches up with the events of the one before: those of pgbench would otherwise be sequenced
and projected at the cost of the next load.

Requesters take many groups in turn, and each round has groups of its own, so that the history of a group, which a
submit depends on, is as short at the end of the run as at its beginning.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import psycopg

from benchmarks import pgbench
from benchmarks.figures import Figure
from benchmarks.groups import Groups
from benchmarks.load import Load, Outcome, run
from benchmarks.running import MeasuredServer, measured_server
from benchmarks.side_by_side import Compared, compare
from tests.support.calls import Family
from tests.support.waiting import wait_until

METHOD = "/affilia.enrollment.v1.ChangeRequestService/SubmitChangeRequest"
REQUESTERS = 64
ROUNDS = 3
SECONDS = 4
GROUPS_PER_LOAD = 1024
CACHED_GROUPS = 16
"""Few enough that each group gets its first request while the load warms up."""
RATIO = 0.45
FLAGS = ("--max-calls", "400", "--calls-per-caller", "200")

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
INSERT INTO enrollment_revision (group_key, revision, recorded_at, change_request_key, policy_event, view)
    VALUES (:g, :revision, clock_timestamp(), :change_request_key, 'CHANGED',
            nullif(repeat('x', {view_bytes}), '')::bytea)
    RETURNING revision_key \\gset
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


IS_PROJECTED = (
    "SELECT NOT EXISTS (SELECT FROM feed_pending) AND c.position >= h.position"
    " FROM feed_head h, projection_checkpoints c WHERE c.name = 'coverage'"
)


def measure() -> list[Figure]:
    with measured_server(*FLAGS) as server:
        groups = Groups(server.url, Family(server.channel).set_up(), 4 * ROUNDS * GROUPS_PER_LOAD)
        single = partial(_submit, server, groups, callers=1)
        cached = partial(_submit, server, groups, callers=1, count=CACHED_GROUPS)
        sides: dict[str, Callable[[], Outcome]] = {"submits": partial(_submit, server, groups)}
        if pgbench.program():
            groups.submit_once()
            script = _script(server)
            sides["pgbench"] = partial(
                pgbench.run, server.url, script, server.pids["postgres"], clients=REQUESTERS, seconds=SECONDS
            )
        compared = compare({**sides, "single": single, "cached": cached}, ROUNDS)
        decisions = Figure(
            name="submits.decisions_per_group", value=groups.mean_decisions(), unit="decisions", against="at the end"
        )
        return [*_figures(compared, "pgbench" in sides), decisions]


def _figures(compared: Compared, has_pgbench: bool) -> list[Figure]:
    client = compared.client("submits")
    figures = compared.figures("submits", "submits")
    for side, against in (("single", "one requester, uncached groups"), ("cached", "one requester, cached groups")):
        p50 = compared.p50_seconds(side) * 1e3
        figures.append(Figure(name=f"submits.{side}.p50", value=p50, unit="ms", against=against, client=client))
        figures += compared.figures(side, f"submits.{side}")
    if not has_pgbench:
        return figures
    ratio = compared.ratio("submits", "pgbench")
    against = f"pgbench, the same rows, {REQUESTERS} clients"
    return [
        Figure(name="submits.ratio", value=ratio, unit="x", at_least=RATIO, against=against, client=client),
        *figures,
        Figure(name="submits.pgbench.rate", value=compared.rate("pgbench"), unit="transactions/s", client="pgbench"),
        Figure(
            name="submits.pgbench.postgres_cpu",
            value=compared.cpu_us("pgbench", "postgres"),
            unit="us/transaction",
            client="pgbench",
        ),
    ]


def _submit(server: MeasuredServer, groups: Groups, callers: int = REQUESTERS, count: int = GROUPS_PER_LOAD) -> Outcome:
    _until_projected(server.url)
    load = Load(method=METHOD, requests=groups.submits(groups.take(count)), callers=callers, seconds=SECONDS)
    return run(load, server.address, pids=server.pids)


def _until_projected(url: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        wait_until(lambda: connection.execute(IS_PROJECTED).fetchone() == (True,), "all events are projected")


def _script(server: MeasuredServer) -> Path:
    """Writes pgbench's script, with documents as large and as many ids in audit entries as those of a submit."""
    with psycopg.connect(server.url) as connection:
        ((groups, document_bytes, view_bytes, named_ids),) = connection.execute(
            "SELECT (SELECT max(group_key) FROM enrollment_group),"
            " (SELECT avg(pg_column_size(document))::int FROM change_request),"
            " (SELECT coalesce(octet_length(view), 0) FROM enrollment_revision ORDER BY revision_key DESC LIMIT 1),"
            " (SELECT count(*) FROM audit_entry_id WHERE entry_key = (SELECT max(entry_key) FROM audit_entry"
            "     WHERE method LIKE '%SubmitChangeRequest'))"
        ).fetchall()
    script = server.folder / "writes.sql"
    sizes = {"document_bytes": document_bytes, "view_bytes": view_bytes, "named_ids": named_ids}
    script.write_text(WRITES.format(groups=groups, **sizes))
    return script
