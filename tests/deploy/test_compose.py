"""The compose file: it follows the specification, its files exist, and the programs know its settings."""

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from server.secure_settings import insecurities
from server.settings import Settings
from tests.deploy.monitoring_files import ALERTS
from tests.packaging.environments import ROOT, program

FOLDER = ROOT / "deploy" / "compose"
COMPOSE_GO = "github.com/compose-spec/compose-go/v2@v2.16.2"
"""The Go module that Docker Compose parses files with. It contains the schema of the specification."""

EXAMPLE: dict[str, str] = dict(re.findall(r"^(\w+)=(.*)$", (FOLDER / "example.env").read_text(), re.M))


def compose() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((FOLDER / "compose.yaml").read_text())
    return found


def schema_of_the_specification() -> dict[str, Any]:
    """Returns the schema. Skips the test without Go or the module."""
    done = subprocess.run(
        [program("go"), "mod", "download", "-json", COMPOSE_GO],
        cwd="/",
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    if done.returncode:
        pytest.skip(f"go cannot fetch {COMPOSE_GO}")
    found: dict[str, Any] = json.loads(Path(json.loads(done.stdout)["Dir"], "schema", "compose-spec.json").read_text())
    return found


def test_the_file_follows_the_specification() -> None:
    schema = schema_of_the_specification()
    jsonschema.validators.validator_for(schema)(schema).validate(compose())
    broken = compose()
    broken["services"]["server"]["stop_grace_periods"] = "1s"
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validators.validator_for(schema)(schema).validate(broken)


@pytest.fixture(scope="module")
def loader(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program of the library that Docker Compose loads files with. Skips the test without Go or the library."""
    folder = tmp_path_factory.mktemp("compose-go")
    package = COMPOSE_GO.replace("@", "/cmd@")
    built = subprocess.run(
        [program("go"), "install", package],
        cwd="/",
        env={**os.environ, "GOBIN": str(folder)},
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    if built.returncode:
        pytest.skip(f"go cannot build {package}")
    return folder / "cmd"


def loaded(loader: Path, folder: Path, text: str) -> subprocess.CompletedProcess[str]:
    (folder / "compose.yaml").write_text(text)
    command: list[str | Path] = [loader, "--format", "json", "compose.yaml"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=120)


def test_docker_composes_own_library_loads_the_file(loader: Path, tmp_path: Path) -> None:
    text = (FOLDER / "compose.yaml").read_text()
    # This program ignores the environment, so its variables are replaced before.
    filled = re.sub(r"\$\{\w+[^}]*\}", "filled", text)
    done = loaded(loader, tmp_path, filled)
    assert done.returncode == 0, done.stderr
    services = json.loads(done.stdout)["services"]
    assert services.keys() == compose()["services"].keys()
    assert services["server"]["environment"]["AFFILIA_DATABASE_URL"] == "postgresql://affilia:filled@postgres/affilia"
    assert services["migrate"]["read_only"] is services["server"]["read_only"] is True  # from the anchor
    assert loaded(loader, tmp_path, filled.replace("stop_grace_period:", "stop_grace_time:")).returncode != 0


def test_services_name_only_existing_networks_and_services() -> None:
    file = compose()
    for service in file["services"].values():
        assert set(service["networks"]) <= file["networks"].keys()
        assert set(service.get("depends_on", ())) <= file["services"].keys()


def test_variables_without_a_value_are_rejected(loader: Path, tmp_path: Path) -> None:
    done = loaded(loader, tmp_path, (FOLDER / "compose.yaml").read_text())
    assert done.returncode != 0
    named = set(re.findall(r"required variable (\w+) is missing a value: set it in \.env", done.stderr))
    assert {name for name, value in EXAMPLE.items() if not value} <= named


def test_every_mounted_file_exists_except_certificates() -> None:
    mounts = [mount for service in compose()["services"].values() for mount in service.get("volumes", ())]
    sources = [mount.partition(":")[0] for mount in mounts if mount.startswith(".")]
    missing = [source for source in sources if not (FOLDER / source).exists()]
    assert all(source.startswith("./certificates") for source in missing)
    named = {mount.partition(":")[0] for mount in mounts if not mount.startswith(".")}
    assert named == compose()["volumes"].keys()


def test_every_variable_is_in_the_example() -> None:
    used = set(re.findall(r"\$\{(\w+)", (FOLDER / "compose.yaml").read_text()))
    assert used == set(re.findall(r"^(\w+)=", (FOLDER / "example.env").read_text(), re.M))


def test_the_server_accepts_its_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    of_image = dict(re.findall(r"(AFFILIA_\w+)=(\S+)", (ROOT / "deploy" / "Containerfile").read_text()))
    filled = {
        "AFFILIA_TOKEN_KEYS": "https://login.example.com/keys",
        "AFFILIA_PASSWORD": "x",
        "AFFILIA_TOKEN_ISSUER": "me",
    }
    for name, value in (of_image | compose()["services"]["server"]["environment"]).items():
        text = re.sub(r"\$\{(\w+)(?::[-?]([^}]*))?\}", lambda found: filled.get(found[1], found[2] or ""), value)
        monkeypatch.setenv(name, text)
    settings = Settings()
    assert insecurities(settings) == []
    assert settings.database_url == "postgresql://affilia:x@postgres/affilia"
    grace = compose()["services"]["server"]["stop_grace_period"]
    assert int(grace.removesuffix("s")) > settings.drain_seconds


def test_our_containers_have_no_privileges_and_a_read_only_file_system() -> None:
    for name in ("migrate", "server", "console"):
        service = compose()["services"][name]
        assert service["read_only"]
        assert service["cap_drop"] == ["ALL"]
    assert compose()["networks"]["database"] == {"internal": True}
    reaching = {name for name, service in compose()["services"].items() if "database" in service.get("networks", ())}
    assert reaching == {"postgres", "migrate", "server"}


def test_prometheus_scrapes_the_job_that_alerts_and_dashboard_use() -> None:
    settings = yaml.safe_load((FOLDER / "prometheus.yml").read_text())
    (job,) = settings["scrape_configs"]
    assert job["job_name"] == "affilia"
    assert 'job="affilia"' in ALERTS.read_text()
    mounts = compose()["services"]["prometheus"]["volumes"]
    assert f"../prometheus/alerts.yml:/etc/prometheus/{settings['rule_files'][0]}:ro" in mounts


def test_grafana_finds_the_dashboard_and_the_data_source() -> None:
    (provider,) = yaml.safe_load((FOLDER / "grafana" / "dashboards.yaml").read_text())["providers"]
    mounts = compose()["services"]["grafana"]["volumes"]
    assert f"../grafana:{provider['options']['path']}:ro" in mounts
    (source,) = yaml.safe_load((FOLDER / "grafana" / "datasource.yaml").read_text())["datasources"]
    assert source["url"] == "http://prometheus:9090"
