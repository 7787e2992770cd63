"""Use cases of MigrationService: mapping contracts, moving stages, comparing sources, and backfilling."""
