"""History: what was recorded about groups, members and contracts, as entries for people to read."""
