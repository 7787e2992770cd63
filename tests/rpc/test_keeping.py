"""Workers go on whatever happens to them, and end when they are told to."""

import asyncio

from server.workers.keeping import ended, kept_going


def test_a_worker_that_fails_is_begun_again() -> None:
    async def story() -> int:
        begun, again = 0, asyncio.Event()

        async def work() -> None:
            nonlocal begun
            begun += 1
            if begun == 1:
                raise ZeroDivisionError
            again.set()
            await asyncio.Event().wait()

        task = kept_going("work", work)
        await again.wait()
        await ended([task])
        return begun

    assert asyncio.run(asyncio.wait_for(story(), 10)) == 2


def test_one_that_takes_the_telling_for_a_failure_ends_nevertheless() -> None:
    async def story() -> list[str]:
        heard: list[str] = []

        async def stubborn() -> None:
            while len(heard) < 2:
                try:
                    await asyncio.Event().wait()
                except asyncio.CancelledError:
                    heard.append("told")

        async def confused() -> None:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError as told:
                raise ConnectionError from told

        tasks = [kept_going("stubborn", stubborn), kept_going("confused", confused)]
        await asyncio.sleep(0.05)
        await ended(tasks)
        return heard

    assert asyncio.run(asyncio.wait_for(story(), 10)) == ["told", "told"]
