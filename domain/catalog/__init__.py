"""The catalog: what sponsors bought."""
