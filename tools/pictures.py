"""Takes screenshots of every page of the console, for `make pictures`.

Starts a server and a console, fills them with data for every page, and writes each page as
NAME-1280.png, NAME-768.png and NAME-dark.png to .build/pictures. `--docs` also replaces the pictures in
docs/screenshots. Further arguments are the names of the pages to take. Requires Chromium.
"""

import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from playwright.sync_api import Page, sync_playwright

from tests.conftest import ServerProcess
from tests.console.conftest import CHROMIUM, TIMEOUT_MS, ConsoleProcess
from tests.console.every_page import Filled, filled

REPOSITORY = Path(__file__).resolve().parent.parent
PICTURES = REPOSITORY / ".build" / "pictures"
SCREENSHOTS = REPOSITORY / "docs" / "screenshots"
IN_DOCS = {"family-revision": "console-family.png"}
"""The pages shown in the documentation, with their files."""
DOCS_FLAG = "--docs"


class View(NamedTuple):
    """A width and color scheme in which every page is shown."""

    name: str
    width: int
    scheme: str


VIEWS = (View("1280", 1280, "light"), View("768", 768, "light"), View("dark", 1280, "dark"))
HEIGHT = 800
FAMILY = "Leroy"
"""The last name of the family in the pictures."""


def main() -> int:
    """Takes screenshots of all pages, or of those named on the command line."""
    names = [each for each in sys.argv[1:] if each != DOCS_FLAG]
    if CHROMIUM is None:
        print("Taking screenshots requires Chromium.")
        return 1
    PICTURES.mkdir(parents=True, exist_ok=True)
    with _console() as (url, book), _browser(url) as page:
        pages = book.pages()
        if unknown := set(names) - pages.keys():
            print(f"No such page: {', '.join(sorted(unknown))}. The pages are: {', '.join(pages)}.")
            return 2
        for name in names or pages:
            for view in VIEWS:
                page.set_viewport_size({"width": view.width, "height": HEIGHT})
                page.emulate_media(color_scheme=view.scheme)  # type: ignore[arg-type]
                if view is VIEWS[0]:
                    pages[name](page)
                page.screenshot(path=PICTURES / f"{name}-{view.name}.png", full_page=True)
            print(f"{name}: {', '.join(f'{name}-{view.name}.png' for view in VIEWS)}", flush=True)
    if DOCS_FLAG in sys.argv:
        for name, file in IN_DOCS.items():
            shutil.copy(PICTURES / f"{name}-{VIEWS[0].name}.png", SCREENSHOTS / file)
    return 0


@contextmanager
def _console() -> Iterator[tuple[str, Filled]]:
    """Yields the address of a console and the data that it shows."""
    with TemporaryDirectory() as folder:
        server = ServerProcess(Path(folder))
        try:
            console = ConsoleProcess(server, "--dev")
            try:
                yield console.url, filled(server, Path(folder), FAMILY)
            finally:
                console.stop()
        finally:
            server.stop()


@contextmanager
def _browser(url: str) -> Iterator[Page]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(base_url=url)
        page.set_default_timeout(TIMEOUT_MS)
        yield page
        browser.close()


if __name__ == "__main__":
    sys.exit(main())
