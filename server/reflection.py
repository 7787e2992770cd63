"""Reflection, in both versions that clients ask for: v1alpha from the wheel, and v1, which the wheel lacks.

The two have the same messages under different package names, so that the wheel's servicer can answer both.
"""

from collections.abc import Sequence

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool
from grpc_reflection.v1alpha import reflection, reflection_pb2

V1 = "grpc.reflection.v1.ServerReflection"
V1_FILE = "grpc/reflection/v1/reflection.proto"


def add_reflection(server: grpc.aio.Server, services: Sequence[str]) -> None:
    """Serves the descriptors of these services, and of reflection itself."""
    _describe_v1()
    names = [*services, reflection.SERVICE_NAME, V1]
    reflection.enable_server_reflection(names, server)
    servicer = reflection.aio.ReflectionServicer(names)
    handler = grpc.stream_stream_rpc_method_handler(
        servicer.ServerReflectionInfo,
        request_deserializer=reflection_pb2.ServerReflectionRequest.FromString,
        response_serializer=reflection_pb2.ServerReflectionResponse.SerializeToString,
    )
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(V1, {"ServerReflectionInfo": handler}),))


def _describe_v1() -> None:
    """Puts v1's descriptors, which are v1alpha's in another package, where clients that ask for them find them."""
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
