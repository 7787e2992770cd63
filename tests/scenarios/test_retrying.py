"""The channel of the case runner: it retries what the server asks to retry, as any well-behaved client does."""

import grpc

from affilia.catalog.v1.catalog_service_pb2 import ListContractsRequest
from affilia.catalog.v1.catalog_service_pb2_grpc import CatalogServiceStub
from affilia_client.testing import Affilia
from tests.support.channels import patient


def test_the_case_runners_channel_repeats_what_the_server_asks_to_repeat(server_address: str) -> None:
    with Affilia(server_address, server_address) as affilia, grpc.insecure_channel(affilia.address) as channel:
        affilia.fail("list_contracts", grpc.StatusCode.RESOURCE_EXHAUSTED, retry_after_seconds=0.05, times=3)
        CatalogServiceStub(patient(channel)).ListContracts(ListContractsRequest(page_size=1))
        assert len(affilia.received("list_contracts")) == 4
