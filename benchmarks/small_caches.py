"""The server with small caches: `python -m benchmarks.small_caches serve ...` takes the server's own arguments.

With the default limits, caches fill for hours under the load of a soak, and hide whether anything else grows. With a
hundredth of these limits, they are full within a minute, and entries are evicted all the time. Caches of Python's
`lru_cache` keep their limits; their keys are contracts, modules and spans, of which a soak has few.
"""

from importlib import import_module

from server.grpc_core import prepare_grpc_core

prepare_grpc_core()

LIMITS = (
    ("domain.eligibility.coverage", "MAX_CACHED"),
    ("operations.eligibility", "MAX_CACHED_FINDINGS"),
    ("operations.feed_tail", "KEPT_WEIGHT"),
    ("operations.group_memory", "MAX_SIZE"),
    ("operations.written_revisions", "MAX_WEIGHT"),
    ("server.mapping.eligibility", "MAX_CACHED_MESSAGES"),
    ("storage.contracts", "MAX_CACHED_STATES"),
    ("storage.members", "MAX_CACHED_FACTS"),
    ("storage.premium_prices", "MAX_CACHED_PRICES"),
)
"""The modules and names of the limits."""
DIVISOR = 100


def main() -> None:
    """Runs the command line of the server with lower limits."""
    for module, name in LIMITS:
        limits = import_module(module)
        setattr(limits, name, getattr(limits, name) // DIVISOR)
    from server.__main__ import main as run

    run()


if __name__ == "__main__":
    main()
