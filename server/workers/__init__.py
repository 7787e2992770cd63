"""Background workers: what a server does besides answering calls."""
