"""A server of the previous release keeps serving while its database is migrated, then alongside a new server (L7)."""

import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psycopg
import pytest

from storage.postgres.migrations import HEAD, make_application_role, migrate
from tests.conftest import ROOT, ServerProcess, a_database
from tests.rpc.test_processes import Submitting
from tests.support.calls import Family
from tests.support.channels import connected_to
from tests.support.feeds import BEGINNING, Filter, next_events, watching

FALLBACK = "5fe47874199853292df5f6b04c8d3a4b9cbd78a1"
"""The previous release while no tagged one has an older schema: the last commit before migration 0025."""

VERSIONS = "storage/postgres/migrations/versions/"
ROLE = "affilia_test_serving"
FURTHER = 30


def release_before_the_newest_migration() -> str:
    """Returns the newest release before HEAD that doesn't have the newest migration, or else the fallback."""
    tagged = git("tag", "--list", "v*", "--merged", "HEAD^", "--sort=-version:refname").stdout.split()
    return next((tag for tag in tagged if not has_newest_migration(tag)), FALLBACK)


def has_newest_migration(commit: str) -> bool:
    names = git("ls-tree", "--name-only", commit, VERSIONS).stdout.split()
    return any(Path(name).name.startswith(f"{HEAD}_") for name in names)


def newest_release() -> str | None:
    """Returns the newest tag before HEAD, if there is one."""
    found = git("describe", "--tags", "--abbrev=0", "--match", "v*", "HEAD^")
    return found.stdout.strip() if found.returncode == 0 else None


def git(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)


@contextmanager
def tree_of(release: str, folder: Path) -> Iterator[Path]:
    """The files of a release. Skips the test if the history doesn't have it."""
    if git("cat-file", "-e", f"{release}^{{commit}}").returncode:
        pytest.skip(f"the history of this checkout doesn't have {release}")
    added = git("worktree", "add", "--detach", folder, release)
    assert added.returncode == 0, added.stderr
    try:
        yield folder
    finally:
        git("worktree", "remove", "--force", folder)


class OldServer(ServerProcess):
    """A server of the previous release."""

    def __init__(self, tree: Path, data_dir: Path, *flags: str) -> None:
        self.tree = tree
        super().__init__(data_dir, *flags)


def test_a_server_of_the_previous_release_serves_during_and_after_the_migration_beside_a_new_one(
    postgres_url: str, tmp_path: Path
) -> None:
    with tree_of(release_before_the_newest_migration(), tmp_path / "old-release") as old_tree:
        serve_both(old_tree, postgres_url, tmp_path, is_migrating=True)


def test_a_server_of_the_newest_release_with_the_same_schema_serves_beside_a_new_one(
    postgres_url: str, tmp_path: Path
) -> None:
    release = newest_release()
    if release is None or not has_newest_migration(release):
        pytest.skip("no release has the schema of the working tree")
    with tree_of(release, tmp_path / "old-release") as old_tree:
        serve_both(old_tree, postgres_url, tmp_path, is_migrating=False)


def serve_both(old_tree: Path, postgres_url: str, tmp_path: Path, *, is_migrating: bool) -> None:
    """Runs an old server under load, migrates its database, and adds a new server. Compares what they report."""
    with a_database(postgres_url, migrated=False) as owner, ExitStack() as on_failure:
        serving = application_url(owner)
        old = OldServer(old_tree, tmp_path / "old", "--database-url", serving, "--migration-url", owner)
        on_failure.callback(old.kill)
        assert (schema_of(owner) != HEAD) == is_migrating
        on_old = Submitting(old.address)
        on_old.wait_for_further(FURTHER)
        migrate(owner, ROLE)
        assert schema_of(owner) == HEAD
        on_old.wait_for_further(FURTHER)
        new = ServerProcess(tmp_path / "new", "--database-url", serving)
        on_failure.callback(new.kill)
        on_new = Submitting(new.address)
        for submitting in (on_old, on_new):
            submitting.wait_for_further(FURTHER)
        for submitting in (on_old, on_new):
            submitting.stop()
            assert submitting.faults == []
            for server in (old, new):
                submitting.check_stored(server.address)
        families = [*on_old.families, *on_new.families]
        assert groups(old, families) == groups(new, families)
        assert feed(old, families) == feed(new, families)
        assert old.stop() == 0
        again = OldServer(old_tree, tmp_path / "again", "--database-url", serving)
        on_failure.callback(again.kill)
        assert groups(again, families) == groups(new, families)
        assert [again.stop(), new.stop()] == [0, 0]


def application_url(owner: str) -> str:
    make_application_role(owner, ROLE)
    with psycopg.connect(owner, autocommit=True) as connection:
        connection.execute(f"ALTER ROLE {ROLE} PASSWORD 'test'")
    return psycopg.conninfo.make_conninfo(owner, user=ROLE, password="test")


def schema_of(url: str) -> str:
    with psycopg.connect(url) as connection:
        row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    assert row
    return str(row[0])


def groups(server: ServerProcess, families: list[Family]) -> list[object]:
    """Returns the state of each family's group, as a server reports it."""
    with connected_to(server.address) as channel:
        return [Family(channel, **family.ids()).group() for family in families]


def feed(server: ServerProcess, families: list[Family]) -> list[tuple[int, str]]:
    """Returns position and id of the events of the families, as a server delivers them."""
    wanted = Filter(contract_ids=[family.contract_id for family in families])
    count = sum(group.revision for group in groups(server, families))  # type: ignore[attr-defined]
    with connected_to(server.address) as channel, watching(channel, BEGINNING, wanted) as stream:
        return [(event.position, event.event_id) for event in next_events(stream, count)[:count]]
