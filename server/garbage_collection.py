"""How often Python's garbage collector runs."""

GC_THRESHOLDS = (5_000, 200, 100)
"""A full collection stops the process for 0.1 s when the feed's newest events are in memory, and few of our objects are
in cycles. So new objects are collected often and in small portions (each takes milliseconds; one ten times as large was
measured to take 70 ms), older ones rarely, and those created before the start never (`gc.freeze`)."""
