"""`affilia.migration.v1.MigrationService`."""

from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any
from uuid import UUID

from affilia.migration.v1 import migration_service_pb2 as pb
from affilia.migration.v1.migration_service_pb2_grpc import MigrationServiceServicer
from domain.migration.comparing import GroupSourceDifference
from operations.call import current_call
from operations.core import Core
from operations.migration.backfilling import backfill
from operations.migration.comparing import compare
from operations.migration.mapping import map_contract
from operations.migration.moving import set_stage
from operations.migration.status import list_migrations
from server.mapping.dates import timestamp_to_proto
from server.mapping.fingerprints import write_key
from server.mapping.migration import (
    STAGES,
    comparison_to_proto,
    country_from_proto,
    difference_to_proto,
    mapped_contract_to_proto,
    migration_to_proto,
    new_mapping_from_proto,
    progress_to_proto,
    stage_change_from_proto,
)
from server.rpc_types import Context
from server.tokens import Tokens


class MigrationServicer(MigrationServiceServicer):
    def __init__(self, core: Core, tokens: Tokens) -> None:
        self._core = core
        self._tokens = tokens

    async def ListMigrations(self, request: pb.ListMigrationsRequest, context: Context) -> pb.ListMigrationsResponse:
        found = await list_migrations(self._core)
        return pb.ListMigrationsResponse(migrations=[migration_to_proto(each) for each in found])

    async def MapLegacyContract(
        self, request: pb.MapLegacyContractRequest, context: Context
    ) -> pb.MapLegacyContractResponse:
        key = write_key(request, self._tokens)
        mapped, stage = await map_contract(self._core, current_call(), key, new_mapping_from_proto(request))
        return pb.MapLegacyContractResponse(contract=mapped_contract_to_proto(mapped), stage=STAGES.to_proto(stage))

    async def SetMigrationStage(
        self, request: pb.SetMigrationStageRequest, context: Context
    ) -> pb.SetMigrationStageResponse:
        key = write_key(request, self._tokens)
        moved = await set_stage(self._core, current_call(), key, stage_change_from_proto(request))
        return pb.SetMigrationStageResponse(
            stage=STAGES.to_proto(moved.stage), changed_at=timestamp_to_proto(moved.changed_at)
        )

    async def CompareSources(self, request: pb.CompareSourcesRequest, context: Context) -> AsyncIterator[Any]:
        country, contract_id = country_from_proto(request.country_code), _contract_id(request.contract_id)
        async with aclosing(compare(self._core, current_call(), country, contract_id)) as results:
            async for result in results:
                if isinstance(result, GroupSourceDifference):
                    yield pb.CompareSourcesResponse(difference=difference_to_proto(result))
                else:
                    yield pb.CompareSourcesResponse(result=comparison_to_proto(result))

    async def BackfillGroups(self, request: pb.BackfillGroupsRequest, context: Context) -> AsyncIterator[Any]:
        country, contract_id = country_from_proto(request.country_code), _contract_id(request.contract_id)
        key = write_key(request, self._tokens)
        async with aclosing(backfill(self._core, current_call(), key, country, contract_id)) as reports:
            async for report in reports:
                yield progress_to_proto(report)


def _contract_id(text: str) -> UUID | None:
    return UUID(text) if text else None
