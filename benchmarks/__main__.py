"""`make bench`: runs all measurements, or those that are named (`make bench ARGS="start reads"`).

`--json FILE` writes all figures with facts about the run, `--compare FILE` prints those of an earlier run beside them.
"""

import argparse
from collections.abc import Callable
from pathlib import Path

from benchmarks import (
    MEASURED,
    bare,
    choices,
    consistency,
    console,
    costs_per_call,
    eligibility,
    enrollment_files,
    explanations,
    feed,
    figures,
    following,
    idle,
    migration,
    overload,
    peer,
    premiums,
    processes,
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
from benchmarks.figures import Figure
from benchmarks.running import exit_on_sigterm

MEASUREMENTS: dict[str, Callable[[], list[Figure]]] = {
    "bare": bare.measure,
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
    "idle": idle.measure,
    "quotes": quotes.measure,
    "premiums": premiums.measure,
    "following": following.measure,
    "eligibility": eligibility.measure,
    "search": search.measure,
    "overload": overload.measure,
    "processes": processes.measure,
    "console": console.measure,
    "consistency": consistency.measure,
    "costs_per_call": costs_per_call.measure,
    "enrollment_files": enrollment_files.measure,
    "peer": peer.measure,
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Run benchmarks and print their results.")
    parser.add_argument("name", nargs="*", help=f"one of {', '.join(MEASUREMENTS)}; default: all of them")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures to this file")
    parser.add_argument(
        "--compare", type=Path, metavar="FILE", help="print the figures of this file beside the new ones"
    )
    given = parser.parse_args()
    if unknown := [name for name in given.name if name not in MEASUREMENTS]:
        parser.error(f"no such benchmark: {', '.join(unknown)}")
    exit_on_sigterm()
    before = figures.read(given.compare.read_text()) if given.compare else []
    facts, measured = figures.run_facts(MEASURED), list[Figure]()
    for name in given.name or MEASUREMENTS:
        print(f"\n== {name}", flush=True)
        found = MEASUREMENTS[name]()
        print(figures.table(found), flush=True)
        measured += found
        if given.json:
            given.json.write_text(figures.written(measured, facts))
    if before:
        names = {figure.name for figure in measured}
        print(f"\n{figures.comparison([each for each in before if each.name in names], measured)}")


if __name__ == "__main__":
    main()
