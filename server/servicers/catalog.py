"""`affilia.catalog.v1.CatalogService`."""

from typing import Any
from uuid import UUID

from affilia.catalog.v1 import catalog_service_pb2 as pb
from affilia.catalog.v1.catalog_service_pb2_grpc import CatalogServiceServicer
from operations import catalog, publications
from operations.call import current_call
from operations.core import Core
from server.checking import violations
from server.mapping.contract import (
    publication_warning_to_proto,
    recorded_contract_to_proto,
    resolved_module_to_proto,
)
from server.mapping.dates import date_from_proto, timestamp_from_proto
from server.mapping.fingerprints import write_key
from server.mapping.paging import current_page
from server.mapping.publication import PublicationRequest, publication_from_proto, validation_to_proto
from server.rpc_types import Context
from server.tokens import Tokens

ANY_REQUEST_ID = str(UUID(int=0))
"""Stands for the request_id of a publication that is only validated."""


class CatalogServicer(CatalogServiceServicer):
    def __init__(self, core: Core, tokens: Tokens) -> None:
        self._core = core
        self._tokens = tokens

    async def PublishContract(self, request: pb.PublishContractRequest, context: Context) -> pb.PublishContractResponse:
        return pb.PublishContractResponse(**await self._publish(request))

    async def AddContractVersion(
        self, request: pb.AddContractVersionRequest, context: Context
    ) -> pb.AddContractVersionResponse:
        return pb.AddContractVersionResponse(**await self._publish(request))

    async def AmendContract(self, request: pb.AmendContractRequest, context: Context) -> pb.AmendContractResponse:
        return pb.AmendContractResponse(**await self._publish(request))

    async def _publish(self, request: PublicationRequest) -> dict[str, Any]:
        """Publishes, and returns the fields that the responses have in common."""
        key = write_key(request, self._tokens)
        published = await publications.publish(self._core, current_call(), key, publication_from_proto(request))
        return {
            "contract": recorded_contract_to_proto(published.recorded),
            "warnings": [publication_warning_to_proto(warning) for warning in published.warnings],
        }

    async def ValidateContract(
        self, request: pb.ValidateContractRequest, context: Context
    ) -> pb.ValidateContractResponse:
        publication: PublicationRequest = getattr(request, request.WhichOneof("publication") or "publish")
        publication.request_id = ANY_REQUEST_ID
        if found := violations(publication):
            return validation_to_proto(publications.Validation(publications.malformed(iter(found))))
        validation = await publications.validate(self._core, publication_from_proto(publication))
        return validation_to_proto(validation)

    async def GetContract(self, request: pb.GetContractRequest, context: Context) -> pb.GetContractResponse:
        as_of = timestamp_from_proto(request.as_of) if request.HasField("as_of") else None
        recorded = await catalog.get_contract(self._core, current_call(), UUID(request.contract_id), as_of)
        return pb.GetContractResponse(contract=recorded_contract_to_proto(recorded))

    async def ListContracts(self, request: pb.ListContractsRequest, context: Context) -> pb.ListContractsResponse:
        page = current_page()
        found = await catalog.list_contracts(self._core, page.starting(UUID, first=None))
        contracts, token = page.filled(found, recorded_contract_to_proto, lambda last: str(last.contract.contract_id))
        return pb.ListContractsResponse(contracts=contracts, next_page_token=token)

    async def GetModules(self, request: pb.GetModulesRequest, context: Context) -> pb.GetModulesResponse:
        on = date_from_proto(request.on) if request.HasField("on") else None
        modules = await catalog.get_modules(
            self._core, current_call(), [UUID(module_id) for module_id in request.module_ids], on
        )
        return pb.GetModulesResponse(modules=[resolved_module_to_proto(module) for module in modules])
