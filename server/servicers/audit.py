"""`affilia.audit.v1.AuditService`."""

from affilia.audit.v1 import audit_service_pb2 as pb
from affilia.audit.v1.audit_service_pb2_grpc import AuditServiceServicer
from operations.auditing import list_entries
from operations.core import Core
from server.mapping.audit_entry import entry_to_proto, filter_from_proto, position_from_json, position_to_json
from server.mapping.paging import current_page
from server.rpc_types import Context
from server.tokens import Tokens


class AuditServicer(AuditServiceServicer):
    def __init__(self, core: Core, tokens: Tokens) -> None:
        self._core = core

    async def ListAuditEntries(
        self, request: pb.ListAuditEntriesRequest, context: Context
    ) -> pb.ListAuditEntriesResponse:
        page = current_page()
        found = await list_entries(
            self._core, filter_from_proto(request), page.starting(position_from_json, first=None)
        )
        entries, token = page.filled(found, entry_to_proto, lambda last: position_to_json(last.position))
        return pb.ListAuditEntriesResponse(entries=entries, next_page_token=token)
