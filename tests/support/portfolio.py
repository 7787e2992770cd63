"""Copies a policy that was made over the wire into many, directly in the database."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from random import Random
from typing import Any
from uuid import UUID, uuid4

import psycopg

from domain.identity import group_id

NULL = "\\N"
TABLES = {
    "member_revision": "member_id, revision, recorded_at, document",
    "enrollment_group": "group_key, group_id, contract_id, primary_id, revision, recorded_at",
    "group_member": "member_id, group_key, recorded_at",
    "change_request": "change_request_key, change_request_id, group_key, approved, revision, recorded_at, document",
    "enrollment_revision": "revision_key, group_key, revision, recorded_at, change_request_key, policy_event",
    "enrollment_period": "revision_key, member_id, module_id, slot_id, membership_type, days",
}
KEYS = {"enrollment_group": "group_key", "change_request": "change_request_key", "enrollment_revision": "revision_key"}


@dataclass(frozen=True, slots=True)
class _Template:
    contract_id: UUID
    primary_id: UUID
    members: dict[str, str]
    requests: list[tuple[bool, int, str]]
    revisions: list[tuple[int, int | None, str]]
    periods: list[tuple[int, str, str, str, str, str]]


def _template(connection: "psycopg.Connection[Any]", group: str) -> _Template:
    def rows(statement: str) -> list[Any]:
        return connection.execute(statement, {"group": group}).fetchall()

    ((group_key, contract_id, primary_id),) = rows(
        "SELECT group_key, contract_id, primary_id FROM enrollment_group WHERE group_id = %(group)s"
    )
    of_group = f"FROM {{}} WHERE group_key = {group_key}"
    members = rows(
        "SELECT DISTINCT ON (member_id) member_id::text, document::text FROM member_revision WHERE member_id IN"
        f" (SELECT member_id {of_group.format('group_member')}) ORDER BY member_id, revision DESC"
    )
    requests = rows(
        f"SELECT change_request_key, approved, revision, document::text {of_group.format('change_request')} ORDER BY 1"
    )
    places = {key: i for i, (key, *_) in enumerate(requests)}
    revisions = rows(
        "SELECT revision_key, revision, change_request_key, policy_event"
        f" {of_group.format('enrollment_revision')} ORDER BY 2"
    )
    numbers = {key: i for i, (key, *_) in enumerate(revisions)}
    periods = connection.execute(
        "SELECT revision_key, member_id::text, module_id::text, slot_id::text, membership_type, days::text"
        " FROM enrollment_period WHERE revision_key = ANY(%s)",
        [list(numbers)],
    ).fetchall()
    return _Template(
        contract_id,
        primary_id,
        dict(members),
        [(approved, revision, document) for _, approved, revision, document in requests],
        [(revision, places.get(request), event) for _, revision, request, event in revisions],
        [(numbers[key], *rest) for key, *rest in periods],
    )


def clone_policies(
    url: str, group: str, count: int, born: Callable[[Random, date], date] = lambda _, on: on, seed: int = 1
) -> list[str]:
    """Writes copies of a policy with new members, and returns their group ids.

    `born` returns the birth date of each new member, given that of the copied one.
    """
    random = Random(seed)
    with psycopg.connect(url) as connection:
        template = _template(connection, group)
        keys = {table: _next(connection, table, key) for table, key in KEYS.items()}
        lines: dict[str, list[str]] = {table: [] for table in TABLES}
        ids = [_add(template, lines, keys, lambda on: born(random, on)) for _ in range(count)]
        for table, columns in TABLES.items():
            with connection.cursor().copy(f"COPY {table} ({columns}) FROM STDIN") as copy:
                copy.write("".join(lines[table]))
        for table, key in KEYS.items():
            connection.execute(
                f"SELECT setval(pg_get_serial_sequence('{table}', '{key}'), (SELECT max({key}) FROM {table}))"
            )
        connection.commit()
        connection.autocommit = True
        connection.execute("ANALYZE")
    return ids


def _next(connection: "psycopg.Connection[Any]", table: str, key: str) -> int:
    row = connection.execute(f"SELECT coalesce(max({key}), 0) + 1 FROM {table}").fetchone()
    assert row
    return int(row[0])


def _add(template: _Template, lines: dict[str, list[str]], keys: dict[str, int], born: Callable[[date], date]) -> str:
    new = {member: str(uuid4()) for member in template.members}

    def renamed(text: str) -> str:
        for old, its in new.items():
            text = text.replace(old, its)
        return text.replace("\\", "\\\\")

    def add(table: str, *values: object) -> None:
        lines[table].append("\t".join(NULL if value is None else str(value) for value in values) + "\n")

    primary = UUID(new[str(template.primary_id)])
    its_id = group_id(template.contract_id, primary)
    group_key = keys["enrollment_group"]
    for member, document in template.members.items():
        add("member_revision", new[member], 1, "now", renamed(_with_birth(document, born)))
    add("enrollment_group", group_key, its_id, template.contract_id, primary, len(template.revisions), "now")
    for member in new.values():
        add("group_member", member, group_key, "now")
    first_request, first_revision = keys["change_request"], keys["enrollment_revision"]
    for i, (approved, revision, document) in enumerate(template.requests):
        add("change_request", first_request + i, uuid4(), group_key, approved, revision, "now", renamed(document))
    for i, (revision, request, event) in enumerate(template.revisions):
        its_request = None if request is None else first_request + request
        add("enrollment_revision", first_revision + i, group_key, revision, "now", its_request, event)
    for number, member, *rest in template.periods:
        add("enrollment_period", first_revision + number, new[member], *rest)
    keys["enrollment_group"] += 1
    keys["change_request"] += len(template.requests)
    keys["enrollment_revision"] += len(template.revisions)
    return str(its_id)


def _with_birth(document: str, born: Callable[[date], date]) -> str:
    before, found, after = document.partition('"born_on": "')
    if not found:
        return document
    return f"{before}{found}{born(date.fromisoformat(after[:10]))}{after[10:]}"
