"""The catalog: what sponsors bought, and what may be published."""
