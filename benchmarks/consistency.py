"""Measures checks without a consistency token, with a token that the server has seen, and with that of a new write."""

import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import grpc

from benchmarks.figures import Figure
from storage.postgres.embedded import EmbeddedPostgres
from tests.conftest import ServerProcess
from tests.support.calls import new_id
from tests.support.insured import Insured

CALLS = 300
ON = "2026-06-15"


def measure() -> list[Figure]:
    """Starts two servers on one database; writes go to the first, reads to both."""
    with TemporaryDirectory() as folder:
        postgres = EmbeddedPostgres.start(Path(folder) / "database")
        servers = [ServerProcess(Path(folder) / str(n), "--database-url", postgres.url) for n in range(2)]
        try:
            with _insured(servers[0]) as one, _insured(servers[1], **one.family.ids()) as two:
                return _measure(one, two)
        finally:
            for server in servers:
                server.stop()
            postgres.stop()


class _insured:  # noqa: N801 (reads as a word)
    def __init__(self, server: ServerProcess, **ids: str) -> None:
        self._channels = [grpc.insecure_channel(a) for a in (server.address, server.internal_address)]
        self._ids = ids

    def __enter__(self) -> Insured:
        insured = Insured(self._channels[0], self._channels[1], **self._ids)
        return insured if self._ids else insured.set_up()

    def __exit__(self, *_: object) -> None:
        for channel in self._channels:
            channel.close()


def _measure(one: Insured, two: Insured) -> list[Figure]:
    one.enroll("2026-01-01")
    one.apply(ON, deductible=1)
    newest = one.token
    two.token = newest
    two.used(ON)

    def check(insured: Insured, token: str) -> None:
        insured.token = token
        insured.check(ON)

    template = one.application(ON, deductible=1)

    def apply(chained: bool) -> None:
        template.application_id = new_id()
        template.consistency_token = one.token if chained else ""
        one.token = one.claims.ApplyAccumulators(template).consistency_token

    def apply_and_check(reader: Insured) -> None:
        apply(chained=False)
        check(reader, one.token)

    return [
        *_latency("check", "a check without a token", lambda: check(one, "")),
        *_latency("check_known", "a check with a token that the server knows", lambda: check(one, newest)),
        *_latency("apply", "an application without a token", lambda: apply(chained=False)),
        *_latency("apply_chained", "an application with the token of the one before", lambda: apply(chained=True)),
        *_latency("apply_check", "an application, and a check with its token", lambda: apply_and_check(one)),
        *_latency("apply_check_other", "the same, with the check on the other server", lambda: apply_and_check(two)),
    ]


def _latency(name: str, what: str, work: Callable[[], None]) -> list[Figure]:
    seconds = []
    for _ in range(CALLS):
        begun = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - begun)
    seconds.sort()
    return [
        Figure(name=f"consistency.{name}.p50", value=median(seconds) * 1e3, unit="ms", against=what, client="python"),
        Figure(name=f"consistency.{name}.p95", value=seconds[int(CALLS * 0.95)] * 1e3, unit="ms", client="python"),
    ]
