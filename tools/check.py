"""Runs every check of the repository except the tests, two at a time, and all of them even if one fails.

`python -m tools.check types imports` runs only the named ones. The output of a check is printed if it failed.
"""

import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
PROGRAMS = Path(sys.executable).parent

CHECKS = {  # the slowest first, so that the others run beside it
    "types": ["mypy"],
    "format": ["ruff", "format", "--check"],
    "lint": ["ruff", "check"],
    "imports": ["lint-imports"],
    "protos-lint": ["buf", "lint"],
    "protos-format": ["buf", "format", "--diff", "--exit-code", "protos"],
    "protos-breaking": ["python", "-m", "tools.protos", "breaking"],
    "stubs": ["python", "-m", "tools.protos", "stale"],
    "docs": ["python", "-m", "tools.docs", "stale"],
    "lock": ["python", "-m", "tools.lock", "check"],
}
ALWAYS_SHOWN = {"protos-breaking", "stubs"}
"""Checks whose output is printed even if they passed: it says what they compared with."""


def run(name: str) -> bool:
    """Runs one check, prints a line about it, and returns whether it passed."""
    started = time.monotonic()
    program, *arguments = CHECKS[name]
    done = subprocess.run(
        [PROGRAMS / program, *arguments],
        cwd=REPOSITORY,
        env=os.environ | {"NO_COLOR": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    passed = done.returncode == 0
    line = f"{'ok    ' if passed else 'FAILED'}  {name:<16} {time.monotonic() - started:5.1f} s"
    output = done.stdout.strip()
    if passed:
        print(f"{line}   {output}" if output and name in ALWAYS_SHOWN else line, flush=True)
    else:
        print(f"{line}\n{output}\n", flush=True)
    return passed


def run_all(names: list[str]) -> list[str]:
    """Runs checks and returns the names of those that failed."""
    # Before the checks that read them concurrently.
    subprocess.run([sys.executable, "-m", "tools.protos", "third-party"], cwd=REPOSITORY, check=True)
    with ThreadPoolExecutor(max_workers=2) as pool:
        results = dict(zip(names, pool.map(run, names), strict=True))
    return [name for name, passed in results.items() if not passed]


def main() -> int:
    """Runs the checks named on the command line, or all."""
    names = sys.argv[1:] or list(CHECKS)
    if unknown := [name for name in names if name not in CHECKS]:
        print(f"No such check: {', '.join(unknown)}. The checks are: {', '.join(CHECKS)}.")
        return 2
    failed = run_all(names)
    print(f"{len(failed)} of {len(names)} checks failed: {', '.join(failed)}" if failed else "All checks passed.")
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())
