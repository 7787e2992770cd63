"""A server of the previous release keeps serving while its database is migrated, then alongside a new server (L7)."""

import subprocess
from collections.abc import Iterator
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
"""The previous release until the repository has a tag: the last commit before migration 0025."""

ROLE = "affilia_test_serving"
FURTHER = 30


def previous_release() -> str:
    """Returns the newest tag before the working tree, or the fallback. Skips the test without history."""
    tagged = git("describe", "--tags", "--abbrev=0", "--match", "v*", "HEAD^")
    commit = tagged.stdout.strip() if tagged.returncode == 0 else FALLBACK
    if git("cat-file", "-e", f"{commit}^{{commit}}").returncode:
        pytest.skip(f"the history of this checkout doesn't have {commit}")
    return commit


def git(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.fixture
def old_tree(tmp_path: Path) -> Iterator[Path]:
    """The files of the previous release."""
    folder = tmp_path / "old-release"
    added = git("worktree", "add", "--detach", folder, previous_release())
    assert added.returncode == 0, added.stderr
    yield folder
    git("worktree", "remove", "--force", folder)


class OldServer(ServerProcess):
    """A server of the previous release."""

    def __init__(self, tree: Path, data_dir: Path, *flags: str) -> None:
        self.tree = tree
        super().__init__(data_dir, *flags)


def test_a_server_of_the_previous_release_serves_during_and_after_the_migration_beside_a_new_one(
    postgres_url: str, old_tree: Path, tmp_path: Path
) -> None:
    with a_database(postgres_url, migrated=False) as owner:
        serving = application_url(owner)
        old = OldServer(old_tree, tmp_path / "old", "--database-url", serving, "--migration-url", owner)
        assert schema_of(owner) != HEAD, "the new release has a migration"
        on_old = Submitting(old.address)
        on_old.wait_for_further(FURTHER)
        migrate(owner, ROLE)
        assert schema_of(owner) == HEAD
        on_old.wait_for_further(FURTHER)
        new = ServerProcess(tmp_path / "new", "--database-url", serving)
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
