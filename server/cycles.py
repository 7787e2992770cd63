"""How often a process looks for cycles in memory."""

GC_THRESHOLDS = (50_000, 20, 100)
"""Looking for cycles among everything that lives stops the process for a tenth of a second when the feed's newest
events are in memory. Little of ours is in cycles: look rarely, and never through what was there at the start."""
