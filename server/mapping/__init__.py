"""Between protobuf messages and domain values: two free functions per message."""
