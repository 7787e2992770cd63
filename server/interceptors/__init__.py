"""What surrounds every call: telemetry, errors, identity, validation."""
