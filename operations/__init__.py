"""Use cases: open the transaction, load, let the domain decide, save. No gRPC, no protobuf."""
