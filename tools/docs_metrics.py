"""The page of metrics, from server/telemetry/ and server/processes/group.py."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Any

from prometheus_client import Counter, Gauge, Histogram

from server.processes import group
from server.telemetry import call_metrics, metrics, migration_metrics
from tools.docs_services import GENERATED

BEGINNING = """\
# Metrics

A server exports its metrics for Prometheus at `/metrics` on `AFFILIA_METRICS_LISTEN`, which also serves its
[probes](../operating.md#probes). Values are those of one server process since its start. Labels never contain ids,
names or other data of callers.

A histogram has three series: `_bucket` with the label `le`, `_sum` and `_count`. The unit of a condition is `0 or 1`.
"""
SERVER = """\
## The server

`method` is the full name of a gRPC method, such as `/affilia.catalog.v1.MemberService/GetMember`, or `unknown` for
methods that the server doesn't have. `code` is the name of a status, such as `NOT_FOUND`.
"""
GRPC = """\
## Calls, under names of gRPC middlewares

The same calls under the names that gRPC middlewares of other languages use, so that existing dashboards work.
`grpc_type` is `unary`, `client_stream`, `server_stream` or `bidi_stream`. `grpc_code` is spelled as in Go, for example
`NotFound` or `Canceled`.
"""
MIGRATION = """\
## Migrations from legacy tables

Only servers with `AFFILIA_LEGACY_SOURCES` export these metrics, with a value for each country.
"""
PARENT = """\
## The parent of several processes

If `AFFILIA_PROCESSES` is above 1, the parent's endpoint exports these metrics, and those of its own process.
"""
PROCESS = """\
## The process

Every endpoint exports `process_…`, which exist only on Linux. The parent doesn't export `python_…`.
"""
OF_THE_LIBRARY = (
    ("process_cpu_seconds_total", "counter", "", "User and system CPU time."),
    ("process_open_fds", "gauge", "", "Open file descriptors."),
    ("process_max_fds", "gauge", "", "Maximum number of open file descriptors."),
    ("process_resident_memory_bytes", "gauge", "", "Resident memory."),
    ("process_virtual_memory_bytes", "gauge", "", "Virtual memory."),
    ("process_start_time_seconds", "gauge", "", "Start of the process since the Unix epoch."),
    ("python_gc_collections_total", "counter", "generation", "Runs of the garbage collector."),
    ("python_gc_objects_collected_total", "counter", "generation", "Objects that the garbage collector freed."),
    ("python_gc_objects_uncollectable_total", "counter", "generation", "Objects that could not be freed."),
    ("python_info", "gauge", "implementation, major, minor, patchlevel, version", "1, with the Python version."),
)
"""The metrics that prometheus-client adds. They depend on the system, so they can't be read from the library."""


@dataclass(frozen=True, slots=True)
class Described:
    """One metric. `name` is the name of its series in Prometheus, without the suffixes of a histogram."""

    name: str
    type: str
    labels: str
    meaning: str

    @property
    def unit(self) -> str:
        stem = self.name.removesuffix("_total")
        for unit in ("seconds", "bytes", "position"):
            if stem.endswith(f"_{unit}"):
                return unit
        return "0 or 1" if self.meaning.startswith("1") else "number"

    def row(self) -> str:
        labels = ", ".join(f"`{label}`" for label in self.labels.split(", ") if label)
        return f"| `{self.name}` | {self.type} | {labels} | {self.unit} | {self.meaning} |"


def metrics_page() -> str:
    """Returns the page, in the order in which the metrics are declared."""
    sections = (
        (SERVER, chain(_of_calls("affilia_"), _declared(metrics))),
        (GRPC, _of_calls("grpc_")),
        (MIGRATION, map(_described, migration_metrics.MigrationMetrics().collect())),
        (PARENT, _declared(group)),
        (PROCESS, (Described(*row) for row in OF_THE_LIBRARY)),
    )
    return "\n".join([GENERATED, BEGINNING, *(_section(text, described) for text, described in sections)])


def _section(text: str, described: Iterable[Described]) -> str:
    rows = "\n".join(each.row() for each in described)
    return f"{text}\n| metric | type | labels | unit | meaning |\n|---|---|---|---|---|\n{rows}\n"


def _of_calls(prefix: str) -> Iterator[Described]:
    return (_described(each) for each in call_metrics.CALL_METRICS.describe() if each.name.startswith(prefix))


def _declared(module: Any) -> Iterator[Described]:
    """Yields the metrics that a module declares itself."""
    for value in vars(module).values():
        if isinstance(value, Counter | Gauge | Histogram):
            (family,) = value.describe()
            yield _described(family, value._labelnames)


def _described(family: Any, labels: Iterable[str] | None = None) -> Described:
    name = f"{family.name}_total" if family.type == "counter" else family.name
    return Described(
        name, family.type, ", ".join(family._labelnames if labels is None else labels), family.documentation
    )
