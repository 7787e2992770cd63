"""Figures: what benchmarks measure, with stable names, so that two runs can be compared."""

import json
import os
import platform
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A measured value. Its name begins with that of its benchmark and never changes: `reads.now.ratio_to_grpc`."""

    name: str
    value: float
    unit: str
    at_least: float | None = None
    at_most: float | None = None
    against: str = ""
    """What the value is relative to, or was measured together with."""
    client: str = ""
    """The program that generated the load, if there was any: `go` or `python`."""

    @property
    def target(self) -> str:
        """The target in words, empty if there is none."""
        if self.at_least is not None:
            return f">= {_number(self.at_least)}"
        return "" if self.at_most is None else f"<= {_number(self.at_most)}"

    @property
    def ok(self) -> bool | None:
        """Whether the target is met; None if there is none."""
        if self.at_least is not None:
            return self.value >= self.at_least
        return None if self.at_most is None else self.value <= self.at_most


def table(figures: Iterable[Figure]) -> str:
    """Returns aligned lines, one for each figure."""
    verdicts = {True: "met", False: "MISSED", None: ""}
    return _aligned(
        (each.name, _number(each.value), each.unit, each.target, verdicts[each.ok], each.against, each.client)
        for each in figures
    )


def comparison(before: Iterable[Figure], after: Iterable[Figure]) -> str:
    """Returns aligned lines with the values of two runs and the factor between them, one for each name in either."""
    then, now = ({each.name: each for each in figures} for figures in (before, after))
    rows = [("", "before", "after", "factor", "", "target")]
    for name in dict.fromkeys([*then, *now]):
        old, new = then.get(name), now.get(name)
        factor = f"{new.value / old.value:.2f} x" if old and new and old.value else ""
        shown = new or old
        assert shown is not None  # noqa: S101 (the name is that of one of them)
        old_value, new_value = (_number(each.value) if each else "-" for each in (old, new))
        rows.append((name, old_value, new_value, factor, shown.unit, shown.target))
    return _aligned(rows)


def written(figures: Sequence[Figure], facts: Mapping[str, Any]) -> str:
    """Returns figures and the facts of their run as JSON."""
    listed = [
        {
            "name": each.name,
            "value": each.value,
            "unit": each.unit,
            "target": _limit(each),
            "ok": each.ok,
            "against": each.against,
            "client": each.client,
        }
        for each in figures
    ]
    return json.dumps({**facts, "figures": listed}, indent=2) + "\n"


def read(content: str) -> list[Figure]:
    """Returns the figures that `written` has written. Raises ValueError if the content is something else."""
    try:
        return [_figure(each) for each in json.loads(content)["figures"]]
    except (KeyError, TypeError) as error:
        raise ValueError(f"not the figures of a run: {error!r}") from error


def _limit(figure: Figure) -> str:
    """Returns the target with its exact limit."""
    if figure.at_least is not None:
        return f">= {figure.at_least}"
    return "" if figure.at_most is None else f"<= {figure.at_most}"


def _figure(listed: Mapping[str, Any]) -> Figure:
    sign, _, limit = listed["target"].partition(" ")
    return Figure(
        name=listed["name"],
        value=listed["value"],
        unit=listed["unit"],
        at_least=float(limit) if sign == ">=" else None,
        at_most=float(limit) if sign == "<=" else None,
        against=listed["against"],
        client=listed["client"],
    )


def run_facts(checkout: Path) -> dict[str, Any]:
    """Returns facts about the measured code and the machine."""
    from storage.postgres.embedded import MAJOR_VERSION

    return {
        "commit": _commit(checkout),
        "python": platform.python_version(),
        "postgresql": MAJOR_VERSION,
        "cpu": _cpu_model(),
        "cores": os.cpu_count(),
        "load_average": os.getloadavg(),
    }


def _commit(checkout: Path) -> str:
    """Returns the commit of a checkout, with `-dirty` if files differ from it."""
    described = subprocess.run(
        ["git", "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"],
        cwd=checkout,
        capture_output=True,
        text=True,
        check=False,
    )
    return described.stdout.strip() or "unknown"


def _cpu_model() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _number(value: float) -> str:
    """Returns a number with three significant digits, or all digits before the point."""
    if value == 0 or abs(value) >= 100:
        return f"{value:,.0f}"
    decimals = 2 if abs(value) < 10 else 1
    return f"{value:.{decimals}f}" if abs(value) >= 0.1 else f"{value:.3g}"


def _aligned(rows: Iterable[Sequence[str]]) -> str:
    """Returns rows as lines, columns of numbers to the right."""
    listed = list(rows)
    if not listed:
        return ""
    widths = [max(map(len, column)) for column in zip(*listed, strict=True)]
    return "\n".join("  ".join(map(_cell, row, widths)).rstrip() for row in listed)


def _cell(text: str, width: int) -> str:
    is_number = text[:1].isdigit() or text[:1] == "-"
    return text.rjust(width) if is_number else text.ljust(width)
