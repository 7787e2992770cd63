"""Two servers on one database with Spanish legacy tables, and the admin who migrates them, whichever server is lost."""

import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import TypeVar
from uuid import uuid4

import psycopg
from google.protobuf import json_format

from affilia.catalog.v1 import contract_pb2
from affilia.enrollment.v1.enrollment_group_pb2 import GroupKey
from affilia.migration.v1 import migration_service_pb2 as pb
from affilia_client import Cancelled, Client, Conflict, Overloaded, TooLate, Unavailable
from affilia_client.values import to_python
from tests.conftest import ROOT, ServerProcess
from tools import legacy_sample

T = TypeVar("T")

COUNTRY = "ES"
SAMPLE = ROOT / "samples" / "spain-illustrative" / "contract.json"
MODULES = ("Salud Esencial", "Salud Esencial", "Salud Completa", "Dental")
"""The module of each product of the sample tables."""
MAX_CHILD_YEARS = 33
"""No child of the sample tables is older today, so that only later days differ."""

RETRIED = (Unavailable, Overloaded, Cancelled, Conflict, TooLate)
PAUSE_SECONDS = 0.05
OPTIONS = (("grpc.max_reconnect_backoff_ms", 500), ("grpc.use_local_subchannel_pool", 1))
"""By default, a channel that met a dead server waits longer and longer before it connects again."""


class Servers:
    """Servers on one database. Each can be killed and replaced while the others serve."""

    def __init__(self, folder: Path, database_url: str, number: int = 2) -> None:
        self._folder = folder
        self._database_url = database_url
        self._running = [self._start(n) for n in range(number)]
        self._clients = [Client(server.address, options=OPTIONS) for server in self._running]
        self._replacing: threading.Thread | None = None
        self.kills = 0

    def _start(self, number: int) -> ServerProcess:
        flags = ["--database-url", self._database_url, "--legacy-sources", COUNTRY, "--log-format", "json"]
        return ServerProcess(self._folder / f"server-{number}", *flags)

    def client(self, number: int) -> Client:
        return self._clients[number % len(self._clients)]

    def kill(self, number: int) -> None:
        """Kills a server without warning, and starts another one in its place, while the others serve.

        Waits for the one that takes the place of the server that was killed before.
        """
        self.wait()
        self._running[number].kill()
        self.kills += 1
        self._replacing = threading.Thread(target=self._replace, args=[number])
        self._replacing.start()

    def _replace(self, number: int) -> None:
        self._running[number] = self._start(number)
        self._clients[number].close()
        self._clients[number] = Client(self._running[number].address, options=OPTIONS)

    def wait(self) -> None:
        """Waits until all servers run."""
        if self._replacing is not None:
            self._replacing.join()

    def until_acknowledged(self, call: Callable[[Client], T], first: int = 0) -> T:
        """Sends a call to one server after the other, beginning with `first`, until one acknowledges it."""
        for number in count(first):
            try:
                return call(self.client(number))
            except RETRIED as failed:
                time.sleep(max(PAUSE_SECONDS, failed.retry_after_seconds))
            except ValueError:  # the client was closed, because its server was killed
                time.sleep(PAUSE_SECONDS)
        raise AssertionError  # count() never ends

    def defects(self) -> list[str]:
        """Returns the lines about defects in the logs of all servers."""
        logs = self._folder.glob("server-*/server.log")
        return [line for log in logs for line in log.read_text().splitlines() if '"level": "error"' in line]

    def stop(self) -> None:
        self.wait()
        for client, server in zip(self._clients, self._running, strict=True):
            client.close()
            server.stop()


@dataclass(frozen=True, slots=True)
class Backfilled:
    """The last progress of a backfill, the failures by group, and how long it took."""

    progress: pb.BackfillGroupsResponse
    failures: Mapping[str, str]
    seconds: float


@dataclass(frozen=True, slots=True)
class Compared:
    """The groups that differ, and the number of all groups."""

    differences: list[pb.GroupSourceDifference]
    groups: int
    seconds: float

    @property
    def kinds(self) -> Counter[str]:
        return Counter(map(kind_of, self.differences))


class Migration:
    """Migrates the sample tables to a contract of their own. A call that a kill interrupts is repeated elsewhere."""

    def __init__(self, servers: Servers) -> None:
        self.servers = servers
        self.contract = contract_for_sample_tables()
        version = self.contract.versions[0]
        named = {module.display_name: module.module_id for module in version.modules}
        self.modules = dict(zip(legacy_sample.PRODUCTS, (named[name] for name in MODULES), strict=True))

    @property
    def contract_id(self) -> str:
        return self.contract.contract_id

    def key(self, primary_id: str) -> GroupKey:
        return GroupKey(contract_id=self.contract_id, primary_id=primary_id)

    def begin(self) -> None:
        """Publishes the contract, and maps the contract of the sample tables to it."""
        publish_id, map_id = str(uuid4()), str(uuid4())
        products = [pb.LegacyProduct(code=code, module_id=module_id) for code, module_id in self.modules.items()]
        self.servers.until_acknowledged(
            lambda client: client.catalog.publish_contract(request_id=publish_id, contract=self.contract)
        )
        self.servers.until_acknowledged(
            lambda client: client.migrations.map_legacy_contract(
                request_id=map_id,
                country_code=COUNTRY,
                legacy_contract_id=str(legacy_sample.CONTRACT),
                contract_id=self.contract_id,
                products=products,
            )
        )

    def move(self, before: str, after: str, first: int = 0, reason: str = "", *, force: bool = False) -> None:
        """Moves the country from one stage to another."""
        request_id = str(uuid4())
        self.servers.until_acknowledged(
            lambda client: client.migrations.set_migration_stage(
                request_id=request_id,
                country_code=COUNTRY,
                stage=f"MIGRATION_STAGE_{after}",
                expected_stage=f"MIGRATION_STAGE_{before}",
                reason=reason,
                force=force,
            ),
            first,
        )

    def backfill(self, first: int = 0, seen: Callable[[], None] = lambda: None) -> Backfilled:
        """Backfills all groups, and resumes if the server is lost. Calls `seen` after each part."""
        request_id, began = str(uuid4()), time.monotonic()
        failures: dict[str, str] = {}

        def run(client: Client) -> pb.BackfillGroupsResponse:
            last = pb.BackfillGroupsResponse()
            for last in client.migrations.backfill_groups(request_id=request_id, country_code=COUNTRY):
                failures.update((each.group_id, each.message) for each in last.failures)
                seen()
            return last

        return Backfilled(self.servers.until_acknowledged(run, first), failures, time.monotonic() - began)

    def compare(self, first: int = 0) -> Compared:
        """Compares all groups."""
        began = time.monotonic()

        def run(client: Client) -> Compared:
            found = list(client.migrations.compare_sources(country_code=COUNTRY))
            differences = [each.difference for each in found if each.HasField("difference")]
            return Compared(differences, found[-1].result.groups, time.monotonic() - began)

        return self.servers.until_acknowledged(run, first)

    def status(self) -> pb.Migration:
        found = self.servers.until_acknowledged(lambda client: client.migrations.list_migrations())
        (migration,) = found.migrations
        return migration


def kind_of(difference: pb.GroupSourceDifference) -> str:
    return pb.SourceDifferenceKind.Name(difference.kind).removeprefix("SOURCE_DIFFERENCE_KIND_")


def described(compared: Compared, which: Callable[[pb.GroupSourceDifference], bool]) -> list[str]:
    """Returns some of the differences, one line for each group."""
    return [json.dumps(to_python(each), default=str) for each in compared.differences if which(each)]


def contract_for_sample_tables() -> contract_pb2.Contract:
    """Returns the contract of the sample book with new ids, and only with rules that today's legacy rows meet."""
    text = SAMPLE.read_text()
    contract = json_format.Parse(text, contract_pb2.Contract())
    for old in (contract.contract_id, *(module.module_id for module in contract.versions[0].modules)):
        text = text.replace(old, str(uuid4()))
    contract = json_format.Parse(text, contract_pb2.Contract())
    version = contract.versions[0]
    version.max_backdating_days = 3650
    rules = {rule.code: rule for rule in version.rules}
    version.rules.remove(rules["PRIMARY_LIVES_IN_SPAIN"])
    version.rules.remove(rules["ASCENDANT_AGE"])
    rules = {rule.code: rule for rule in version.rules}
    rules["CHILD_AGE"].condition.age.max_years = MAX_CHILD_YEARS
    for module in version.modules:
        if module.display_name.startswith("Salud"):
            del module.rules[:]
    return contract


def fill_sample_tables(database_url: str, policies: int) -> None:
    """Creates the legacy tables in a migrated database, and fills them."""
    with psycopg.connect(database_url) as connection:
        legacy_sample.create_tables(connection)
        legacy_sample.fill(connection, legacy_sample.invented(policies, seed=1))
