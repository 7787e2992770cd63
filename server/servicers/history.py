"""`affilia.history.v1.HistoryService`."""

from uuid import UUID

from affilia.history.v1 import history_service_pb2 as pb
from affilia.history.v1.history_service_pb2_grpc import HistoryServiceServicer
from domain.enrollment.explained import RunFilter
from operations.call import current_call
from operations.core import Core
from operations.explanations import explain_difference
from operations.history_entries import list_history
from operations.readers import reader_of
from server.mapping.explanation import difference_explained_to_proto
from server.mapping.history_entry import entry_to_proto, query_from_proto
from server.mapping.paging import MAX_PAGE_BYTES, current_page
from server.rpc_types import Context
from server.tokens import Tokens
from storage.history_index import Position


class HistoryServicer(HistoryServiceServicer):
    def __init__(self, core: Core, tokens: Tokens) -> None:
        self._core = core

    async def ListHistory(self, request: pb.ListHistoryRequest, context: Context) -> pb.ListHistoryResponse:
        page = current_page()
        found, has_more = await list_history(
            self._core,
            current_call(),
            query_from_proto(request),
            page.starting(Position.from_json, first=None),
            MAX_PAGE_BYTES,
        )
        entries, token = page.filled(
            found,
            lambda located: entry_to_proto(located.entry),
            lambda last: last.position.to_json(),
            has_more=has_more,
        )
        return pb.ListHistoryResponse(entries=entries, next_page_token=token)

    async def ExplainDifference(
        self, request: pb.ExplainDifferenceRequest, context: Context
    ) -> pb.ExplainDifferenceResponse:
        call = current_call()
        which = RunFilter(
            UUID(request.member_id) if request.member_id else None,
            UUID(request.module_id) if request.module_id else None,
            frozenset(UUID(each.member_id) for each in call.merged_ids),
        )
        found = await explain_difference(self._core, call, UUID(request.group_id), request.revision, which)
        return difference_explained_to_proto(found, reader_of(call.caller))
