"""`affilia`, the command line: a client of the server like any other, and what starts and checks one."""
