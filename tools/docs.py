"""From protos and settings to docs/reference/: what callers and operators look up, never written by hand.

    python -m tools.docs write   write docs/reference/
    python -m tools.docs stale   say which pages no longer match protos/, server/errors.py or server/settings.py

A pure function of generated/affilia/descriptors.binpb (see tools/protos.py) and the two files above.
"""

import sys
from pathlib import Path

from domain.errors import Reason
from tools.docs_errors import errors_page
from tools.docs_protos import read_protos
from tools.docs_services import page_name, service_page
from tools.docs_settings import settings_page

REFERENCE = Path(__file__).resolve().parent.parent / "docs" / "reference"


def pages() -> dict[str, str]:
    """Every page by its name."""
    protos = read_protos()
    reasons = frozenset(reason.value for reason in Reason)
    made = {page_name(service): service_page(protos, service, reasons) for service in protos.services}
    return {**made, "errors.md": errors_page(protos), "configuration.md": settings_page()}


def write() -> None:
    """Writes what differs, and takes away what is left over."""
    fresh = pages()
    REFERENCE.mkdir(parents=True, exist_ok=True)
    for name in stale(fresh):
        if name in fresh:
            (REFERENCE / name).write_text(fresh[name], encoding="utf-8")
        else:
            (REFERENCE / name).unlink()
    print(f"docs/reference: {len(fresh)} pages")


def stale(fresh: dict[str, str]) -> list[str]:
    """The pages that differ from what writing would write now, missing and left-over ones too."""
    stored = {page.name: page.read_text(encoding="utf-8") for page in REFERENCE.glob("*")}
    return sorted(name for name in fresh.keys() | stored.keys() if fresh.get(name) != stored.get(name))


def main() -> int:
    """Runs the command named on the command line."""
    match sys.argv[1:]:
        case ["write"]:
            write()
            return 0
        case ["stale"]:
            names = stale(pages())
            if names:
                print("Stale, run `make docs`:", *names, sep="\n  ")
            return bool(names)
    print(__doc__)
    return 2


if __name__ == "__main__":
    sys.exit(main())
