"""The stored views of revisions: the state of a group as a serialized response, which reads return unchanged.

A view is stored with its revision, and cleared if periods of the revision are removed. Revisions of older servers have
none.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from storage.migration_stages import LEGACY_ANSWERS
from storage.postgres.database import Connection


class ViewKey(NamedTuple):
    """A revision of a group, or its newest one (None). With `unless_legacy_answers`, a group that legacy tables answer
    for isn't found. The id of the group is a text, to avoid converting it to a UUID and back."""

    group_id: str
    revision: int | None
    unless_legacy_answers: bool


_VIEWS = (
    "SELECT w.position, r.view FROM unnest(%s::uuid[], %s::integer[], %s::boolean[]) WITH ORDINALITY"
    " AS w(group_id, revision, unless_legacy_answers, position) JOIN enrollment_group g USING (group_id),"
    # With a join, the planner can read all revisions of a group and then compare their numbers.
    " LATERAL (SELECT view FROM enrollment_revision WHERE group_key = g.group_key"
    " AND revision = coalesce(w.revision, g.revision) OFFSET 0) AS r"
    " WHERE r.view IS NOT NULL AND NOT (w.unless_legacy_answers AND EXISTS (SELECT FROM legacy_identifier i"
    f" JOIN migration m USING (country) WHERE i.kind = 'CONTRACT' AND i.id = g.contract_id AND {LEGACY_ANSWERS}))"
)


async def group_views(connection: Connection, keys: Sequence[ViewKey]) -> list[bytes | None]:
    """Returns the views of revisions in one query, in the order of the keys. None: there is no such revision or view.

    The newest revision is the one that is committed when the query begins.
    """
    # Arrays as texts, so that every number of keys and every revision uses the same prepared statement.
    cursor = await connection.execute(
        _VIEWS,
        [
            _array(key.group_id for key in keys),
            _array("NULL" if key.revision is None else str(key.revision) for key in keys),
            _array("t" if key.unless_legacy_answers else "f" for key in keys),
        ],
        prepare=True,
    )
    views: list[bytes | None] = [None] * len(keys)
    for position, view in await cursor.fetchall():
        views[position - 1] = view
    return views


def _array(items: Iterable[str]) -> str:
    return "{" + ",".join(items) + "}"
