"""Measurements: `make bench` prints figures and ratios, `make soak` watches memory under load.

Set AFFILIA_BENCH_CHECKOUT to the folder of another checkout to measure its code, for example that of an earlier commit,
with these benchmarks: everything outside this package is then imported from there, and servers are started there.
"""

import os
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
MEASURED = Path(os.environ.get("AFFILIA_BENCH_CHECKOUT") or ROOT).resolve()
"""The checkout whose code is measured."""

if MEASURED != ROOT:
    sys.path[:0] = [str(MEASURED), str(MEASURED / "generated"), str(MEASURED / "clients")]
