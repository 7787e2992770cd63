"""Computes how many cores, how much memory and how much disk a portfolio needs, from measured costs per call.

    python -m benchmarks.sizing                            the portfolios of docs/scaling.md
    python -m benchmarks.sizing --members 3000000 --check-us 300

Costs come from other benchmarks (see COSTS) and are inputs, as is the load. Everything else is arithmetic. The
results are estimates: measure your own calls on your own machines, and pass them.
"""

import argparse
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, replace

DAYS_PER_YEAR, HOURS_PER_DAY, SECONDS_PER_HOUR = 365, 24, 3600
KIB, GIB = 1024, 1024**3


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """The load of a portfolio. Replace the defaults with what you expect."""

    members: int
    members_per_policy: float = 2.0
    checks_per_member_day: float = 0.5
    reads_per_member_day: float = 0.2
    quotes_per_member_day: float = 0.02
    changes_per_policy_year: float = 3.0
    busy_hour_share: float = 0.2
    """The share of a day's calls in its busiest hour."""
    utilization: float = 0.5
    """The share of the cores that the busiest hour may use."""
    years: float = 5.0
    """How many years of changes and premiums are stored."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Costs:
    """Measured costs. `us` is CPU time per call in microseconds."""

    check_us: float
    read_us: float
    quote_us: float
    submit_us: float
    read_postgres_us: float
    submit_postgres_us: float
    member_bytes: float
    """Memory per member in each server process, for checks."""
    member_kib: float
    change_kib: float
    policy_year_kib: float


@dataclass(frozen=True, slots=True)
class Needs:
    """What a portfolio needs in its busiest hour."""

    calls_per_second: float
    submits_per_second: float
    server_cores: float
    postgres_cores: float
    memory_gib: float
    """Memory for checks in each server process, in addition to that of a process without members."""
    disk_gib: float


def needs(load: Load, costs: Costs) -> Needs:
    """Returns what a load needs, if costs per call don't depend on the size of the portfolio."""
    policies = load.members / load.members_per_policy
    in_busy_hour = load.busy_hour_share / SECONDS_PER_HOUR
    checks = load.members * load.checks_per_member_day * in_busy_hour
    reads = load.members * load.reads_per_member_day * in_busy_hour
    quotes = load.members * load.quotes_per_member_day * in_busy_hour
    submits = policies * load.changes_per_policy_year / DAYS_PER_YEAR * in_busy_hour
    server_us = checks * costs.check_us + reads * costs.read_us + quotes * costs.quote_us + submits * costs.submit_us
    postgres_us = reads * costs.read_postgres_us + submits * costs.submit_postgres_us
    per_policy = load.years * (load.changes_per_policy_year * costs.change_kib + costs.policy_year_kib)
    return Needs(
        calls_per_second=checks + reads + quotes + submits,
        submits_per_second=submits,
        server_cores=server_us / 1e6 / load.utilization,
        postgres_cores=postgres_us / 1e6 / load.utilization,
        memory_gib=load.members * costs.member_bytes / GIB,
        disk_gib=(load.members * costs.member_kib + policies * per_policy) * KIB / GIB,
    )


COSTS = Costs(
    check_us=343,
    read_us=378,
    quote_us=530,
    submit_us=3_210,
    read_postgres_us=128,
    submit_postgres_us=1_480,
    member_bytes=338,
    member_kib=6.3,
    change_kib=4.9,
    policy_year_kib=1.3,
)
"""Measured by `python -m benchmarks.costs_per_call 1000`, and member_bytes by `python -m benchmarks.eligibility`, on
the machine that docs/scaling.md describes."""
PORTFOLIOS = (10_000, 100_000, 1_000_000, 10_000_000, 50_000_000)

ROWS = (
    ("calls/s in the busiest hour", "calls_per_second"),
    ("change requests/s in the busiest hour", "submits_per_second"),
    ("cores for servers", "server_cores"),
    ("cores for PostgreSQL", "postgres_cores"),
    ("memory for checks in each server process, GiB", "memory_gib"),
    ("disk, GiB", "disk_gib"),
)


def markdown(loads: Sequence[Load], costs: Costs) -> str:
    """Returns a table with a column for each load."""
    found = [needs(load, costs) for load in loads]
    lines = [["members", *(f"{load.members:,}".replace(",", " ") for load in loads)]]
    lines.append(["---", *("---:" for _ in loads)])
    lines += [[title, *(_number(getattr(each, name)) for each in found)] for title, name in ROWS]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _number(value: float) -> str:
    """Returns a number with two significant digits, because the inputs don't justify more."""
    if value >= 100:
        digits = len(str(int(value))) - 2
        return f"{round(value / 10**digits) * 10**digits:,}".replace(",", " ")
    return f"{value:.2g}"


def main(arguments: Iterable[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sizing", description="Size a portfolio.")
    for of in (Load, Costs):
        for field in fields(of):
            kind = int if field.name == "members" else float
            parser.add_argument(f"--{field.name.replace('_', '-')}", type=kind)
    given = {name: value for name, value in vars(parser.parse_args(arguments)).items() if value is not None}
    members = [given.pop("members")] if "members" in given else PORTFOLIOS
    of_load = {field.name for field in fields(Load)}
    costs = replace(COSTS, **{name: value for name, value in given.items() if name not in of_load})
    changed = {name: value for name, value in given.items() if name in of_load}
    print(markdown([Load(members=number, **changed) for number in members], costs))


if __name__ == "__main__":
    main()
