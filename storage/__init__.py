"""Storage: the schema, and the SQL of each area. Knows the domain, and nothing of the wire."""
