"""The database itself: connections, sessions, types, tables, migrations, privileges, locks, leases, instants."""
