"""Parses, authorizes and validates requests, so that servicers only receive valid ones that the caller may send.

By itself, grpc.aio responds to malformed bytes with UNKNOWN and the text of the exception. So requests are parsed, and
responses serialized, here, inside the errors interceptor. Messages of health and reflection are parsed, but not
validated. The ids that a request names are collected for the audit log, even if the request is rejected.
"""

from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import Any
from uuid import UUID

import grpc
from google.protobuf import descriptor_pool, message_factory
from google.protobuf.message import DecodeError, Message

from domain.actors import ActorKind
from domain.errors import FieldViolation, RequestMalformed
from operations.auditing import enter
from operations.call import Call, Caller, begin_call, current_call
from operations.core import Core
from operations.history import admit, refresh
from server.checking import violations
from server.errors import NotAllowed
from server.identity.access_policy import ADMINS_ONLY, AccessPolicy, Permission
from server.interceptors.wrapping import rewrapped
from server.mapping.actor_visibility import hide_others
from server.mapping.consistency import FIELD, consistency_token, write_from_token
from server.mapping.merged_ids import can_name_members, reporting, reports_merged, resolved
from server.mapping.named_ids import bounded, ids_in_bytes, ids_of, ids_reported
from server.mapping.paging import begin_page, is_paged
from server.methods import LASTING_METHODS, OURS
from server.rpc_types import Context, Continuation, Handler
from server.telemetry import metrics
from server.tokens import Tokens


class ValidationInterceptor(grpc.aio.ServerInterceptor):
    """Authorizes callers, parses all requests, validates ours, and serializes our responses.

    It reads the consistency and page tokens of requests, and adds the consistency token to the response of a write.
    """

    def __init__(self, core: Core, access_policy: AccessPolicy, tokens: Tokens) -> None:
        self._core = core
        self._access_policy = access_policy
        self._tokens = tokens
        self._wrapped: dict[str, Handler] = {}

    async def intercept_service(
        self,
        continuation: Continuation,
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Any:
        method = handler_call_details.method
        if method not in self._wrapped:
            handler = await continuation(handler_call_details)
            if handler is None:
                return handler
            self._wrapped[method] = self.wrap(method, handler)
        return self._wrapped[method]

    def wrap(self, method: str, handler: Handler) -> Handler:
        return _validated(handler, self._core, self._access_policy, method, self._tokens)


def _validated(handler: Handler, core: Core, access_policy: AccessPolicy, method: str, tokens: Tokens) -> Handler:
    ours = method.startswith(OURS)
    reader = RequestReader(handler, core, access_policy, method, tokens)
    writes, response_type = reader.permission.writes, reader.response_type
    is_long_lived = method.endswith(LASTING_METHODS) and not writes
    returns_consistency_token = ours and FIELD in response_type.DESCRIPTOR.fields_by_name
    # Others can write their responses directly (health's Watch), so gRPC still serializes theirs.
    serialize: Any = handler.response_serializer if ours else _unchanged
    codec = {"request_deserializer": None, "response_serializer": None if ours else handler.response_serializer}

    # Responses that go to many callers, and stored ones, were serialized before: those are bytes.
    def call(behavior: Any) -> Any:
        async def checked(data: Any, context: Context) -> Any:
            call, request = await reader.read(current_call(), data)
            if writes or not ours:
                response = await behavior(request, context)
                if returns_consistency_token:
                    response.consistency_token = consistency_token(tokens)
            else:
                response = await core.lease.reading(lambda: behavior(request, context))
                if call.merged_ids:
                    response = reporting(response, response_type, call.merged_ids)
                if isinstance(response, Message) and access_policy.audits(method, call.caller):
                    _record_returned_ids(call, response)
            if isinstance(response, bytes):
                return response
            _hide_from_members(call.caller, response)
            return serialize(response)

        return checked

    def stream(behavior: Any) -> Any:
        async def checked(data: Any, context: Context) -> AsyncIterator[Any]:
            sent = metrics.SENT.labels(method)
            call, request = await reader.read(current_call(), data)
            if is_long_lived and access_policy.audits(method, call.caller):
                await enter(core, call, "BEGUN")
            responses = behavior(request, context)
            try:
                async for response in responses:
                    sent.inc()
                    if isinstance(response, bytes):
                        yield response
                    else:
                        _hide_from_members(call.caller, response)
                        yield serialize(response)
            finally:
                await responses.aclose()

        return checked

    return rewrapped(handler, call, stream, **codec)


class RequestReader:
    """Parses the requests of one method, checks them, and authorizes their callers.

    Everything that depends only on the method is looked up once.
    """

    def __init__(self, handler: Handler, core: Core, access_policy: AccessPolicy, method: str, tokens: Tokens) -> None:
        self._handler = handler
        self._core = core
        self._access_policy = access_policy
        self._method = method
        self._tokens = tokens
        self.permission = access_policy.permissions.get(method, ADMINS_ONLY)
        self._ours = method.startswith(OURS)
        self._parse = _parser(handler, ours=self._ours)
        request_type, response_type = _types(method) if self._ours else (None, None)
        self.response_type: Any = response_type
        self._inspected_kinds = self.permission.inspected_kinds if self._ours else frozenset[ActorKind]()
        self._names_members = request_type is not None and can_name_members(request_type.DESCRIPTOR)
        self._has_token = request_type is not None and FIELD in request_type.DESCRIPTOR.fields_by_name
        # Streams of requests have no page.
        self._is_paged = request_type is not None and not handler.request_streaming and is_paged(request_type)
        self._reads_resolved = (
            not self.permission.writes
            and not handler.response_streaming
            and response_type is not None
            and reports_merged(response_type.DESCRIPTOR)
        )

    async def read(self, call: Call, data: Any) -> tuple[Call, Any]:
        """Returns the request in the bytes of the current call, or the requests of a stream of them.

        Also returns the call, which is another one if the request has a consistency token, or the id of a merged
        member. Raises NotAllowed, RequestMalformed, TokenInvalid and TokenOfAnotherHistory.
        """
        try:
            self._access_policy.check(self._method, call.caller)
            request = self._parse(data)
        except (NotAllowed, RequestMalformed):
            _record_refused_ids(call, self._handler, data)
            raise
        inspected = call.caller.kind in self._inspected_kinds
        if inspected:
            call.trail.ids.update(ids_of(request))
        if self._has_token and (token := getattr(request, FIELD, "")):
            call = replace(call, after=await admit(self._core, write_from_token(self._tokens, token)))
            begin_call(call)
        named = request
        if self._ours and ((self._names_members and self._reads_resolved) or call.caller.kind is ActorKind.MEMBER):
            if not self._core.aliases.are_fresh:
                await refresh(self._core)
            if self._core.aliases:
                call, named = self._resolved(call, request)
        if inspected:
            await _authorize(self._core, call, self.permission, named)
        if self._is_paged:
            begin_page(request, self._tokens)
        return call, named if self._reads_resolved else request

    def _resolved(self, call: Call, request: Any) -> tuple[Call, Any]:
        """Returns the call and the request with the ids that merged members have now."""
        aliases = self._core.aliases
        named, merged = resolved(request, aliases) if self._names_members else (request, ())
        if call.caller.kind is ActorKind.MEMBER and (into := aliases.into(call.caller.subject)):
            call = replace(call, caller=replace(call.caller, merged_into=UUID(into)))
        if merged and self._reads_resolved:
            call.trail.resolved(member_id=[UUID(each.merged_into) for each in merged])
            call = replace(call, merged_ids=merged)
        begin_call(call)
        return call, named


def _parser(handler: Handler, *, ours: bool) -> Callable[[Any], Any]:
    """Returns a function that parses and validates bytes, or a stream of them. It raises RequestMalformed."""
    parse: Any = handler.request_deserializer

    def read(data: bytes) -> Any:
        try:
            request = parse(data)
        except PARSE_ERRORS as unparsable:
            raise RequestMalformed(
                [FieldViolation("", "could not be parsed as a message of this method")]
            ) from unparsable
        if ours and (found := violations(request)):
            raise RequestMalformed(found)
        return request

    async def read_all(pieces: AsyncIterator[bytes]) -> AsyncIterator[Any]:
        async for data in pieces:
            yield read(data)

    return read_all if handler.request_streaming else read


PARSE_ERRORS = (DecodeError, UnicodeDecodeError, RecursionError)


def _record_refused_ids(call: Call, handler: Handler, data: Any) -> None:
    """Records the ids in a rejected request for the audit log, as far as it can be parsed."""
    if not isinstance(data, bytes):
        return  # a stream of requests, none of which was read
    parse: Any = handler.request_deserializer
    try:
        ids = ids_of(parse(data))
    except PARSE_ERRORS:
        ids = ids_in_bytes(data)
    call.trail.ids, call.trail.omitted_ids = bounded(ids)


def _hide_from_members(caller: Caller, response: Any) -> None:
    """Hides from a member who else acted. Shared responses are bytes; they name nobody or aren't sent to members."""
    if caller.kind is ActorKind.MEMBER and isinstance(response, Message):
        hide_others(response, {caller.subject, str(caller.member_id)})


def _record_returned_ids(call: Call, response: Message) -> None:
    """Records the ids that an admin received, besides those in the request."""
    named = set(call.trail.ids.values())
    call.trail.ids |= {path: value for path, value in ids_reported(response).items() if value not in named}


async def _authorize(core: Core, call: Call, permission: Permission, request: Any) -> None:
    """Raises NotAllowed if the caller isn't allowed to send this request."""
    if not await permission.allows(core, call.caller, request):
        call.trail.ids, call.trail.omitted_ids = bounded(call.trail.ids)
        raise NotAllowed


def _types(method: str) -> tuple[Any, Any]:
    """Returns the message classes of the requests and responses of one of our methods, by its full name."""
    described = descriptor_pool.Default().FindMethodByName(method.removeprefix("/").replace("/", "."))
    get: Any = message_factory.GetMessageClass
    return get(described.input_type), get(described.output_type)


def _unchanged(response: Any) -> Any:
    return response
