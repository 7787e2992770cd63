"""The metrics page lists what a server exports, and alerts and dashboard use only what the page lists."""

import re
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any

import grpc
import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from affilia.catalog.v1.catalog_service_pb2 import GetContractRequest, ListContractsRequest
from affilia.catalog.v1.catalog_service_pb2_grpc import CatalogServiceStub
from tests.deploy.monitoring_files import (
    ALERT_TESTS,
    ALERTS,
    OF_PROMETHEUS,
    documented,
    expressions,
    grouped,
    panels,
    rules,
    selected,
)
from tests.deploy.programs import program_of_ci
from tests.docs.markdown import ROOT, anchors
from tests.support.calls import new_id
from tests.support.channels import connected_to
from tests.support.http_probes import MonitoredServer, asked
from tests.support.processes import SeveralProcesses
from tests.support.waiting import wait_until

SCRAPED = frozenset({"job", "instance"})
"""Labels that Prometheus adds when it scrapes."""
DIMENSIONS = 24


@pytest.fixture(scope="module")
def scraped(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The metrics of a server that has answered calls."""
    server = MonitoredServer(tmp_path_factory.mktemp("scraped"))
    try:
        with connected_to(server.address) as channel:
            stub: Any = CatalogServiceStub(channel)
            stub.ListContracts(ListContractsRequest())
            with pytest.raises(grpc.RpcError):
                stub.GetContract(GetContractRequest(contract_id=new_id()))
            with pytest.raises(grpc.RpcError):
                channel.unary_unary("/made.up/Name")(b"")  # type: ignore[arg-type]
            health: Any = channel.unary_stream("/grpc.health.v1.Health/Watch")
            watch = health(b"", timeout=300)
            next(watch)
            watch.cancel()
            cancelled = 'grpc_code="Canceled",grpc_method="Watch"'
            wait_until(lambda: cancelled in asked(server.monitoring, "/metrics")[1], "the cancelled stream is counted")
        return asked(server.monitoring, "/metrics")[1] + "\n"
    finally:
        server.stop()


def samples(text: str) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_every_exported_series_is_documented_with_its_labels(scraped: str) -> None:
    page = documented()
    found = {name: frozenset(label for label, _ in labels) for name, labels in samples(scraped)}
    assert {name: labels for name, labels in found.items() if name not in page or labels != page[name].labels} == {}


def test_every_metric_without_labels_is_exported(scraped: str) -> None:
    exported = {name for name, _ in samples(scraped)}
    of_servers = {name for name, metric in documented().items() if not metric.labels}
    assert of_servers - exported == {"affilia_processes_ready"}


def test_the_parent_exports_only_documented_series(tmp_path: Path) -> None:
    server = SeveralProcesses(tmp_path)
    text = asked(server.metrics.removesuffix("/metrics"), "/metrics")[1] + "\n"
    server.stop()
    names = {name for name, _ in samples(text)}
    assert names <= documented().keys()
    assert "affilia_processes_ready" in names


def test_calls_have_the_names_of_grpc_middlewares(scraped: str) -> None:
    found = samples(scraped)

    def value(name: str, **labels: str) -> float:
        return found.get((name, frozenset(labels.items())), 0.0)

    catalog = {"grpc_type": "unary", "grpc_service": "affilia.catalog.v1.CatalogService"}
    listing, getting = {**catalog, "grpc_method": "ListContracts"}, {**catalog, "grpc_method": "GetContract"}
    watching = {"grpc_type": "server_stream", "grpc_service": "grpc.health.v1.Health", "grpc_method": "Watch"}
    unknown = {"grpc_type": "unary", "grpc_service": "unknown", "grpc_method": "unknown"}
    for labels, code in ((listing, "OK"), (getting, "NotFound"), (watching, "Canceled"), (unknown, "Unimplemented")):
        assert value("grpc_server_started_total", **labels) == 1
        assert value("grpc_server_handled_total", **labels, grpc_code=code) == 1
        assert value("grpc_server_handling_seconds_count", **labels) == 1
        assert value("grpc_server_handling_seconds_bucket", **labels, le="+Inf") == 1


def test_promtool_accepts_the_metrics(scraped: str) -> None:
    promtool = program_of_ci("promtool")
    checked = subprocess.run(
        [promtool, "check", "metrics"], input=scraped, capture_output=True, text=True, check=False, timeout=120
    )
    assert (checked.returncode, checked.stdout + checked.stderr) == (0, "")


def test_promtool_accepts_the_alerts_and_their_tests_pass() -> None:
    promtool = program_of_ci("promtool")
    for arguments in (("check", "rules", "--lint-fatal", ALERTS), ("test", "rules", ALERT_TESTS)):
        checked = subprocess.run(
            [promtool, *arguments], capture_output=True, text=True, check=False, timeout=120, cwd=ROOT
        )
        assert checked.returncode == 0, checked.stdout + checked.stderr


def test_every_alert_has_a_history_that_fires_it_and_one_that_does_not() -> None:
    fired: Counter[str] = Counter()
    silent: Counter[str] = Counter()
    for test in yaml.safe_load(ALERT_TESTS.read_text())["tests"]:
        for expected in test["alert_rule_test"]:
            (fired if expected["exp_alerts"] else silent)[expected["alertname"]] += 1
    names = {rule["alert"] for rule in rules()}
    assert fired.keys() == names == silent.keys()


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: str(rule["alert"]))
def test_every_alert_names_a_section_of_the_runbook(rule: dict[str, Any]) -> None:
    document, _, anchor = rule["annotations"]["runbook"].partition("#")
    assert anchor in anchors(Path(document))
    assert rule["annotations"]["summary"].endswith(".")
    assert rule["labels"]["severity"] in ("page", "ticket")


@pytest.mark.parametrize(("name", "expression"), list(expressions()))
def test_every_query_reads_documented_metrics_by_their_labels(name: str, expression: str) -> None:
    page, read = documented(), list(selected(expression))
    assert read, name
    labels: set[str] = set(SCRAPED)
    for metric, matched in read:
        if metric not in OF_PROMETHEUS:
            assert metric in page, f"{name} reads {metric}, which isn't in the metrics page"
            assert matched <= page[metric].labels | SCRAPED, f"{name} selects {metric} by labels that it doesn't have"
            labels |= page[metric].labels
    assert grouped(expression) <= labels


def test_a_query_of_an_unknown_metric_is_found() -> None:
    query = 'histogram_quantile(0.9, sum by (le) (rate(made_up_bucket{job="x",a!="b"}[5m]))) > other'
    assert list(selected(query)) == [("made_up_bucket", frozenset({"job", "a"})), ("other", frozenset())]


def test_the_dashboard_has_one_place_and_id_for_each_panel() -> None:
    assert len({panel["id"] for panel in panels()}) == len(panels())
    taken: Counter[tuple[int, int]] = Counter()
    for panel in panels():
        grid = panel["gridPos"]
        assert grid["x"] + grid["w"] <= DIMENSIONS
        taken.update(
            (x, y) for x in range(grid["x"], grid["x"] + grid["w"]) for y in range(grid["y"], grid["y"] + grid["h"])
        )
    assert set(taken.values()) == {1}


def test_the_variables_of_the_dashboard_exist() -> None:
    declared = {"datasource", "job", "instance", "__rate_interval"}
    used = {name for _, expression in expressions() for name in re.findall(r"\$\{?(\w+)", expression)}
    assert used <= declared


def test_promtool_parses_every_query_of_the_dashboard(tmp_path: Path) -> None:
    promtool, rules_file = program_of_ci("promtool"), tmp_path / "dashboard.yml"

    def checked(queries: list[str]) -> subprocess.CompletedProcess[str]:
        recorded = [{"record": f"dashboard:{n}", "expr": query} for n, query in enumerate(queries)]
        rules_file.write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": recorded}]}))
        command: list[str | Path] = [promtool, "check", "rules", rules_file]
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)

    # Grafana replaces its variables before Prometheus parses a query.
    queries = [
        target["expr"].replace("$__rate_interval", "5m") for panel in panels() for target in panel.get("targets", ())
    ]
    assert len(queries) > 20
    done = checked(queries)
    assert done.returncode == 0, done.stdout + done.stderr
    assert checked([*queries, "sum by (le) (rate(affilia_calls_total[5m])"]).returncode != 0


def test_promtool_accepts_the_configuration_of_the_compose_file() -> None:
    file = ROOT / "deploy" / "compose" / "prometheus.yml"
    command: list[str | Path] = [program_of_ci("promtool"), "check", "config", "--syntax-only", file]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
