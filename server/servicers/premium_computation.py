"""`affilia.premium.v1.PremiumComputationService`."""

from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any
from uuid import UUID

from affilia.premium.v1 import premium_computation_service_pb2 as pb
from affilia.premium.v1.premium_computation_service_pb2_grpc import PremiumComputationServiceServicer
from domain.enrollment.events import BEFORE_ALL_GROUPS
from server.mapping.dates import date_from_proto
from server.mapping.insurance_cost import group_from_proto
from server.mapping.paging import (
    check_consistency_token,
    consistency_token,
    next_page_token,
    page_size,
    page_start,
    write_key,
)
from server.mapping.premium_entry import (
    DEBTORS,
    debtor_from_proto,
    dimensions_from_proto,
    months_from_proto,
    owner_from_proto,
    premium_months_from_proto,
    preview_to_proto,
    stored_entry_to_proto,
    sum_to_proto,
)
from server.mapping.premium_run import failure_to_proto, new_run_from_proto, run_to_proto
from server.operations import premium_runs, premiums
from server.operations.call import current_call
from server.operations.core import Core
from server.rpc_types import Context
from server.tokens import Tokens
from storage.premiums import BEFORE_ALL, EntryPlace


class PremiumComputationServicer(PremiumComputationServiceServicer):
    def __init__(self, core: Core, tokens: Tokens) -> None:
        self._core = core
        self._tokens = tokens

    def _after(self, request: pb.ListPremiumEntriesRequest | pb.ListUninvoicedPremiumsRequest) -> EntryPlace:
        after = page_start(request, self._tokens)
        return EntryPlace(*after) if after else BEFORE_ALL

    async def PreviewPremiums(self, request: pb.PreviewPremiumsRequest, context: Context) -> pb.PreviewPremiumsResponse:
        check_consistency_token(request, self._tokens)
        months, group = premium_months_from_proto(request), group_from_proto(request.policy)
        return preview_to_proto(await premiums.preview(self._core, current_call(), group, months))

    async def ComputePremiums(self, request: pb.ComputePremiumsRequest, context: Context) -> pb.ComputePremiumsResponse:
        months, group = premium_months_from_proto(request), group_from_proto(request.policy)
        computed = await premiums.compute(self._core, current_call(), write_key(request, self._tokens), group, months)
        return pb.ComputePremiumsResponse(
            offsets=computed.offsets, entries=computed.entries, consistency_token=consistency_token(self._tokens)
        )

    async def RunPremiums(self, request: pb.RunPremiumsRequest, context: Context) -> AsyncIterator[Any]:
        running = premium_runs.run(
            self._core, current_call(), write_key(request, self._tokens), new_run_from_proto(request)
        )
        async with aclosing(running) as told:
            async for progress in told:
                yield pb.RunPremiumsResponse(
                    run=run_to_proto(progress.run), failures=[failure_to_proto(each) for each in progress.failures]
                )

    async def GetPremiumRun(self, request: pb.GetPremiumRunRequest, context: Context) -> pb.GetPremiumRunResponse:
        check_consistency_token(request, self._tokens)
        run = await premium_runs.premium_run(self._core, current_call(), UUID(request.run_id))
        return pb.GetPremiumRunResponse(run=run_to_proto(run))

    async def StopPremiumRun(self, request: pb.StopPremiumRunRequest, context: Context) -> pb.StopPremiumRunResponse:
        run = await premium_runs.stop(self._core, current_call(), UUID(request.run_id))
        return pb.StopPremiumRunResponse(run=run_to_proto(run))

    async def ListPremiumFailures(
        self, request: pb.ListPremiumFailuresRequest, context: Context
    ) -> pb.ListPremiumFailuresResponse:
        check_consistency_token(request, self._tokens)
        after, size = UUID(page_start(request, self._tokens) or str(BEFORE_ALL_GROUPS)), page_size(request)
        if request.WhichOneof("by") == "run_id":
            run_id = UUID(request.run_id)
            found = await premium_runs.list_run_failures(self._core, current_call(), run_id, after, size)
        else:
            contract_id = UUID(request.contract_id)
            found = await premium_runs.list_following_failures(self._core, current_call(), contract_id, after, size)
        return pb.ListPremiumFailuresResponse(
            failures=[failure_to_proto(each) for each in found],
            next_page_token=next_page_token(
                request, self._tokens, len(found) == size, str(found[-1].group_id) if found else None
            ),
        )

    async def SetPremiumFollowing(
        self, request: pb.SetPremiumFollowingRequest, context: Context
    ) -> pb.SetPremiumFollowingResponse:
        contract_id = UUID(request.contract_id)
        was = await premium_runs.set_following(self._core, current_call(), contract_id, request.following)
        return pb.SetPremiumFollowingResponse(was_following=was)

    async def ListPremiumEntries(
        self, request: pb.ListPremiumEntriesRequest, context: Context
    ) -> pb.ListPremiumEntriesResponse:
        check_consistency_token(request, self._tokens)
        after, size = self._after(request), page_size(request)
        months = months_from_proto(request.months) if request.HasField("months") else None
        owner = owner_from_proto(request)
        found = await premiums.list_entries(self._core, current_call(), owner, months, request.live_only, after, size)
        return pb.ListPremiumEntriesResponse(
            entries=[stored_entry_to_proto(entry) for entry in found],
            next_page_token=next_page_token(
                request, self._tokens, len(found) == size, list(found[-1].place) if found else None
            ),
        )

    async def ListUninvoicedPremiums(
        self, request: pb.ListUninvoicedPremiumsRequest, context: Context
    ) -> pb.ListUninvoicedPremiumsResponse:
        check_consistency_token(request, self._tokens)
        after, size = self._after(request), page_size(request)
        debtor, up_to = debtor_from_proto(request), date_from_proto(request.up_to)
        found = await premiums.list_uninvoiced(
            self._core, current_call(), owner_from_proto(request), debtor, up_to, after, size
        )
        return pb.ListUninvoicedPremiumsResponse(
            entries=[stored_entry_to_proto(entry) for entry in found],
            next_page_token=next_page_token(
                request, self._tokens, len(found) == size, list(found[-1].place) if found else None
            ),
        )

    async def MarkPremiumsInvoiced(
        self, request: pb.MarkPremiumsInvoicedRequest, context: Context
    ) -> pb.MarkPremiumsInvoicedResponse:
        marked = await premiums.mark_invoiced(
            self._core,
            current_call(),
            write_key(request, self._tokens),
            [UUID(entry_id) for entry_id in request.entry_ids],
            DEBTORS.from_proto(request.debtor),
            request.invoice_id,
        )
        return pb.MarkPremiumsInvoicedResponse(
            components=marked.components,
            amount_minor=marked.amount_minor,
            consistency_token=consistency_token(self._tokens),
        )

    async def AggregatePremiums(
        self, request: pb.AggregatePremiumsRequest, context: Context
    ) -> pb.AggregatePremiumsResponse:
        check_consistency_token(request, self._tokens)
        found = await premiums.aggregate(
            self._core,
            current_call(),
            dimensions_from_proto(request),
            months_from_proto(request.months),
            [UUID(contract_id) for contract_id in request.contract_ids],
            [UUID(group_id) for group_id in request.group_ids],
        )
        return pb.AggregatePremiumsResponse(sums=[sum_to_proto(each) for each in found])
