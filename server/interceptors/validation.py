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
from operations.call import Call, begin_call, current_call
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
            self._wrapped[method] = _validated(handler, self._core, self._access_policy, method, self._tokens)
        return self._wrapped[method]


def _validated(handler: Handler, core: Core, access_policy: AccessPolicy, method: str, tokens: Tokens) -> Handler:
    ours, sent = method.startswith(OURS), metrics.SENT.labels(method)
    permission = access_policy.permissions.get(method, ADMINS_ONLY)
    is_long_lived = method.endswith(LASTING_METHODS) and not permission.writes
    read_request = _request_reader(handler, core, access_policy, method, tokens)
    # Others can write their responses directly (health's Watch), so gRPC still serializes theirs.
    serialize: Any = handler.response_serializer if ours else _unchanged
    response_type = _types(method)[1] if ours else None
    codec = {"request_deserializer": None, "response_serializer": None if ours else handler.response_serializer}

    # Responses that go to many callers were serialized before, once: those are bytes.
    def call(behavior: Any) -> Any:
        async def checked(data: Any, context: Context) -> Any:
            request = await read_request(data)
            merged = current_call().merged_ids
            if permission.writes or not ours:
                response = await behavior(request, context)
                if ours and hasattr(response, FIELD):
                    response.consistency_token = consistency_token(tokens)
            else:
                response = await core.lease.reading(lambda: behavior(request, context))
                if merged:
                    response = reporting(response, response_type, merged)
                if isinstance(response, Message) and access_policy.audits(method, current_call().caller):
                    _record_returned_ids(current_call(), response)
            _hide_from_members(response)
            return response if isinstance(response, bytes) else serialize(response)

        return checked

    def stream(behavior: Any) -> Any:
        async def checked(data: Any, context: Context) -> AsyncIterator[Any]:
            request = await read_request(data)
            call = current_call()
            if is_long_lived and access_policy.audits(method, call.caller):
                await enter(core, call, "BEGUN")
            responses = behavior(request, context)
            try:
                async for response in responses:
                    sent.inc()
                    _hide_from_members(response)
                    yield response if isinstance(response, bytes) else serialize(response)
            finally:
                await responses.aclose()

        return checked

    return rewrapped(handler, call, stream, **codec)


def _request_reader(
    handler: Handler, core: Core, access_policy: AccessPolicy, method: str, tokens: Tokens
) -> Callable[[Any], Any]:
    """Returns a function that parses the bytes of a request, or of a stream of requests, and authorizes the caller.

    That function raises NotAllowed, RequestMalformed, TokenInvalid and TokenOfAnotherHistory.
    """
    ours, permission = method.startswith(OURS), access_policy.permissions.get(method, ADMINS_ONLY)
    parse, inspected_kinds = _parser(handler, ours=ours), permission.inspected_kinds
    request_type, response_type = _types(method) if ours else (None, None)
    names_members = request_type is not None and can_name_members(request_type.DESCRIPTOR)
    reads_resolved = (
        not permission.writes
        and not handler.response_streaming
        and response_type is not None
        and reports_merged(response_type.DESCRIPTOR)
    )

    async def resolve(request: Any) -> Any:
        """Returns the request with the ids that merged members have now. Sets the call's merged ids, and its caller."""
        is_member = current_call().caller.kind is ActorKind.MEMBER
        if not (ours and (is_member or (names_members and reads_resolved))):
            return request
        if not core.aliases.are_fresh:
            await refresh(core)
        if not core.aliases:
            return request
        named, merged = resolved(request, core.aliases) if names_members else (request, ())
        call = current_call()
        if is_member and (into := core.aliases.into(call.caller.subject)):
            call = replace(call, caller=replace(call.caller, merged_into=UUID(into)))
        if merged and reads_resolved:
            call.trail.resolved(member_id=[UUID(each.merged_into) for each in merged])
            call = replace(call, merged_ids=merged)
        begin_call(call)
        return named

    async def read_request(data: Any) -> Any:
        call = current_call()
        try:
            access_policy.check(method, call.caller)
            request = parse(data)
        except (NotAllowed, RequestMalformed):
            _record_refused_ids(call, handler, data)
            raise
        if ours and call.caller.kind in inspected_kinds:
            call.trail.ids.update(ids_of(request))
        if ours and (token := getattr(request, FIELD, "")):
            after = await admit(core, write_from_token(tokens, token))
            begin_call(replace(current_call(), after=after))
        named = await resolve(request)
        if ours and call.caller.kind in inspected_kinds:
            await _authorize(core, permission, named)
        if ours and is_paged(request.__class__):
            begin_page(request, tokens)
        if named is not request and reads_resolved:
            return named
        return request

    return read_request


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


def _hide_from_members(response: Any) -> None:
    """Hides from a member who else acted. Shared responses are bytes; they name nobody or aren't sent to members."""
    caller = current_call().caller
    if caller.kind is ActorKind.MEMBER and isinstance(response, Message):
        hide_others(response, {caller.subject, str(caller.member_id)})


def _record_returned_ids(call: Call, response: Message) -> None:
    """Records the ids that an admin received, besides those in the request."""
    named = set(call.trail.ids.values())
    call.trail.ids |= {path: value for path, value in ids_reported(response).items() if value not in named}


async def _authorize(core: Core, permission: Permission, request: Any) -> None:
    """Raises NotAllowed if the caller isn't allowed to send this request."""
    call = current_call()
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
