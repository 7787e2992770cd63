"""A server with legacy sources: what it needs to start."""

from pathlib import Path

import psycopg
import pytest

from server.settings import Settings
from storage.postgres.embedded import EmbeddedPostgres
from tests.conftest import ServerProcess
from tools import legacy_sample


def test_a_country_without_a_source_is_rejected(tmp_path: Path) -> None:
    with pytest.raises(
        RuntimeError, match=r"AFFILIA_LEGACY_SOURCES: must be countries with a source \(ES\), got XX, DE"
    ):
        ServerProcess(tmp_path, environment={"AFFILIA_LEGACY_SOURCES": "ES,XX,DE"})


@pytest.mark.parametrize(("text", "countries"), [("", ()), ("ES", ("ES",)), (" ES, ES,", ("ES",))])
def test_sources_are_countries_separated_by_commas(text: str, countries: tuple[str, ...]) -> None:
    assert Settings.model_validate({"legacy_sources": text}).legacy_sources == countries


def test_a_server_does_not_start_without_the_tables_of_its_sources(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match=r"AFFILIA_LEGACY_SOURCES: ES needs .* SELECT ON legacy_es\.es_user"):
        ServerProcess(tmp_path, "--legacy-sources", "ES")


def test_the_embedded_database_grants_the_privileges_on_existing_tables(tmp_path: Path) -> None:
    assert legacy_sample.main(["--data-dir", str(tmp_path), "--policies", "3"]) == 0
    server = ServerProcess(tmp_path, "--legacy-sources", "ES")
    embedded = EmbeddedPostgres.start(tmp_path)
    try:
        with psycopg.connect(embedded.url_of("affilia")) as connection:
            row = connection.execute("SELECT count(*) FROM legacy_es.es_policy").fetchone()
        assert row == (6,)
    finally:
        server.stop()
        embedded.stop()
