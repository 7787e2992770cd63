"""All methods of all services, read from the descriptors of the protos.

No method is listed by hand, so a new one can be called as soon as its stubs are generated.
"""

import keyword
import re
from dataclasses import dataclass
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor, MethodDescriptor, ServiceDescriptor
from google.protobuf.descriptor_pb2 import DescriptorProto, FieldDescriptorProto, MethodOptions
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from affilia.audit.v1 import audit_service_pb2
from affilia.catalog.v1 import catalog_service_pb2, member_service_pb2
from affilia.eligibility.v1 import eligibility_check_service_pb2, eligibility_internal_service_pb2
from affilia.enrollment.v1 import change_request_service_pb2, enrollment_query_service_pb2
from affilia.history.v1 import history_service_pb2
from affilia.migration.v1 import migration_service_pb2
from affilia.premium.v1 import premium_computation_service_pb2
from affilia.pricing.v1 import cost_provider_service_pb2
from affilia_client.deadlines import default_seconds
from affilia_client.values import message_of

FILES: tuple[Any, ...] = (
    enrollment_query_service_pb2,
    change_request_service_pb2,
    history_service_pb2,
    eligibility_check_service_pb2,
    eligibility_internal_service_pb2,
    cost_provider_service_pb2,
    premium_computation_service_pb2,
    catalog_service_pb2,
    member_service_pb2,
    audit_service_pb2,
    migration_service_pb2,
    history_service_pb2,
)
NEXT_WORD = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


@dataclass(frozen=True, slots=True)
class Method:
    """One method of one service."""

    service: str
    name: str
    request: type[Message]
    response: type[Message]
    reads: bool
    streams: bool
    fields: tuple[FieldDescriptor, ...]
    items: str
    """The response field with the items of a page. Empty if the method isn't paged."""

    @property
    def path(self) -> str:
        """The path of the method in HTTP/2 requests."""
        return f"/{self.service}/{self.name}"

    @property
    def python_name(self) -> str:
        """The name of the method in Python."""
        return NEXT_WORD.sub("_", self.name).lower()

    @property
    def all_name(self) -> str:
        """The name of the method that iterates over all pages, such as `all_revisions` for `list_revisions`, and
        `search_all_members` for `search_members`."""
        verb, _, listed = self.python_name.partition("_")
        return f"all_{listed}" if verb == "list" else f"{verb}_all_{listed}"

    @property
    def seconds(self) -> float:
        """The default deadline."""
        return default_seconds(self.name, self.reads)

    def takes(self, name: str) -> bool:
        """Returns whether the request has a field with this name."""
        return name in self.request.DESCRIPTOR.fields_by_name

    def request_from(self, request: Message | None, fields: dict[str, Any]) -> Message:
        """Returns the request, or a new one with these fields.

        Raises TypeError for both together or for another type of request, and ValueError for invalid values.
        """
        if request is None:
            values = {_wire_name(name): value for name, value in fields.items()}
            return message_of(self.request, values, f"{self.python_name}()")
        if fields:
            raise TypeError(f"{self.python_name}() takes a request or its fields, not both")
        if not isinstance(request, self.request):
            expected = self.request.DESCRIPTOR.name
            raise TypeError(f"{self.python_name}() takes a {expected}, not {type(request).__name__}")
        return request


def argument_name(field: FieldDescriptor) -> str:
    """Returns the name of a field in Python: as in the proto, with `_` appended to keywords such as `from`."""
    return f"{field.name}_" if keyword.iskeyword(field.name) else field.name


def _wire_name(argument: str) -> str:
    return argument[:-1] if argument.endswith("_") and keyword.iskeyword(argument[:-1]) else argument


def _repeated_fields(message: Descriptor) -> list[str]:
    """Returns the names of the repeated fields, by means that every supported protobuf has (`is_repeated` is new)."""
    described = DescriptorProto()
    message.CopyToProto(described)
    return [field.name for field in described.field if field.label == FieldDescriptorProto.LABEL_REPEATED]


def _method(method: MethodDescriptor) -> Method:
    request, response = method.input_type, method.output_type
    paged = "page_token" in request.fields_by_name
    lists = _repeated_fields(response) if paged else [""]
    return Method(
        service=method.containing_service.full_name,
        name=method.name,
        request=GetMessageClass(request),
        response=GetMessageClass(response),
        reads=method.GetOptions().idempotency_level == MethodOptions.NO_SIDE_EFFECTS,
        streams=method.server_streaming,
        fields=tuple(request.fields),
        items=lists[0],
    )


def _services() -> list[ServiceDescriptor]:
    return [service for file in FILES for service in file.DESCRIPTOR.services_by_name.values()]


SERVICES: dict[str, tuple[Method, ...]] = {
    service.full_name: tuple(map(_method, service.methods)) for service in _services()
}
"""The methods of each service by its full name, in the order of the protos."""
