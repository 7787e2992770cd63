"""gRPC reflection, in the versions that clients use: v1alpha, which grpcio-reflection provides, and v1.

Both have the same messages in different packages, so the servicer of grpcio-reflection can serve both.
"""

from collections.abc import Sequence
from typing import Any

import grpc
from google.protobuf import descriptor, descriptor_pb2, descriptor_pool
from grpc_reflection.v1alpha import reflection, reflection_pb2

V1 = "grpc.reflection.v1.ServerReflection"
V1_FILE = "grpc/reflection/v1/reflection.proto"


class DescribedMethods:
    """The default descriptor pool, but it also finds methods by name, such as `package.Service.Method`.

    protobuf's own pool doesn't (grpc/grpc#34743), and grpcurl and ghz look methods up.
    """

    def __init__(self) -> None:
        self._pool = descriptor_pool.Default()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._pool, name)

    def FindFileContainingSymbol(self, symbol: str) -> descriptor.FileDescriptor:
        """Returns the file of a symbol. Raises KeyError."""
        try:
            return self._pool.FindFileContainingSymbol(symbol)
        except KeyError:
            return self._pool.FindMethodByName(symbol).containing_service.file


def add_reflection(server: grpc.aio.Server, services: Sequence[str]) -> None:
    """Serves the descriptors of these services, and of reflection itself."""
    _register_v1()
    names = [*services, reflection.SERVICE_NAME, V1]
    pool: Any = DescribedMethods()
    reflection.enable_server_reflection(names, server, pool)
    servicer = reflection.aio.ReflectionServicer(names, pool)
    handler = grpc.stream_stream_rpc_method_handler(
        servicer.ServerReflectionInfo,
        request_deserializer=reflection_pb2.ServerReflectionRequest.FromString,
        response_serializer=reflection_pb2.ServerReflectionResponse.SerializeToString,
    )
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(V1, {"ServerReflectionInfo": handler}),))


def _register_v1() -> None:
    """Adds the descriptors of v1, copied from v1alpha into another package, to the default pool."""
    pool = descriptor_pool.Default()
    try:
        pool.FindFileByName(V1_FILE)
    except KeyError:
        file = descriptor_pb2.FileDescriptorProto.FromString(reflection_pb2.DESCRIPTOR.serialized_pb)
        file.name, file.package = V1_FILE, "grpc.reflection.v1"
        file.ClearField("options")
        for message in file.message_type:
            for field in message.field:
                if field.type_name:
                    field.type_name = _of_v1(field.type_name)
        for service in file.service:
            for method in service.method:
                method.input_type, method.output_type = _of_v1(method.input_type), _of_v1(method.output_type)
        pool.AddSerializedFile(file.SerializeToString())


def _of_v1(name: str) -> str:
    return name.replace(".grpc.reflection.v1alpha.", ".grpc.reflection.v1.")
