"""`affilia migrate`, which migrates without serving."""

import os
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from storage.postgres.migrations import make_application_role
from tests.conftest import ROOT, ServerProcess, a_database
from tests.support.identities import FLAGS, VARIABLES

ROLE = "affilia_test_serving"


def migrate(**variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "server", "migrate"],
        cwd=ROOT,
        env={**{k: v for k, v in os.environ.items() if not k.startswith("AFFILIA_")}, **variables},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


def test_servers_start_without_the_owner_once_the_database_is_migrated(postgres_url: str, tmp_path: Path) -> None:
    with a_database(postgres_url, migrated=False) as owner:
        make_application_role(owner, ROLE)
        with psycopg.connect(owner, autocommit=True) as connection:
            connection.execute(f"ALTER ROLE {ROLE} PASSWORD 'test'")
        serving = psycopg.conninfo.make_conninfo(owner, user=ROLE, password="test")
        flags = (*FLAGS, "--database-url", serving)
        with pytest.raises(RuntimeError, match="Run `affilia migrate`"):
            ServerProcess(tmp_path / "before", *flags, environment=VARIABLES)
        for _ in range(2):
            done = migrate(AFFILIA_DATABASE_URL=serving, AFFILIA_MIGRATION_URL=owner)
            assert (done.returncode, done.stdout) == (0, "The database has the schema of this release.\n"), done.stderr
        server = ServerProcess(tmp_path / "after", *flags, environment=VARIABLES)
        assert server.stop() == 0


def test_it_runs_with_the_variables_of_the_image(postgres_url: str) -> None:
    lines = (ROOT / "deploy/Containerfile").read_text().replace("\\\n", " ").splitlines()
    variables = dict(each.split("=", 1) for line in lines if line.startswith("ENV ") for each in line.split()[1:])
    of_image = {name: value for name, value in variables.items() if name.startswith("AFFILIA_")}
    assert "AFFILIA_LISTEN" in of_image
    with a_database(postgres_url, migrated=False) as owner:
        done = migrate(**of_image, AFFILIA_DATABASE_URL=owner)
        assert (done.returncode, done.stderr) == (0, "")


def test_a_role_that_cannot_create_tables_gets_the_missing_privilege(postgres_url: str) -> None:
    with a_database(postgres_url, migrated=False) as owner:
        make_application_role(owner, ROLE)
        with psycopg.connect(owner, autocommit=True) as connection:
            connection.execute(f"ALTER ROLE {ROLE} PASSWORD 'test'")
        done = migrate(AFFILIA_DATABASE_URL=psycopg.conninfo.make_conninfo(owner, user=ROLE, password="test"))
        assert done.returncode == 1
        assert "permission denied for schema public" in done.stderr
        assert "privilege CREATE" in done.stderr


def test_a_database_that_cannot_be_reached_is_reported_in_one_sentence() -> None:
    done = migrate(AFFILIA_DATABASE_URL="postgresql://nobody@127.0.0.1:1/none")
    assert done.returncode == 1
    assert done.stderr.startswith("affilia cannot migrate: AFFILIA_DATABASE_URL: ")
    assert done.stderr.count("\n") == 1


def test_the_embedded_database_is_migrated_by_the_server_itself() -> None:
    done = migrate(AFFILIA_DATABASE_URL="embedded")
    assert done.returncode == 2
    assert "AFFILIA_DATABASE_URL is required" in done.stderr
