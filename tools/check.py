"""Every check that the repository has, but for the tests: two at a time, all of them even when one fails.

`python -m tools.check types imports` runs only those named. What a check printed is shown when it failed.
"""

import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
PROGRAMS = Path(sys.executable).parent

CHECKS = {  # the slowest first: the others run beside it
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
TALKATIVE = {"protos-breaking", "stubs"}  # say what they compared with, also when all is well


def run(name: str) -> bool:
    """Runs one check, prints a line about it, and says whether it passed."""
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
    said = done.stdout.strip()
    if passed:
        print(f"{line}   {said}" if said and name in TALKATIVE else line, flush=True)
    else:
        print(f"{line}\n{said}\n", flush=True)
    return passed


def main() -> int:
    """Runs the checks named on the command line, or all."""
    names = sys.argv[1:] or list(CHECKS)
    if unknown := [name for name in names if name not in CHECKS]:
        print(f"No such check: {', '.join(unknown)}. There are: {', '.join(CHECKS)}.")
        return 2
    # Once, before the checks that read it run side by side.
    subprocess.run([sys.executable, "-m", "tools.protos", "third-party"], cwd=REPOSITORY, check=True)
    with ThreadPoolExecutor(max_workers=2) as pool:
        results = dict(zip(names, pool.map(run, names), strict=True))
    failed = [name for name, passed in results.items() if not passed]
    print(f"{len(failed)} of {len(names)} checks failed: {', '.join(failed)}" if failed else "All checks passed.")
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())
