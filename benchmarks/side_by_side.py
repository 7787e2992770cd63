"""Compares loads: they take turns, so that other programs on the machine affect all of them equally."""

from collections.abc import Callable, Mapping
from functools import partial
from statistics import median

from benchmarks.bare_server import BareServer, Kind
from benchmarks.figures import Figure
from benchmarks.load import Load, LoadFailed, Outcome, run

ROUNDS = 5
MIN_SUCCEEDED, ATTEMPTS = 0.99, 4

Sides = Mapping[str, Callable[[], Outcome]]
"""Loads to compare, by name."""


class Compared:
    """The outcomes of several rounds, by the names of their loads. All figures are medians of the rounds."""

    def __init__(self, outcomes: Mapping[str, list[Outcome]], repeated: Mapping[str, int]) -> None:
        """`repeated` has the number of loads of each side that were dropped and repeated because calls failed."""
        self._outcomes = outcomes
        self._repeated = repeated

    def rate(self, side: str) -> float:
        """Returns the successful calls per second."""
        return median(each.rate for each in self._outcomes[side])

    def ratio(self, side: str, other: str) -> float:
        """Returns the median of the ratios of the rates in each round."""
        pairs = zip(self._outcomes[side], self._outcomes[other], strict=True)
        return median(one.rate / two.rate for one, two in pairs)

    def cpu_us(self, side: str, process: str) -> float:
        """Returns the CPU time per call of a process."""
        return median(each.cpu_us[process] for each in self._outcomes[side])

    def p50_seconds(self, side: str) -> float:
        return median(each.ok.p50_seconds for each in self._outcomes[side])

    def p99_seconds(self, side: str) -> float:
        return median(each.ok.p99_seconds for each in self._outcomes[side])

    def client(self, side: str) -> str:
        return self._outcomes[side][0].client

    def figures(self, side: str, name: str) -> list[Figure]:
        """Returns the rate of one load, its latency, and the CPU time per call of each process and of the client."""
        rounds, client = self._outcomes[side], self.client(side)
        made = [
            Figure(name=f"{name}.rate", value=self.rate(side), unit="calls/s", client=client),
            Figure(name=f"{name}.p99", value=self.p99_seconds(side) * 1e3, unit="ms", client=client),
        ]
        for process in rounds[0].cpu_us:
            value = self.cpu_us(side, process)
            made.append(Figure(name=f"{name}.{process}_cpu", value=value, unit="us/call", client=client))
        client_cpu = median(each.client_cpu_us for each in rounds)
        made.append(Figure(name=f"{name}.client_cpu", value=client_cpu, unit="us/call", client=client))
        if repeated := self._repeated[side]:
            against = f"of {len(rounds) + repeated} loads, because calls failed"
            made.append(Figure(name=f"{name}.dropped", value=repeated, unit="loads", against=against, client=client))
        return made


def compare(sides: Sides, rounds: int = ROUNDS) -> Compared:
    """Runs loads in turn, several times. Raises LoadFailed if calls of a load fail repeatedly."""
    outcomes: dict[str, list[Outcome]] = {side: [] for side in sides}
    repeated = dict.fromkeys(sides, 0)
    for _ in range(rounds):
        for side, load in sides.items():
            outcome, failures = _succeeded(side, load)
            outcomes[side].append(outcome)
            repeated[side] += failures
    return Compared(outcomes, repeated)


def _succeeded(side: str, load: Callable[[], Outcome]) -> tuple[Outcome, int]:
    """Returns the outcome of a load in which few calls failed, and how many loads failed before.

    A load in which calls fail is repeated, because a rejected call costs less than a served one. A server rejects calls
    when other programs keep it from running for long.
    """
    failed: list[Outcome] = []
    while len(failed) < ATTEMPTS:
        outcome = load()
        served = outcome.statuses["OK"].calls if "OK" in outcome.statuses else 0
        if served and served >= MIN_SUCCEEDED * sum(each.calls for each in outcome.statuses.values()):
            return outcome, len(failed)
        failed.append(outcome)
    raise LoadFailed(f"{side}: calls failed {ATTEMPTS} times: {failed[-1].statuses}")


def bare_sides(servers: Mapping[Kind, BareServer], load: Load) -> dict[str, Callable[[], Outcome]]:
    """Returns the loads that `against_bare` compares with: the same calls on bare servers."""
    return {kind: partial(run, load, server.address, pids=server.pids) for kind, server in servers.items()}


def against_bare(compared: Compared, side: str, name: str, at_least: float | None = None) -> list[Figure]:
    """Returns the figures of a load, compared with those of `bare_sides`. The target is for grpc.aio as it is."""
    client = compared.client(side)
    ratio = Figure(
        name=f"{name}.ratio_to_grpc",
        value=compared.ratio(side, Kind.AS_IS),
        unit="x",
        at_least=at_least,
        against="bare grpc.aio call",
        client=client,
    )
    stricter = Figure(
        name=f"{name}.ratio_to_accepting",
        value=compared.ratio(side, Kind.ACCEPTING),
        unit="x",
        against="bare call with our acceptor",
        client=client,
    )
    cpu = Figure(
        name=f"{name}.cpu_ratio_to_accepting",
        value=compared.cpu_us(side, "server") / compared.cpu_us(Kind.ACCEPTING, "server"),
        unit="x",
        against="server CPU of a bare call with our acceptor",
        client=client,
    )
    return [ratio, stricter, cpu, *compared.figures(side, name)]


def bare_figures(compared: Compared, name: str) -> list[Figure]:
    """Returns the figures of `bare_sides`."""
    return [
        *compared.figures(Kind.AS_IS, f"{name}.bare_as_is"),
        *compared.figures(Kind.ACCEPTING, f"{name}.bare_accepting"),
    ]
