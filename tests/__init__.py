"""Tests. Those that start a listener in this process run on gRPC's core as the server does."""

from server.grpc_core import prepare_grpc_core

prepare_grpc_core()
