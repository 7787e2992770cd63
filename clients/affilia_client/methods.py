"""Every method of every service, as the protos describe it: what the client's calls are made from.

Nothing here is written by hand for a single method, so a new one is callable as soon as its stubs are there.
"""

import keyword
import re
from dataclasses import dataclass
from typing import Any

from google.protobuf.descriptor import FieldDescriptor, MethodDescriptor, ServiceDescriptor
from google.protobuf.descriptor_pb2 import MethodOptions
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from affilia.catalog.v1 import catalog_service_pb2, member_service_pb2
from affilia.eligibility.v1 import eligibility_check_service_pb2, eligibility_internal_service_pb2
from affilia.enrollment.v1 import change_request_service_pb2, enrollment_query_service_pb2
from affilia.premium.v1 import premium_computation_service_pb2
from affilia.pricing.v1 import cost_provider_service_pb2
from affilia_client.dates import date_to_proto, instant_to_proto
from affilia_client.deadlines import default_seconds

FILES: tuple[Any, ...] = (
    enrollment_query_service_pb2,
    change_request_service_pb2,
    eligibility_check_service_pb2,
    eligibility_internal_service_pb2,
    cost_provider_service_pb2,
    premium_computation_service_pb2,
    catalog_service_pb2,
    member_service_pb2,
)
NEXT_WORD = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
FROM_PYTHON: dict[str, Any] = {"google.type.Date": date_to_proto, "google.protobuf.Timestamp": instant_to_proto}
"""Messages that may be given as Python's own values."""


@dataclass(frozen=True, slots=True)
class Method:
    """One call of one service."""

    service: str
    name: str
    request: type[Message]
    response: type[Message]
    reads: bool
    streams: bool
    fields: tuple[FieldDescriptor, ...]
    items: str
    """The response's field that a paged list fills; empty where nothing is paged."""

    @property
    def path(self) -> str:
        """Its name on the wire."""
        return f"/{self.service}/{self.name}"

    @property
    def python_name(self) -> str:
        """Its name in Python."""
        return NEXT_WORD.sub("_", self.name).lower()

    @property
    def all_name(self) -> str:
        """What gives the items of all pages: `list_revisions` is one page, `all_revisions` all items."""
        return self.python_name.replace("list_", "all_", 1)

    @property
    def seconds(self) -> float:
        """Its deadline, unless the caller says otherwise."""
        return default_seconds(self.name, self.reads)

    def takes(self, name: str) -> bool:
        """Whether the request has a field of this name."""
        return name in self.request.DESCRIPTOR.fields_by_name

    def asked(self, request: Message | None, fields: dict[str, Any]) -> Message:
        """The request itself, or one of these fields.

        TypeError where both are given, or something else than the method takes; ValueError for what no field holds.
        """
        if request is None:
            return self.request(**{_wire_name(name): self._wire_value(name, value) for name, value in fields.items()})
        if fields:
            raise TypeError(f"{self.python_name}() takes a request or its fields, not both")
        if not isinstance(request, self.request):
            wanted = self.request.DESCRIPTOR.name
            raise TypeError(f"{self.python_name}() takes a {wanted}, not {type(request).__name__}")
        return request

    def _wire_value(self, name: str, value: Any) -> Any:
        field = self.request.DESCRIPTOR.fields_by_name.get(_wire_name(name))
        if field is None:
            raise TypeError(f"{self.python_name}() has no field {name!r}")
        if field.message_type is None or isinstance(value, Message) or value is None:
            return value
        convert = FROM_PYTHON.get(field.message_type.full_name)
        return convert(value) if convert else value


def argument_name(field: FieldDescriptor) -> str:
    """How a field is called in Python: as in the proto, but `from_` for what is a word of Python."""
    return f"{field.name}_" if keyword.iskeyword(field.name) else field.name


def _wire_name(argument: str) -> str:
    return argument[:-1] if argument.endswith("_") and keyword.iskeyword(argument[:-1]) else argument


def _method(method: MethodDescriptor) -> Method:
    request, response = method.input_type, method.output_type
    paged = "page_token" in request.fields_by_name
    lists = [field.name for field in response.fields if field.is_repeated]
    return Method(
        service=method.containing_service.full_name,
        name=method.name,
        request=GetMessageClass(request),
        response=GetMessageClass(response),
        reads=method.GetOptions().idempotency_level == MethodOptions.NO_SIDE_EFFECTS,
        streams=method.server_streaming,
        fields=tuple(request.fields),
        items=lists[0] if paged else "",
    )


def _services() -> list[ServiceDescriptor]:
    return [service for file in FILES for service in file.DESCRIPTOR.services_by_name.values()]


SERVICES: dict[str, tuple[Method, ...]] = {
    service.full_name: tuple(map(_method, service.methods)) for service in _services()
}
"""The methods of each service, in the order of the protos."""
