"""`python -m benchmarks.migration_run [policies]`: migrates sample tables (default 3000 policies), under continuous
writes from both sides, stage by stage with one step back, and kills a server at every step. Prints what happened, how
many groups per second are aligned and compared, and what a submit costs while it also writes to the legacy tables.

Nothing may differ at the end, or differ without a reason on the way; otherwise the run fails.
"""

import statistics
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import uuid4

from affilia_client import changes
from storage.postgres.embedded import EmbeddedPostgres
from storage.postgres.migrations import migrate
from tests.support.calls import admin
from tests.support.migrating import Migration, Servers, fill_sample_tables
from tests.support.migration_story import Story

POLICIES = 3000
CORE_WRITERS, OUTSIDE_WRITERS = 6, 2
GROUPS_WRITTEN = 50
SUBMITS = 60
FIRST_ON, OTHER_FIRST_ON = date(2031, 1, 1), date(2032, 1, 1)


def main() -> None:
    policies = int(sys.argv[1]) if len(sys.argv) > 1 else POLICIES
    with _tables(policies) as (servers, database_url):
        _speed(Migration(servers))
    with _tables(policies) as (servers, database_url):
        story = Story(Migration(servers), database_url, CORE_WRITERS, OUTSIDE_WRITERS, GROUPS_WRITTEN, _say)
        story.play()
    for fault in story.faults:
        print(f"FAULT {fault}")
    raise SystemExit(1 if story.faults else 0)


def _say(line: str) -> None:
    print(line, flush=True)


@contextmanager
def _tables(policies: int) -> Iterator[tuple[Servers, str]]:
    """Yields two servers on a new database with sample tables, and the URL of the database for other programs."""
    with TemporaryDirectory() as name:
        postgres = EmbeddedPostgres.start(Path(name) / "postgres")
        try:
            migrate(postgres.url)
            fill_sample_tables(postgres.url, policies)
            servers = Servers(Path(name), postgres.url)
            try:
                yield servers, postgres.url
            finally:
                servers.stop()
        finally:
            postgres.stop()


def _speed(migration: Migration) -> None:
    """Measures each step without other writers, and submits in each stage.

    Submits alternate between a group of the migrated country and one of the same size in a country of the core, so that
    both see the same machine.
    """
    migration.begin()
    began = time.monotonic()
    status = migration.status()
    _say(f"ListMigrations: {status.legacy_groups} groups in {time.monotonic() - began:.2f} s")
    migration.move("TRANSLATE", "DUAL_WRITE")
    _backfill(migration, "backfill of missing groups")
    _backfill(migration, "backfill without anything to do")
    _compare(migration)
    core = _core_only(migration)
    _submits(migration, core, "DUAL_WRITE")
    migration.move("DUAL_WRITE", "READ_CORE", reason="a benchmark", force=True)
    _backfill(migration, "backfill in READ_CORE")
    _compare(migration)
    _submits(migration, core, "READ_CORE")
    migration.move("READ_CORE", "CORE")
    _submits(migration, core, "CORE")
    migration.move("CORE", "RETIRED", reason="a benchmark")
    _submits(migration, core, "RETIRED")


def _backfill(migration: Migration, what: str) -> None:
    done = migration.backfill()
    rate = done.progress.groups / done.seconds
    _say(
        f"{what}: {done.progress.groups} groups ({done.progress.aligned} aligned, {done.progress.written_back} written"
        f" back) in {done.seconds:.1f} s: {rate:.0f} groups/s"
    )


def _compare(migration: Migration) -> None:
    compared = migration.compare()
    kinds = dict(compared.kinds) or "none"
    _say(f"comparison: differences: {kinds}; {compared.groups / compared.seconds:.0f} groups/s")


def _core_only(migration: Migration) -> Migration:
    """Publishes a contract like the migrated one that isn't mapped."""
    other = Migration(migration.servers)
    migration.servers.client(0).catalog.publish_contract(request_id=str(uuid4()), contract=other.contract)
    return other


def _submitter(migration: Migration) -> Callable[[], float]:
    """Returns a function that moves somebody, who is alone in a new group, between two modules.

    It returns the seconds that the submit took.
    """
    client, primary_id = migration.servers.client(0), str(uuid4())
    client.members.upsert_member(
        request_id=str(uuid4()), member={"member_id": primary_id, "kind": "MEMBER_KIND_PERSON"}
    )
    client.members.record_facts(request_id=str(uuid4()), member_id=primary_id, birth={"born_on": date(1980, 6, 1)})
    health = migration.modules["ESENCIAL"], migration.modules["COMPLETA"]
    number = 0

    def submit() -> float:
        nonlocal number
        number += 1
        first_on = FIRST_ON if number % 4 < 2 else OTHER_FIRST_ON
        change = changes.enroll(primary_id, health[number % 2], "PRIMARY", first_on=first_on)
        began = time.monotonic()
        client.changes.submit_change_request(
            group=migration.key(primary_id), requester=admin("a benchmark"), changes=[change]
        )
        return time.monotonic() - began

    return submit


def _submits(migration: Migration, core: Migration, stage: str) -> None:
    """Measures submits for new groups, which therefore have as many decisions in each stage."""
    submit, submit_to_core = _submitter(migration), _submitter(core)
    seconds = [(submit(), submit_to_core()) for _ in range(SUBMITS)]
    migrated, alone = (statistics.median(column) * 1000 for column in zip(*seconds, strict=True))
    _say(
        f"submit in {stage}: {migrated:.1f} ms, in a country of the core {alone:.1f} ms:"
        f" {migrated / alone:.2f} times as long"
    )


if __name__ == "__main__":
    main()
