"""One client of a public listener with TLS and tokens, and of an internal one on the loopback interface without."""

import asyncio
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from affilia_client import TLS, AsyncClient, Client, Endpoint
from affilia_client.testing import Affilia
from operations.scopes import SCOPES
from tests.conftest import ServerProcess
from tests.support.calls import Family, new_id
from tests.support.certificates import Authority
from tests.support.identities import FLAGS, VARIABLES, bearing, channel_of, token
from tests.support.insured import Insured

ALL = token("service", "everything", *SCOPES)
DAY = date(2026, 2, 1)
AMOUNTS: "list[AccumulatorAmountFields]" = [{"code": "DEDUCTIBLE", "amount": 1000}]

if TYPE_CHECKING:
    from affilia_client.services import AccumulatorAmountFields


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str, Path]]:
    """The addresses of a server with TLS and tokens on the public listener, and the authority of its certificate."""
    folder = tmp_path_factory.mktemp("guarded")
    authority = Authority(folder / "authority")
    certificate, key = authority.sign("affilia")
    tls = ("--tls-certificate", str(certificate), "--tls-key", str(key))
    server = ServerProcess(folder / "data", *FLAGS, *tls, "--database-url", "embedded", environment=VARIABLES)
    yield f"localhost:{server.address.rpartition(':')[2]}", server.internal_address, authority.path
    server.stop()


def insured(client: Client) -> tuple[str, str]:
    """Returns the primary and the group of a family with limits, which is enrolled in 2026."""
    found = Insured(channel_of(client.channel, bearing(token("admin", "ada"))), client.channel).set_up()
    enroll = found.family.enroll(found.family.base, "2026-01-01")
    made = client.changes.submit_change_request(found.family.request(enroll))
    return found.family.primary, made.group.group_id


def test_both_listeners_are_reached_with_their_own_credentials(guarded: tuple[str, str, Path]) -> None:
    public, internal, ca = guarded
    with Client(public, tls=TLS(ca=ca), token=ALL, internal=internal) as client:
        member_id, group_id = insured(client)
        # Each call needs the token of a write on the other listener.
        applied = client.internal.apply_accumulators(
            application_id=new_id(), member_id=member_id, group_id=group_id, service_date=DAY, amounts=AMOUNTS
        )
        assert [each.applied for each in applied.amounts] == [1000]
        found = client.eligibility.get_accumulators(member_id=member_id, date=DAY).accumulators
        assert [each.individual.used for each in found if each.code == "DEDUCTIBLE"] == [1000]


def test_the_async_client_reaches_both_listeners(guarded: tuple[str, str, Path]) -> None:
    public, internal, ca = guarded
    with Client(public, tls=TLS(ca=ca), token=ALL) as client:
        member_id, group_id = insured(client)

    async def story() -> list[int]:
        endpoint = Endpoint(internal)
        async with AsyncClient(public, tls=TLS(ca=ca), token=ALL, internal=endpoint) as client:
            await client.members.record_facts(member_id=member_id, birth={"born_on": date(1980, 6, 1)})
            applied = await client.internal.apply_accumulators(
                application_id=new_id(), member_id=member_id, group_id=group_id, service_date=DAY, amounts=AMOUNTS
            )
            assert [each.applied for each in applied.amounts] == [1000]
            found = (await client.eligibility.get_accumulators(member_id=member_id, date=DAY)).accumulators
            return [each.individual.used for each in found if each.code == "DEDUCTIBLE"]

    assert asyncio.run(story()) == [1000]


def test_the_public_token_is_not_sent_to_the_internal_listener(family: Family, affilia: Affilia) -> None:
    with affilia.client(token="public") as client:
        token_of_write = client.members.record_facts(member_id=family.primary, birth={}).consistency_token
        client.internal.list_accumulator_applications(member_id=family.primary)
        client.members.get_member(member_id=family.primary)
    internal = Endpoint(affilia.internal_address, token=lambda: "internal")
    with affilia.client(token="public", internal=internal, metadata={"x-app": "desk"}) as client:
        client.internal.list_accumulator_applications(member_id=family.primary)
    without, with_own = affilia.received("list_accumulator_applications")
    assert "authorization" not in without.metadata
    assert (with_own.metadata["authorization"], with_own.metadata["x-app"]) == ("Bearer internal", "desk")
    assert without.request.consistency_token == token_of_write  # type: ignore[attr-defined]
    assert "internal" not in repr(Endpoint("127.0.0.1:1", token="internal"))


def test_an_internal_method_without_an_internal_address_is_a_clear_error(server_address: str) -> None:
    with Client(server_address) as client, pytest.raises(RuntimeError, match='internal="127'):
        client.internal.rebuild_projection()

    async def story() -> None:
        async with AsyncClient(server_address) as client:
            with pytest.raises(RuntimeError, match="served on the internal listener only"):
                await client.internal.rebuild_projection()

    asyncio.run(story())
