"""The server: one process that answers every service over gRPC."""
