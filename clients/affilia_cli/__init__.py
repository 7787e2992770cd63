"""The command line `affilia`, a client of the server. `server/serving.py` adds the commands that run a server."""
