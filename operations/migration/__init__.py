"""Use cases of migrations: reading legacy groups, aligning the core with them, writing back, comparing, stages."""
