"""Measures how long the console's pages take with many families, relative to an empty page.

The book has loaded families of four, which searches and lists read, and some families with prices that were enrolled by
requests. The pages of the latter are opened, and the largest pages of the former (`loaded_...`). One client requests
every page, one request at a time. In between, it requests the empty page, which needs a session but no call to the
server.
`python -m benchmarks.console 1000` measures with 1000 families.
"""

import random
import re
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import UUID

import httpx2

from benchmarks.figures import Figure, table
from domain.identity import group_id
from storage.postgres.embedded import EmbeddedPostgres
from storage.postgres.migrations import migrate
from tests.conftest import ServerProcess
from tests.console.conftest import ConsoleProcess
from tests.console.stories import NamedFamily
from tests.support import people
from tests.support.channels import connected_to

REQUESTS, FAMILIES = 60, 20
WARM_UP = 5
TARGET_MS = 300
EMPTY = "/work/files"
CSRF = re.compile('name="csrf" value="([^"]+)"')
TIMEOUT_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Browser:
    """A client with a session."""

    http: httpx2.Client
    csrf: str
    contract_id: UUID
    sample: list[people.Person]
    """Some of the loaded people."""
    primaries: list[people.Person]
    """Some of the loaded primaries."""
    families: list[NamedFamily]
    """Families that were enrolled by requests."""

    def get(self, address: str) -> None:
        self.http.get(address).raise_for_status()

    def post(self, address: str, **form: str) -> None:
        self.http.post(address, data={**form, "csrf": self.csrf}).raise_for_status()


def measure(families: str = "10000") -> list[Figure]:
    number = int(families)
    with _browser(number) as browser:
        figures = []
        for name, request in _requests(browser).items():
            for n in range(WARM_UP):
                request(n)
            ours, empty = [], []
            for n in range(REQUESTS):
                ours.append(_milliseconds(lambda n=n, request=request: request(n)))  # type: ignore[misc]
                empty.append(_milliseconds(lambda: browser.get(EMPTY)))
            p95, p95_empty = _percentile(ours, 0.95), _percentile(empty, 0.95)
            book = f"{number} families"
            figures += [
                Figure(name=f"console.{name}.p50", value=_percentile(ours, 0.5), unit="ms", against=book),
                Figure(name=f"console.{name}.p95", value=p95, unit="ms", at_most=TARGET_MS, against=book),
                Figure(name=f"console.{name}.p95_factor", value=p95 / p95_empty, unit="x", against="an empty page"),
            ]
        return figures


def _requests(browser: Browser) -> dict[str, Callable[[int], None]]:
    """Returns a request for each page, given its number."""

    def person(n: int) -> str:
        return browser.families[n % len(browser.families)].family.child

    def family(n: int) -> str:
        return group_ids[n % len(group_ids)]

    def loaded_person(n: int) -> UUID:
        return browser.sample[n % len(browser.sample)].member_id

    def loaded_family(n: int) -> UUID:
        primary = browser.primaries[n % len(browser.primaries)]
        return group_id(browser.contract_id, primary.member_id)

    def half_a_name(n: int) -> str:
        word = browser.sample[n % len(browser.sample)].name.split()[-1]
        return word[: max(2, len(word) // 2)]

    contract = str(browser.contract_id)
    group_ids = [each.group_id for each in browser.families]
    requests = [f"{each.group_id}/requests/{each.family.group().cause.change_request_id}" for each in browser.families]
    return {
        "empty": lambda _: browser.get(EMPTY),
        "home": lambda _: browser.get("/"),
        "search": lambda n: browser.post("/search", query=half_a_name(n)),
        "person": lambda n: browser.get(f"/people/{person(n)}"),
        "why": lambda n: browser.get(f"/people/{person(n)}/why"),
        "limits": lambda n: browser.get(f"/people/{person(n)}/limits"),
        "person_history": lambda n: browser.get(f"/people/{person(n)}/history"),
        "facts": lambda n: browser.get(f"/people/{person(n)}/facts"),
        "edit": lambda n: browser.get(f"/people/{person(n)}/edit"),
        "merge": lambda n: browser.get(f"/people/{person(n)}/merge"),
        "erase": lambda n: browser.get(f"/people/{person(n)}/erase"),
        "family": lambda n: browser.get(f"/families/{family(n)}"),
        "family_compare": lambda n: browser.get(f"/families/{family(n)}/compare?from=0&to=1"),
        "family_change": lambda n: browser.get(f"/families/{family(n)}/change"),
        "family_requests": lambda n: browser.get(f"/families/{family(n)}/requests"),
        "request": lambda n: browser.get(f"/families/{requests[n % len(requests)]}"),
        "family_premiums": lambda n: browser.get(f"/families/{family(n)}/premiums"),
        "family_history": lambda n: browser.get(f"/families/{family(n)}/history"),
        "loaded_person": lambda n: browser.get(f"/people/{loaded_person(n)}"),
        "loaded_why": lambda n: browser.get(f"/people/{loaded_person(n)}/why"),
        "loaded_person_history": lambda n: browser.get(f"/people/{loaded_person(n)}/history"),
        "loaded_family": lambda n: browser.get(f"/families/{loaded_family(n)}"),
        "loaded_change": lambda n: browser.get(f"/families/{loaded_family(n)}/change"),
        "loaded_history": lambda n: browser.get(f"/families/{loaded_family(n)}/history"),
        "contracts": lambda _: browser.get("/contracts"),
        "contract": lambda _: browser.get(f"/contracts/{contract}"),
        "contract_history": lambda _: browser.get(f"/contracts/{contract}/history"),
        "publish": lambda _: browser.get("/contracts/publish"),
        "work": lambda _: browser.get("/work"),
        "uninvoiced": lambda _: browser.post(
            "/work/invoicing", step="show", contract=contract, debtor="company", up_to="2026-12-31"
        ),
        "feed": lambda _: browser.post("/feed", start="beginning"),
        "audit": lambda _: browser.post("/audit"),
    }


@contextmanager
def _browser(families: int) -> Iterator[Browser]:
    with TemporaryDirectory() as folder:
        postgres = EmbeddedPostgres.start(Path(folder) / "database")
        try:
            migrate(postgres.url)
            contract_id = people.load(postgres.url, families * people.FAMILY)
            server = ServerProcess(Path(folder), "--database-url", postgres.url)
            console = ConsoleProcess(server, "--dev")
            with (
                connected_to(server.address) as channel,
                httpx2.Client(base_url=console.url, follow_redirects=True, timeout=TIMEOUT_SECONDS) as http,
            ):
                found = CSRF.search(http.get(EMPTY).text)
                assert found  # noqa: S101 (every page has a form)
                everybody = list(people.people(families * people.FAMILY))
                draw = random.Random(1)
                sample = draw.choices(everybody, k=REQUESTS)
                primaries = draw.choices(everybody[:: people.FAMILY], k=REQUESTS)
                enrolled = [NamedFamily(channel).set_up() for _ in range(FAMILIES)]
                yield Browser(http, found[1], contract_id, sample, primaries, enrolled)
            console.stop()
            server.stop()
        finally:
            postgres.stop()


def _milliseconds(call: Callable[[], None]) -> float:
    began = time.perf_counter()
    call()
    return (time.perf_counter() - began) * 1e3


def _percentile(values: list[float], part: float) -> float:
    return sorted(values)[int(len(values) * part)]


if __name__ == "__main__":
    print(table(measure(*sys.argv[1:])))
