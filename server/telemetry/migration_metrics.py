"""The metrics of migrations from legacy tables, by country. Without legacy sources, there are none."""

from collections.abc import Iterable, Mapping

from prometheus_client import REGISTRY
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from domain.migration.legacy import FindingKind
from domain.migration.stages import Stage
from operations.migration_counts import MigrationCounts


class MigrationMetrics(Collector):
    """Counts of this process, read when they are scraped, and what `migration_watcher.py` has read last."""

    def __init__(self) -> None:
        self.counts = MigrationCounts()
        self.stages: Mapping[str, Stage] = {}
        self.findings: Mapping[str, Mapping[str, int]] = {}
        """The rows with findings at the last comparison, by country and kind."""

    def collect(self) -> Iterable[Metric]:
        """Yields the metrics. Every stage of a country in migration, and every kind after a comparison, has a value."""
        yield _gauge(
            "stage",
            "1 for the stage of a country's migration, 0 for the other stages.",
            "stage",
            {country: {each.value: each is stage for each in Stage} for country, stage in self.stages.items()},
        )
        yield _gauge(
            "findings",
            "Legacy rows with a finding, at the last comparison of a country.",
            "kind",
            {of: {kind.value: found.get(kind.value, 0) for kind in FindingKind} for of, found in self.findings.items()},
        )
        yield self._counter("reads", "Groups that were read from legacy tables to answer calls.", self.counts.reads)
        yield self._counter(
            "read_differences",
            "Groups read in the stage READ_CORE for which the core would have answered differently.",
            self.counts.read_differences,
        )
        yield self._counter("alignments", "Groups aligned with their legacy rows.", self.counts.alignments)
        yield self._counter(
            "writes_back", "Changes of groups that were written to legacy tables.", self.counts.writes_back
        )
        yield self._counter(
            "overwritten",
            "Groups in the stage CORE whose rows another program had changed and that were overwritten.",
            self.counts.overwritten,
        )

    def _counter(self, name: str, documentation: str, values: Mapping[str, int]) -> Metric:
        """Returns a counter. Countries in migration that have counted nothing have the value 0."""
        family = CounterMetricFamily(f"affilia_migration_{name}", documentation, labels=["country"])
        for country in sorted({*values, *self.stages}):
            family.add_metric([country], values.get(country, 0))
        return family


def _gauge(name: str, documentation: str, label: str, values: Mapping[str, Mapping[str, int]]) -> Metric:
    family = GaugeMetricFamily(f"affilia_migration_{name}", documentation, labels=["country", label])
    for country, of_country in sorted(values.items()):
        for value, number in of_country.items():
            family.add_metric([country, value], number)
    return family


MIGRATION_METRICS = MigrationMetrics()
REGISTRY.register(MIGRATION_METRICS)
