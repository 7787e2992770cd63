"""The exit statuses of the command line."""

OTHER_ERROR = 1
"""A call failed, nothing matches a name, or a check found a problem."""
USAGE = 2
"""The arguments are invalid."""
REJECTED = 3
"""The server rejected a change request."""
SEVERAL_MATCH = 4
"""Several members, families, contracts or modules match a name."""
SOURCES_DIFFER = 5
"""`migration compare` found groups that differ now, or that the core doesn't have as the legacy tables say."""
