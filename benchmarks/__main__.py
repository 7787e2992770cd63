"""`make bench`: runs all measurements, or those that are named (`make bench ARGS="start reads"`)."""

import argparse
from collections.abc import Callable

from benchmarks import (
    choices,
    consistency,
    eligibility,
    explanations,
    feed,
    following,
    migration,
    overload,
    premiums,
    quotes,
    reads,
    recomputes,
    reverts,
    search,
    settling,
    start,
    streams,
    submits,
)

MEASUREMENTS: dict[str, Callable[[], None]] = {
    "start": start.measure,
    "settling": settling.measure,
    "reverts": reverts.measure,
    "choices": choices.measure,
    "explanations": explanations.measure,
    "reads": reads.measure,
    "migration": migration.measure,
    "submits": submits.measure,
    "recomputes": recomputes.measure,
    "feed": feed.measure,
    "streams": streams.measure,
    "quotes": quotes.measure,
    "premiums": premiums.measure,
    "following": following.measure,
    "eligibility": eligibility.measure,
    "search": search.measure,
    "overload": overload.measure,
    "consistency": consistency.measure,
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Run benchmarks and print their results.")
    parser.add_argument("name", nargs="*", help=f"one of {', '.join(MEASUREMENTS)}; default: all of them")
    names = parser.parse_args().name
    if unknown := [name for name in names if name not in MEASUREMENTS]:
        parser.error(f"no such benchmark: {', '.join(unknown)}")
    for name in names or MEASUREMENTS:
        print(f"\n== {name}", flush=True)
        MEASUREMENTS[name]()


main()
