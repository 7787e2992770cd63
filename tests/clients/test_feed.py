"""The subscription resumes automatically against a real server, without losing or repeating events."""

import asyncio
from contextlib import suppress
from functools import partial
from pathlib import Path

import grpc
import pytest

from affilia_client.errors import CallFailed
from affilia_client.feed import EnrollmentSubscription
from tests.conftest import ServerProcess
from tests.support.calls import Family, admin
from tests.support.channels import connected_to
from tests.support.feeds import BEGINNING, NOW, Event, Filter, Message
from tests.support.waiting import wait_until, wait_until_async


def change(family: Family, n: int) -> None:
    family.submit(family.enroll(family.plus if n % 2 else family.base, "2026-01-01"), requester=admin())


async def take(subscription: EnrollmentSubscription, count: int) -> list[Event]:
    events: list[Event] = []
    async for message in subscription:
        events += message.events
        if len(events) >= count:
            break
    return events


def test_no_event_is_missed_once_it_is_ready(family: Family, server_address: str) -> None:
    async def story() -> list[Event]:
        async with grpc.aio.insecure_channel(server_address) as channel:
            wanted = Filter(contract_ids=[family.contract_id])
            async with EnrollmentSubscription(channel, NOW, wanted) as subscription:
                taking = asyncio.create_task(take(subscription, 1))
                await asyncio.wait_for(subscription.ready(), 60)
                assert subscription.connected
                await asyncio.to_thread(change, family, 1)
                return await taking

    assert [event.policy_revision.revision for event in asyncio.run(story())] == [1]


def test_it_resumes_when_the_server_is_killed_and_restarted(own_database_url: str, tmp_path: Path) -> None:
    async def story() -> list[int]:
        server = ServerProcess(tmp_path, "--database-url", own_database_url)
        address = server.address
        with connected_to(address) as calls:
            family = Family(calls).set_up()
            async with (
                grpc.aio.insecure_channel(address) as channel,
                EnrollmentSubscription(channel, BEGINNING, max_pause_seconds=0.5) as subscription,
            ):
                got = []
                for n in range(3):
                    taking = asyncio.create_task(take(subscription, 2))
                    for _ in range(2):
                        await asyncio.to_thread(change, family, family_revision(family))
                    got += await taking
                    if n < 2:
                        await asyncio.to_thread(server.kill if n else server.stop)
                        server = await asyncio.to_thread(
                            ServerProcess, tmp_path, "--database-url", own_database_url, "--listen", address
                        )
            await asyncio.to_thread(server.stop)
        return [event.position for event in got]

    assert asyncio.run(story()) == [1, 2, 3, 4, 5, 6]


def family_revision(family: Family) -> int:
    """Returns the current revision. Retries, because the channel may not have noticed yet that the server is back."""

    def revision() -> tuple[int]:
        try:
            return (family.group().revision,)
        except grpc.RpcError as error:
            if error.code() == grpc.StatusCode.NOT_FOUND:
                return (0,)
            raise

    return wait_until(revision, "the server is back", retried=[grpc.StatusCode.UNAVAILABLE])[0]


def test_a_new_subscription_repeats_a_message_whose_processing_failed(family: Family, server_address: str) -> None:
    async def story() -> tuple[list[str], list[str]]:
        wanted = Filter(contract_ids=[family.contract_id])
        async with grpc.aio.insecure_channel(server_address) as channel:
            async with EnrollmentSubscription(channel, BEGINNING, wanted) as first:
                seen: Message | None = None
                async for message in first:
                    if message.events:
                        seen = message
                        break  # before its token was stored
                token = first.resume_token
            assert seen is not None
            async with EnrollmentSubscription(channel, token, wanted) as second:
                again = await take(second, len(seen.events))
        return [event.event_id for event in seen.events], [event.event_id for event in again]

    change(family, 1)
    change(family, 2)
    seen, again = asyncio.run(story())
    assert seen == again[: len(seen)]


def test_it_raises_failures_that_retrying_cannot_fix(server_address: str) -> None:
    async def story() -> None:
        async with (
            grpc.aio.insecure_channel(server_address) as channel,
            EnrollmentSubscription(channel, "damaged") as subscription,
        ):
            await take(subscription, 1)

    with pytest.raises(CallFailed) as failed:
        asyncio.run(story())
    assert (failed.value.code, failed.value.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "TOKEN_INVALID")


def test_a_silent_connection_is_replaced(family: Family, server_address: str) -> None:
    """Connects through a proxy that swallows the server's responses at first."""

    async def story() -> int:
        host, _, port = server_address.rpartition(":")
        silent = True

        async def through(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            if silent:
                await reader.read()
                return
            upstream, out = await asyncio.open_connection(host, int(port))
            await asyncio.gather(_pipe(reader, out), _pipe(upstream, writer), return_exceptions=True)

        proxy = await asyncio.start_server(through, "127.0.0.1", 0)
        address = proxy.sockets[0].getsockname()
        async with grpc.aio.insecure_channel(f"127.0.0.1:{address[1]}", BACK_SOON) as channel:
            subscription = EnrollmentSubscription(
                channel,
                BEGINNING,
                Filter(contract_ids=[family.contract_id]),
                heartbeat_seconds=9.5,
                max_pause_seconds=0.2,
            )
            taking = asyncio.create_task(take(subscription, 1))
            await asyncio.sleep(1)
            assert not subscription.connected
            silent = False
            events = await asyncio.wait_for(taking, 60)
            await subscription.close()
        proxy.close()
        return len(events)

    change(family, 1)
    assert asyncio.run(story()) == 1


BACK_SOON = (("grpc.initial_reconnect_backoff_ms", 100), ("grpc.max_reconnect_backoff_ms", 1000))


async def _pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    writer.close()


def test_rewind_repeats_the_current_message(family: Family, server_address: str) -> None:
    async def story() -> tuple[list[str], list[str]]:
        async with grpc.aio.insecure_channel(server_address) as channel:
            wanted = Filter(contract_ids=[family.contract_id])
            async with EnrollmentSubscription(channel, BEGINNING, wanted) as subscription:
                failed: list[str] = []
                try:
                    async for message in subscription:
                        failed = [event.event_id for event in message.events]
                        if failed:
                            raise ZeroDivisionError
                except ZeroDivisionError:
                    subscription.rewind()
                async for message in subscription:
                    if message.events:
                        return failed, [event.event_id for event in message.events]
        raise AssertionError("unreachable")

    change(family, 1)
    failed, again = asyncio.run(story())
    assert failed == again[: len(failed)] != []


def test_a_consumer_can_stop_waiting_and_continue_later(family: Family, server_address: str) -> None:
    async def story() -> int:
        async with grpc.aio.insecure_channel(server_address) as channel:
            wanted = Filter(contract_ids=[family.contract_id])
            async with EnrollmentSubscription(channel, BEGINNING, wanted) as subscription:
                seen = 0

                async def has_seen(count: int) -> bool:
                    nonlocal seen
                    with suppress(TimeoutError):
                        async with asyncio.timeout(1):
                            async for message in subscription:
                                seen += len(message.events)
                    return seen >= count

                for n in range(3):
                    await asyncio.to_thread(change, family, n)
                    await wait_until_async(partial(has_seen, n + 1), "the event is delivered")
                return seen

    assert asyncio.run(story()) == 3


def test_closing_ends_the_iteration_and_later_iterations_are_empty(server_address: str) -> None:
    async def story() -> int:
        async with grpc.aio.insecure_channel(server_address) as channel:
            subscription = EnrollmentSubscription(channel, NOW)

            async def iterate() -> int:
                return len([message async for message in subscription])

            iterating = asyncio.create_task(iterate())
            await subscription.ready()
            await asyncio.sleep(0.1)
            await subscription.close()
            await asyncio.wait_for(iterating, 60)
            return await iterate()

    assert asyncio.run(story()) == 0
