"""What this process has done for migrations, by country, for metrics."""

from collections import Counter
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class MigrationCounts:
    """Groups that legacy tables answered for, those that the core would have answered differently (in READ_CORE),
    alignments of groups, groups whose days were written to legacy tables, and those of them whose rows somebody had
    changed in a stage in which groups aren't aligned.
    """

    reads: Counter[str] = field(default_factory=Counter)
    read_differences: Counter[str] = field(default_factory=Counter)
    alignments: Counter[str] = field(default_factory=Counter)
    writes_back: Counter[str] = field(default_factory=Counter)
    overwritten: Counter[str] = field(default_factory=Counter)
