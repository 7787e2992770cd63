"""`affilia.premium.v1.PremiumComputationService`."""

from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any
from uuid import UUID

from affilia.premium.v1 import premium_computation_service_pb2 as pb
from affilia.premium.v1.premium_computation_service_pb2_grpc import PremiumComputationServiceServicer
from domain.enrollment.events import BEFORE_ALL_GROUPS
from operations import premium_runs, premiums
from operations.call import current_call
from operations.core import Core
from operations.premium_causes import NO_CAUSES, explain_entries
from operations.readers import reader_of, reads_groups
from server.mapping.dates import date_from_proto
from server.mapping.fingerprints import write_key
from server.mapping.insurance_cost import group_from_proto
from server.mapping.listing import position_from_json, position_to_json
from server.mapping.paging import current_page
from server.mapping.premium_cause import explained_entry_to_proto
from server.mapping.premium_entry import (
    debtor_from_proto,
    dimensions_from_proto,
    entry_key_from_json,
    invoice_mark_from_proto,
    is_basic,
    months_from_proto,
    owner_from_proto,
    premium_months_from_proto,
    stale_from_to_proto,
    stored_entry_to_proto,
    sum_to_proto,
)
from server.mapping.premium_preview import preview_to_proto
from server.mapping.premium_run import failure_to_proto, new_run_from_proto, run_filter_from_proto, run_to_proto
from server.rpc_types import Context
from server.tokens import Tokens
from storage.premiums import BEFORE_ALL


class PremiumComputationServicer(PremiumComputationServiceServicer):
    def __init__(self, core: Core, tokens: Tokens) -> None:
        self._core = core
        self._tokens = tokens

    async def PreviewPremiums(self, request: pb.PreviewPremiumsRequest, context: Context) -> pb.PreviewPremiumsResponse:
        months, group = premium_months_from_proto(request), group_from_proto(request.policy)
        preview = await premiums.preview(self._core, current_call(), group, months)
        return preview_to_proto(preview, basic=is_basic(request))

    async def ComputePremiums(self, request: pb.ComputePremiumsRequest, context: Context) -> pb.ComputePremiumsResponse:
        months, group = premium_months_from_proto(request), group_from_proto(request.policy)
        computed = await premiums.compute(self._core, current_call(), write_key(request, self._tokens), group, months)
        return pb.ComputePremiumsResponse(offsets=computed.offsets, entries=computed.entries)

    async def RunPremiums(self, request: pb.RunPremiumsRequest, context: Context) -> AsyncIterator[Any]:
        call = current_call()
        new = new_run_from_proto(request, call.actor)
        running = premium_runs.run(self._core, call, write_key(request, self._tokens), new)
        async with aclosing(running) as reports:
            async for progress in reports:
                yield pb.RunPremiumsResponse(
                    run=run_to_proto(progress.run), failures=[failure_to_proto(each) for each in progress.failures]
                )

    async def GetPremiumRun(self, request: pb.GetPremiumRunRequest, context: Context) -> pb.GetPremiumRunResponse:
        run = await premium_runs.premium_run(self._core, UUID(request.run_id))
        return pb.GetPremiumRunResponse(run=run_to_proto(run))

    async def ListPremiumRuns(self, request: pb.ListPremiumRunsRequest, context: Context) -> pb.ListPremiumRunsResponse:
        page = current_page()
        found = await premium_runs.list_runs(
            self._core, run_filter_from_proto(request), page.starting(position_from_json, first=None)
        )
        runs, token = page.filled(found, run_to_proto, lambda last: position_to_json(last.position))
        return pb.ListPremiumRunsResponse(runs=runs, next_page_token=token)

    async def StopPremiumRun(self, request: pb.StopPremiumRunRequest, context: Context) -> pb.StopPremiumRunResponse:
        run = await premium_runs.stop(self._core, current_call(), UUID(request.run_id))
        return pb.StopPremiumRunResponse(run=run_to_proto(run))

    async def ListPremiumFailures(
        self, request: pb.ListPremiumFailuresRequest, context: Context
    ) -> pb.ListPremiumFailuresResponse:
        page = current_page()
        groups = page.starting(UUID, first=BEFORE_ALL_GROUPS)
        if request.WhichOneof("by") == "run_id":
            found = await premium_runs.list_run_failures(self._core, UUID(request.run_id), groups)
        else:
            found = await premium_runs.list_following_failures(self._core, UUID(request.contract_id), groups)
        failures, token = page.filled(found, failure_to_proto, lambda last: str(last.group_id))
        return pb.ListPremiumFailuresResponse(failures=failures, next_page_token=token)

    async def SetPremiumFollowing(
        self, request: pb.SetPremiumFollowingRequest, context: Context
    ) -> pb.SetPremiumFollowingResponse:
        contract_id = UUID(request.contract_id)
        was = await premium_runs.set_following(self._core, current_call(), contract_id, request.following)
        return pb.SetPremiumFollowingResponse(was_following=was)

    async def ListPremiumEntries(
        self, request: pb.ListPremiumEntriesRequest, context: Context
    ) -> pb.ListPremiumEntriesResponse:
        page, owner = current_page(), owner_from_proto(request)
        months = months_from_proto(request.months) if request.HasField("months") else None
        after = page.starting(entry_key_from_json, first=BEFORE_ALL)
        found, stale = await premiums.list_entries(self._core, owner, months, request.live_only, after)
        call = current_call()
        causes = NO_CAUSES
        if request.explain and reads_groups(call.caller):
            causes = await explain_entries(self._core, call, found)
        to_proto = (
            explained_entry_to_proto(causes, reader_of(call.caller), basic=is_basic(request))
            if request.explain
            else stored_entry_to_proto(basic=is_basic(request))
        )
        entries, token = page.filled(found, to_proto, lambda last: list(last.entry_key))
        unexplained = sum(each.entry_key in causes.unexplained for each in found[: len(entries)])
        return pb.ListPremiumEntriesResponse(
            entries=entries,
            next_page_token=token,
            unexplained_entries=unexplained,
            stale_from=stale_from_to_proto(stale.first),
            stale_policies=stale.policies if request.WhichOneof("owner") == "contract_id" else 0,
        )

    async def ListUninvoicedPremiums(
        self, request: pb.ListUninvoicedPremiumsRequest, context: Context
    ) -> pb.ListUninvoicedPremiumsResponse:
        page, owner = current_page(), owner_from_proto(request)
        debtor, up_to = debtor_from_proto(request), date_from_proto(request.up_to)
        after = page.starting(entry_key_from_json, first=BEFORE_ALL)
        found = await premiums.list_uninvoiced(self._core, owner, debtor, up_to, after)
        entries, token = page.filled(
            found, stored_entry_to_proto(basic=is_basic(request)), lambda last: list(last.entry_key)
        )
        return pb.ListUninvoicedPremiumsResponse(entries=entries, next_page_token=token)

    async def MarkPremiumsInvoiced(
        self, request: pb.MarkPremiumsInvoicedRequest, context: Context
    ) -> pb.MarkPremiumsInvoicedResponse:
        marked = await premiums.mark_invoiced(
            self._core, current_call(), write_key(request, self._tokens), invoice_mark_from_proto(request)
        )
        return pb.MarkPremiumsInvoicedResponse(
            components=marked.components,
            amount_minor=marked.amount_minor,
        )

    async def AggregatePremiums(
        self, request: pb.AggregatePremiumsRequest, context: Context
    ) -> pb.AggregatePremiumsResponse:
        page = current_page()
        found = await premiums.aggregate(
            self._core,
            dimensions_from_proto(request),
            months_from_proto(request.months),
            [UUID(contract_id) for contract_id in request.contract_ids],
            [UUID(group_id) for group_id in request.group_ids],
            page.starting(tuple, first=()),
        )
        sums, token = page.filled(found, sum_to_proto, lambda last: [*last.values, last.currency_code])
        return pb.AggregatePremiumsResponse(sums=sums, next_page_token=token)
