"""Measurements: `make bench` prints figures and ratios, `make soak` kills the server under load."""
