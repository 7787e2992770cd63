"""Converts protobuf messages to domain values and back, by two free functions per message."""
