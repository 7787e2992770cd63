"""How often the tests of this folder repeat what they test.

By default a few times, which is enough to notice that a test or a guarantee is broken. AFFILIA_RELIABILITY=full repeats
everything as often as docs/guarantees.md reports (`make reliability`); the variable of a single count overrides it.
"""

import os
import random

IS_FULL = os.environ.get("AFFILIA_RELIABILITY") == "full"


def repetitions(variable: str, few: int, full: int) -> int:
    """Returns the value of an environment variable. By default, `full` if AFFILIA_RELIABILITY is full, else `few`."""
    chosen = full if IS_FULL else few
    return int(os.environ.get(variable, chosen))


def seeded(what: str) -> random.Random:
    """Returns a new source of randomness, and prints its seed and purpose."""
    seed = random.SystemRandom().randrange(2**32)
    print(f"{what}, seed {seed}")
    return random.Random(seed)
