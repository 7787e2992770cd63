"""Shares bounded resources fairly between callers: connections, CPU time, worker processes."""
