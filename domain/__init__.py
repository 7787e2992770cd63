"""The domain: pure values and functions. No clock, no I/O, no third-party import."""
