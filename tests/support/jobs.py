"""Functions that compute workers run in tests. Workers import them by name, like those of the domain."""

import os
import signal
import time
from pathlib import Path
from uuid import UUID

from domain.catalog.contract import Contract
from domain.errors import ContractUnknown
from domain.pricing.tariffs import tariffs_of
from tests.support.waiting import wait_until


def add(a: int, b: int) -> int:
    return a + b


def worker_id() -> int:
    return os.getpid()


def sleep(seconds: float) -> int:
    time.sleep(seconds)
    return os.getpid()


def done_at(name: str) -> tuple[str, float]:
    """Returns the name, and when the job was done."""
    return name, time.monotonic()


def wait_for_file(path: str) -> int:
    """Waits until a file exists."""
    wait_until(Path(path).exists, f"{path} exists")
    return os.getpid()


def meet(folder: str, workers: int) -> int:
    """Waits until a number of workers run this job."""
    Path(folder, str(os.getpid())).touch()
    wait_until(lambda: len(list(Path(folder).iterdir())) >= workers, f"{workers} workers run this job")
    return os.getpid()


def refuse(contract_id: UUID) -> None:
    raise ContractUnknown(contract_id)


def break_down() -> None:
    raise ZeroDivisionError("a text that may quote what somebody sent")


def print_something() -> str:
    print("not a result")
    return "done"


def unpicklable() -> object:
    return lambda: None


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def die_once(marker: str) -> int:
    """Kills its worker the first time it runs."""
    if not Path(marker).exists():
        Path(marker).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return os.getpid()


def environment() -> dict[str, str]:
    return dict(os.environ)


def known_contract(contract: Contract) -> tuple[Contract, int, list[int]]:
    """Returns the contract, and the identities of the contract and of its versions' tariffs in this process."""
    return contract, id(contract), [id(tariffs_of(version)) for version in contract.versions]
