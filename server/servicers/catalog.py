"""`affilia.catalog.v1.CatalogService`."""

from uuid import UUID

from affilia.catalog.v1 import catalog_service_pb2 as pb
from affilia.catalog.v1.catalog_service_pb2_grpc import CatalogServiceServicer
from operations import catalog
from operations.call import current_call
from operations.core import Core
from server.mapping.contract import (
    contract_from_proto,
    publication_warning_to_proto,
    recorded_contract_to_proto,
    resolved_module_to_proto,
    version_from_proto,
)
from server.mapping.dates import date_from_proto, timestamp_from_proto
from server.mapping.fingerprints import write_key
from server.mapping.paging import current_page
from server.rpc_types import Context
from server.tokens import Tokens


class CatalogServicer(CatalogServiceServicer):
    def __init__(self, core: Core, tokens: Tokens) -> None:
        self._core = core
        self._tokens = tokens

    async def PublishContract(self, request: pb.PublishContractRequest, context: Context) -> pb.PublishContractResponse:
        published = await catalog.publish_contract(
            self._core, current_call(), write_key(request, self._tokens), contract_from_proto(request.contract)
        )
        return pb.PublishContractResponse(
            contract=recorded_contract_to_proto(published.recorded),
            warnings=[publication_warning_to_proto(warning) for warning in published.warnings],
        )

    async def AddContractVersion(
        self, request: pb.AddContractVersionRequest, context: Context
    ) -> pb.AddContractVersionResponse:
        published = await catalog.add_contract_version(
            self._core,
            current_call(),
            write_key(request, self._tokens),
            catalog.ExpectedContract(UUID(request.contract_id), request.etag),
            version_from_proto(request.version),
        )
        return pb.AddContractVersionResponse(
            contract=recorded_contract_to_proto(published.recorded),
            warnings=[publication_warning_to_proto(warning) for warning in published.warnings],
        )

    async def AmendContract(self, request: pb.AmendContractRequest, context: Context) -> pb.AmendContractResponse:
        published = await catalog.amend_contract(
            self._core,
            current_call(),
            write_key(request, self._tokens),
            catalog.ExpectedContract(UUID(request.contract_id), request.etag),
            [version_from_proto(version) for version in request.versions],
        )
        return pb.AmendContractResponse(
            contract=recorded_contract_to_proto(published.recorded),
            warnings=[publication_warning_to_proto(warning) for warning in published.warnings],
        )

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
