"""The Helm chart: its manifests are valid for every supported Kubernetes version and reflect its values."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from server.secure_settings import insecurities
from server.settings import Settings
from tests.deploy.programs import program_of_ci
from tests.packaging.environments import ROOT, environment

CHART = ROOT / "deploy" / "helm" / "affilia"
SCHEMAS = {"kubernetes-validate": "1.37.0"}
"""A package that contains the schemas of the Kubernetes API."""
OLDEST, NEWEST = "1.27.0", "1.37.0"

REQUIRED: dict[str, Any] = {
    "database": {"existingSecret": "affilia-database"},
    "migration": {"existingSecret": "affilia-owner"},
    "tokens": {"keysUrl": "https://login.example.com/keys", "issuer": "https://login.example.com"},
    "tls": {"existingSecret": "affilia-tls"},
}
PEER = {"podSelector": {"matchLabels": {"app": "claims"}}}
EVERYTHING: dict[str, Any] = {
    **REQUIRED,
    "processes": 4,
    "internal": {
        "enabled": True,
        "clientCaSecret": "claims-ca",
        "identities": {"claims.internal": "eligibility.read claims.write"},
        "allowedFrom": [PEER],
    },
    "networkPolicy": {"publicFrom": [PEER], "monitoringFrom": [PEER]},
    "autoscaling": {"enabled": True, "callsInFlight": 30},
    "monitoring": {"podMonitor": True},
    "settings": {"AFFILIA_POOL_SIZE": 40, "AFFILIA_CHANNELZ": True},
    "envFrom": [{"secretRef": {"name": "more"}}],
    "imagePullSecrets": [{"name": "registry"}],
    "podAnnotations": {"a": "b"},
    "podLabels": {"team": "members"},
    "nodeSelector": {"disk": "fast"},
    "tolerations": [{"operator": "Exists"}],
    "priorityClassName": "high",
}
MINIMAL: dict[str, Any] = {
    **REQUIRED,
    "migration": {"enabled": False},
    "tls": {"existingSecret": ""},
    "plaintext": True,
    "tokens": {"keysConfigMap": "keys", "issuer": "me"},
    "networkPolicy": {"enabled": False},
    "disruptionBudget": {"enabled": False},
    "service": {"headless": False},
}
CASES = {"required": REQUIRED, "everything": EVERYTHING, "minimal": MINIMAL}


def helm(*arguments: str | Path, values: Any, folder: Path) -> subprocess.CompletedProcess[str]:
    """Runs Helm with values from a file in the folder."""
    file = folder / "values.yaml"
    file.write_text(yaml.safe_dump(values))
    return subprocess.run(
        [program_of_ci("helm"), *arguments, CHART, "--values", file],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        env={"HOME": str(folder), "PATH": "/usr/bin:/bin"},
    )


def rendered(values: Any, folder: Path, version: str = NEWEST) -> list[dict[str, Any]]:
    """Returns the manifests."""
    done = helm("template", "test", "--kube-version", version, values=values, folder=folder)
    assert done.returncode == 0, done.stderr
    return [document for document in yaml.safe_load_all(done.stdout) if document]


def only(kind: str, manifests: list[dict[str, Any]]) -> dict[str, Any]:
    (found,) = (each for each in manifests if each["kind"] == kind)
    return found


def container(manifest: dict[str, Any]) -> dict[str, Any]:
    (found,) = manifest["spec"]["template"]["spec"]["containers"]
    return dict(found)


def variables(of: dict[str, Any]) -> dict[str, str]:
    """Returns the variables of a container, without those from secrets."""
    return {each["name"]: each["value"] for each in of["env"] if "value" in each}


@pytest.mark.parametrize("values", CASES.values(), ids=CASES)
def test_the_linter_finds_nothing(values: Any, tmp_path: Path) -> None:
    done = helm("lint", "--strict", "--kube-version", NEWEST, values=values, folder=tmp_path)
    assert done.returncode == 0, done.stdout
    assert "[WARNING]" not in done.stdout


@pytest.mark.parametrize("version", [OLDEST, NEWEST])
@pytest.mark.parametrize("values", CASES.values(), ids=CASES)
def test_manifests_are_valid_for_the_api(values: Any, version: str, tmp_path: Path) -> None:
    manifests = [each for each in rendered(values, tmp_path, version) if "coreos" not in each["apiVersion"]]
    python = environment("kubernetes-schemas", SCHEMAS)
    file = tmp_path / "manifests.yaml"
    file.write_text(yaml.safe_dump_all(manifests))
    command: list[str | Path] = [
        python,
        "-m",
        "kubernetes_validate",
        "--strict",
        "--kubernetes-version",
        version.rpartition(".")[0],
        file,
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(re.findall(r"\bpassed\b", done.stdout)) == len(manifests), done.stdout
    manifests[0]["spec"]["made_up"] = True
    file.write_text(yaml.safe_dump_all(manifests))
    assert subprocess.run(command, capture_output=True, check=False, timeout=300).returncode != 0


@pytest.mark.parametrize("values", [REQUIRED, EVERYTHING, MINIMAL], ids=CASES)
def test_the_server_accepts_its_settings(values: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server = container(only("Deployment", rendered(values, tmp_path)))
    for name, value in variables(server).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AFFILIA_DATABASE_URL", "postgresql://affilia@db/affilia")
    settings = Settings()
    assert insecurities(settings) == []
    assert settings.processes == values.get("processes", 1)
    ports = {port["name"]: port["containerPort"] for port in server["ports"]}
    listened = {int(address.rpartition(":")[2]) for address in (settings.listen, settings.metrics_listen)}
    assert listened <= set(ports.values())
    assert len(ports) == 2 + bool(values.get("internal")) + (settings.processes if settings.processes > 1 else 0)


def test_servers_run_without_privileges_and_never_see_the_owner_of_the_tables(tmp_path: Path) -> None:
    manifests = rendered(EVERYTHING, tmp_path)
    deployment, job = only("Deployment", manifests), only("Job", manifests)
    for manifest in (deployment, job):
        pod, of_container = manifest["spec"]["template"]["spec"], container(manifest)["securityContext"]
        assert pod["securityContext"]["runAsNonRoot"]
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert pod["automountServiceAccountToken"] is False
        assert of_container["readOnlyRootFilesystem"]
        assert of_container["allowPrivilegeEscalation"] is False
        assert of_container["capabilities"] == {"drop": ["ALL"]}
    secrets = {
        each["name"]: each["valueFrom"]["secretKeyRef"]["name"] for each in container(job)["env"] if "valueFrom" in each
    }
    assert secrets == {"AFFILIA_DATABASE_URL": "affilia-database", "AFFILIA_MIGRATION_URL": "affilia-owner"}
    assert "affilia-owner" not in json.dumps(deployment)
    assert job["metadata"]["annotations"]["helm.sh/hook"] == "pre-install,pre-upgrade"
    assert container(job)["args"] == ["migrate"]


def test_only_named_pods_reach_the_internal_listener(tmp_path: Path) -> None:
    def sources(values: Any) -> dict[int, Any]:
        policy = only("NetworkPolicy", rendered(values, tmp_path))
        return {rule["ports"][0]["port"]: rule.get("from") for rule in policy["spec"]["ingress"]}

    assert sources(EVERYTHING) == {50051: [PEER], 50052: [PEER], 9100: [PEER]}
    without_callers = {**EVERYTHING, "internal": {**EVERYTHING["internal"], "allowedFrom": []}}
    assert 50052 not in sources(without_callers)
    assert sources(REQUIRED) == {50051: None}


def test_the_internal_listener_is_a_service_of_its_own(tmp_path: Path) -> None:
    def ports(values: Any) -> dict[str, list[int]]:
        services = [each for each in rendered(values, tmp_path) if each["kind"] == "Service"]
        return {each["metadata"]["name"]: [port["port"] for port in each["spec"]["ports"]] for each in services}

    assert ports(EVERYTHING) == {"test-affilia": [50051], "test-affilia-internal": [50052]}
    assert ports(REQUIRED) == {"test-affilia": [50051]}
    internal = variables(container(only("Deployment", rendered(REQUIRED, tmp_path))))["AFFILIA_INTERNAL_LISTEN"]
    assert internal == "127.0.0.1:50052"


def test_probes_budget_and_grace_period_fit_the_server(tmp_path: Path) -> None:
    manifests = rendered({**EVERYTHING, "drainSeconds": 90}, tmp_path)
    deployment = only("Deployment", manifests)
    server = container(deployment)
    paths = {name: server[name]["httpGet"]["path"] for name in ("startupProbe", "livenessProbe", "readinessProbe")}
    assert paths == {"startupProbe": "/readyz", "livenessProbe": "/livez", "readinessProbe": "/readyz"}
    assert all(server[name]["timeoutSeconds"] > 5 for name in paths), "a probe answers within 5 s"
    pause = int(server["lifecycle"]["preStop"]["exec"]["command"][1])
    assert deployment["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] > 90 + pause
    assert only("PodDisruptionBudget", manifests)["spec"]["maxUnavailable"] == 1
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    for kind in ("PodDisruptionBudget", "NetworkPolicy"):
        spec = only(kind, manifests)["spec"]
        selector = (spec.get("selector") or spec.get("podSelector"))["matchLabels"]
        assert selector.items() <= labels.items()
        job_labels = only("Job", manifests)["spec"]["template"]["metadata"]["labels"]
        assert not selector.items() <= job_labels.items()


def test_the_autoscaler_follows_a_documented_metric(tmp_path: Path) -> None:
    manifests = rendered(EVERYTHING, tmp_path)
    (metric,) = only("HorizontalPodAutoscaler", manifests)["spec"]["metrics"]
    name = metric["pods"]["metric"]["name"]
    assert f"| `{name}` | gauge |" in (ROOT / "docs" / "reference" / "metrics.md").read_text()
    assert "replicas" not in only("Deployment", manifests)["spec"]


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({**REQUIRED, "database": {}}, "database.existingSecret is required"),
        ({**REQUIRED, "migration": {}}, "migration.existingSecret is required"),
        ({**REQUIRED, "tls": {}}, "tls.existingSecret is required"),
        ({**REQUIRED, "tokens": {"issuer": "x"}}, "set either tokens.keysUrl or tokens.keysConfigMap"),
        ({**REQUIRED, "tokens": {"keysUrl": "https://x/keys"}}, "tokens.issuer is required"),
        ({**REQUIRED, "internal": {"enabled": True}}, "internal.enabled requires"),
        ({**REQUIRED, "replica": 2}, "replica"),
        ({**REQUIRED, "tokens": {"keysUrl": "http://x/keys", "issuer": "x"}}, "keysUrl"),
        (
            {**REQUIRED, "settings": {"AFFILIA_DATABASE_URL": "postgresql://affilia:secret@db/affilia"}},
            "AFFILIA_DATABASE_URL",
        ),
    ],
)
def test_unusable_values_are_rejected_with_the_reason(values: Any, reason: str, tmp_path: Path) -> None:
    done = helm("template", "test", "--kube-version", NEWEST, values=values, folder=tmp_path)
    assert done.returncode != 0
    assert reason in done.stderr


def test_the_schema_describes_every_value() -> None:
    schema = json.loads((CHART / "values.schema.json").read_text())
    jsonschema.Draft7Validator.check_schema(schema)
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    jsonschema.validate(values, schema)

    def names(tree: Any, at: str = "") -> set[str]:
        if not isinstance(tree, dict) or not tree:
            return {at}
        return {name for key, value in tree.items() for name in names(value, f"{at}.{key}".strip("."))}

    used = set(re.findall(r"\.Values\.([\w.]+)", "".join(file.read_text() for file in CHART.glob("templates/*"))))
    unused = {name for name in names(values) if not any(f"{name}.".startswith(f"{each}.") for each in used)}
    assert unused == set()
