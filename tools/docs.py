"""Generates the reference pages and pictures of docs/.

    python -m tools.docs write   write docs/reference/ and docs/pictures/
    python -m tools.docs stale   list files that don't match protos/, server/ (errors, settings, metrics), tools/

The output depends only on generated/affilia/descriptors.binpb (see tools/protos.py) and on these files.
"""

import sys
from pathlib import Path

from domain.errors import Reason
from tools.docs_errors import errors_page
from tools.docs_metrics import metrics_page
from tools.docs_pictures import PICTURES
from tools.docs_protos import read_protos
from tools.docs_services import page_name, service_page
from tools.docs_settings import settings_page

DOCS = Path(__file__).resolve().parent.parent / "docs"
FOLDERS = ("reference", "pictures")


def files() -> dict[str, str]:
    """Returns the content of every generated file, by its path below docs/."""
    protos = read_protos()
    reasons = frozenset(reason.value for reason in Reason)
    services = {page_name(service): service_page(protos, service, reasons) for service in protos.services}
    reference = {
        **services,
        "errors.md": errors_page(protos),
        "configuration.md": settings_page(),
        "metrics.md": metrics_page(),
    }
    pictures = {name: draw() for name, draw in PICTURES.items()}
    return {f"reference/{name}": page for name, page in reference.items()} | {
        f"pictures/{name}": picture for name, picture in pictures.items()
    }


def write() -> None:
    """Writes the files that differ, and deletes those that are no longer generated."""
    fresh = files()
    for name in stale(fresh):
        (DOCS / name).parent.mkdir(exist_ok=True)
        if name in fresh:
            (DOCS / name).write_text(fresh[name], encoding="utf-8")
        else:
            (DOCS / name).unlink()
    print(f"docs: {len(fresh)} files")


def stale(fresh: dict[str, str]) -> list[str]:
    """Returns the names of files that differ from the generated ones, are missing, or are no longer generated."""
    existing = [file for folder in FOLDERS for file in (DOCS / folder).glob("*")]
    stored = {file.relative_to(DOCS).as_posix(): file.read_text(encoding="utf-8") for file in existing}
    return sorted(name for name in fresh.keys() | stored.keys() if fresh.get(name) != stored.get(name))


def main() -> int:
    """Runs the command named on the command line."""
    match sys.argv[1:]:
        case ["write"]:
            write()
            return 0
        case ["stale"]:
            names = stale(files())
            if names:
                print("Stale, run `make docs`:", *names, sep="\n  ")
            return bool(names)
    print(__doc__)
    return 2


if __name__ == "__main__":
    sys.exit(main())
