"""`make bench`: every measurement, or those named (`make bench ARGS="start reads"`)."""

import sys
from collections.abc import Callable

from benchmarks import eligibility, feed, overload, premiums, quotes, reads, recomputes, settling, start, submits

MEASUREMENTS: dict[str, Callable[[], None]] = {
    "start": start.measure,
    "settling": settling.measure,
    "reads": reads.measure,
    "submits": submits.measure,
    "recomputes": recomputes.measure,
    "feed": feed.measure,
    "quotes": quotes.measure,
    "premiums": premiums.measure,
    "eligibility": eligibility.measure,
    "overload": overload.measure,
}


def main() -> None:
    for name in sys.argv[1:] or MEASUREMENTS:
        print(f"\n== {name}", flush=True)
        MEASUREMENTS[name]()


main()
