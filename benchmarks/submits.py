"""SubmitChangeRequest, durable, from several requesters on groups of their own."""

from itertools import count

from benchmarks.running import a_server, calls_per_second
from tests.support.calls import Family, admin

REQUESTERS = 16


def measure() -> None:
    with a_server() as (_, channel):
        families = [Family(channel).set_up() for _ in range(REQUESTERS)]
        numbers = [count() for _ in families]

        def submit(caller: int) -> None:
            family, n = families[caller], next(numbers[caller])
            module = family.plus if n % 2 else family.base
            family.submit(family.enroll(module, "2026-01-01"), requester=admin())

        rate = calls_per_second(submit, REQUESTERS)
        history = sum(next(n) for n in numbers) / REQUESTERS
    print(
        f"SubmitChangeRequest: {rate:.0f} calls/s, {REQUESTERS} requesters in one Python process beside the server;"
        f" each group ended with {history:.0f} decisions, all replayed by every submit"
    )
