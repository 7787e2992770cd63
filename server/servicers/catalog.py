"""`affilia.catalog.v1.CatalogService`."""

from uuid import UUID

from affilia.catalog.v1 import catalog_service_pb2 as pb
from affilia.catalog.v1 import contract_pb2
from affilia.catalog.v1.catalog_service_pb2_grpc import CatalogServiceServicer
from server.mapping.contract import (
    contract_from_proto,
    contract_to_proto,
    module_to_proto,
    version_from_proto,
)
from server.mapping.dates import date_from_proto, timestamp_from_proto, timestamp_to_proto
from server.mapping.paging import (
    check_consistency_token,
    consistency_token,
    next_page_token,
    page_size,
    page_start,
    write_key,
)
from server.operations import catalog
from server.operations.call import current_call
from server.operations.core import Core
from server.operations.eligibility_state import Written
from server.rpc_types import Context
from server.tokens import Tokens
from storage.contracts import RecordedContract


def _written(recorded: RecordedContract) -> Written:
    return Written(contract=(recorded.contract.contract_id, recorded.revision))


class CatalogServicer(CatalogServiceServicer):
    def __init__(self, core: Core, tokens: Tokens) -> None:
        self._core = core
        self._tokens = tokens

    async def PublishContract(self, request: pb.PublishContractRequest, context: Context) -> pb.PublishContractResponse:
        recorded = await catalog.publish_contract(
            self._core, current_call(), write_key(request, self._tokens), contract_from_proto(request.contract)
        )
        return pb.PublishContractResponse(
            contract=_recorded_to_proto(recorded),
            consistency_token=consistency_token(self._tokens, _written(recorded)),
        )

    async def AddContractVersion(
        self, request: pb.AddContractVersionRequest, context: Context
    ) -> pb.AddContractVersionResponse:
        recorded = await catalog.add_contract_version(
            self._core,
            current_call(),
            write_key(request, self._tokens),
            UUID(request.contract_id),
            version_from_proto(request.version),
            request.etag,
        )
        return pb.AddContractVersionResponse(
            contract=_recorded_to_proto(recorded),
            consistency_token=consistency_token(self._tokens, _written(recorded)),
        )

    async def AmendContract(self, request: pb.AmendContractRequest, context: Context) -> pb.AmendContractResponse:
        recorded = await catalog.amend_contract(
            self._core,
            current_call(),
            write_key(request, self._tokens),
            UUID(request.contract_id),
            [version_from_proto(version) for version in request.versions],
            request.etag,
        )
        return pb.AmendContractResponse(
            contract=_recorded_to_proto(recorded),
            consistency_token=consistency_token(self._tokens, _written(recorded)),
        )

    async def GetContract(self, request: pb.GetContractRequest, context: Context) -> pb.GetContractResponse:
        check_consistency_token(request, self._tokens)
        as_of = timestamp_from_proto(request.as_of) if request.HasField("as_of") else None
        recorded = await catalog.get_contract(self._core, current_call(), UUID(request.contract_id), as_of)
        return pb.GetContractResponse(contract=_recorded_to_proto(recorded))

    async def ListContracts(self, request: pb.ListContractsRequest, context: Context) -> pb.ListContractsResponse:
        check_consistency_token(request, self._tokens)
        after, size = page_start(request, self._tokens), page_size(request)
        found = await catalog.list_contracts(self._core, current_call(), UUID(after) if after else None, size)
        last = str(found[-1].contract.contract_id) if found else None
        return pb.ListContractsResponse(
            contracts=[_recorded_to_proto(recorded) for recorded in found],
            next_page_token=next_page_token(request, self._tokens, len(found) == size, last),
        )

    async def GetModules(self, request: pb.GetModulesRequest, context: Context) -> pb.GetModulesResponse:
        check_consistency_token(request, self._tokens)
        on = date_from_proto(request.on) if request.HasField("on") else None
        modules = await catalog.get_modules(
            self._core, current_call(), [UUID(module_id) for module_id in request.module_ids], on
        )
        return pb.GetModulesResponse(
            modules=[
                pb.ModuleOfContract(
                    module_id=str(resolved.module_id),
                    contract_id=str(resolved.contract_id),
                    slot=resolved.slot or "",
                    module=module_to_proto(resolved.module) if resolved.module else None,
                )
                for resolved in modules
            ]
        )


def _recorded_to_proto(recorded: RecordedContract) -> contract_pb2.Contract:
    contract = contract_to_proto(recorded.contract)
    contract.etag = recorded.etag
    contract.recorded_at.CopyFrom(timestamp_to_proto(recorded.recorded_at))
    return contract
