"""The alerts and the dashboard in deploy/, and the names of metrics in them."""

import json
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import yaml

from tests.packaging.environments import ROOT

ALERTS = ROOT / "deploy" / "prometheus" / "alerts.yml"
ALERT_TESTS = ROOT / "deploy" / "prometheus" / "alerts_test.yml"
DASHBOARD = ROOT / "deploy" / "grafana" / "affilia.json"
METRICS_PAGE = ROOT / "docs" / "reference" / "metrics.md"

METRIC_ROW = re.compile(r"^\| `(\w+)` \| (\w+) \|([^|]*)\|", re.M)
SELECTOR = re.compile(r"([A-Za-z_:]\w*)\s*(?:\{([^}]*)\}|(?=\[|$|[\s)*/+<>=-]))")
NOT_METRICS = frozenset(
    ("sum", "min", "max", "rate", "increase", "histogram_quantile", "topk", "min_over_time", "and", "or", "on", "le")
)
OF_PROMETHEUS = frozenset({"up", "ALERTS"})
"""Series that Prometheus itself creates."""


class Metric(NamedTuple):
    """A row of the metrics page."""

    type: str
    labels: frozenset[str]


def documented() -> dict[str, Metric]:
    """Returns the metrics of the page, by the names of their series."""
    found: dict[str, Metric] = {}
    for name, kind, labels in METRIC_ROW.findall(METRICS_PAGE.read_text()):
        metric = Metric(kind, frozenset(re.findall(r"`(\w+)`", labels)))
        if kind == "histogram":
            found |= {f"{name}_bucket": Metric(kind, metric.labels | {"le"})}
            found |= {f"{name}_{end}": metric for end in ("sum", "count")}
        else:
            found[name] = metric
    return found


def rules() -> list[dict[str, Any]]:
    """Returns the alerting rules."""
    (group,) = yaml.safe_load(ALERTS.read_text())["groups"]
    return list(group["rules"])


def panels() -> list[dict[str, Any]]:
    """Returns the panels of the dashboard, rows included."""
    return list(json.loads(DASHBOARD.read_text())["panels"])


def expressions() -> Iterator[tuple[str, str]]:
    """Yields each query of the alerts and the dashboard, with the name of its alert or panel."""
    yield from ((rule["alert"], rule["expr"]) for rule in rules())
    yield from ((panel["title"], target["expr"]) for panel in panels() for target in panel.get("targets", ()))
    dashboard = json.loads(DASHBOARD.read_text())
    for variable in dashboard["templating"]["list"]:
        if variable["type"] == "query":
            yield variable["name"], re.sub(r"^label_values\((.*), \w+\)$", r"\1", variable["query"]["query"])
    yield from (("annotation", each["expr"]) for each in dashboard["annotations"]["list"])


def selected(expression: str) -> Iterator[tuple[str, frozenset[str]]]:
    """Yields the metrics that a query reads, each with the labels that it filters by."""
    without_groups = re.sub(r"\bby \([^)]*\)", "", expression)
    without_strings = re.sub(r'"[^"]*"', '""', without_groups)
    for name, matchers in SELECTOR.findall(re.sub(r"\[[^\]]*\]", "", without_strings)):
        if name not in NOT_METRICS:
            yield name, frozenset(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", matchers))


def grouped(expression: str) -> frozenset[str]:
    """Returns the labels that a query groups by."""
    return frozenset(
        label.strip() for labels in re.findall(r"\bby \(([^)]*)\)", expression) for label in labels.split(",")
    )
