"""Plans of queries: how each table was read, and how many of its rows."""

import json
from typing import Any

import psycopg


def scans(connection: "psycopg.Connection[Any]", query: Any, values: dict[str, Any]) -> dict[str, tuple[str, int]]:
    """Runs a query. Returns for each table how it was read and how many rows, with those that a filter removed."""
    ((plan,),) = connection.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {query}", values).fetchall()
    found: dict[str, tuple[str, int]] = {}

    def walk(node: dict[str, Any]) -> None:
        if table := node.get("Relation Name"):
            read = (node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) * node["Actual Loops"]
            kind, before = found.get(table, (node["Node Type"], 0))
            found[table] = (kind if kind == "Seq Scan" else node["Node Type"], before + round(read))
        for child in node.get("Plans", ()):
            walk(child)

    walk((json.loads(plan) if isinstance(plan, str) else plan)[0]["Plan"])
    return found
