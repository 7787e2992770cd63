"""The audit log: which calls were made, by whom, and what they named."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from starlette.responses import Response

from affilia.audit.v1.audit_service_pb2 import AuditEntry, NamedId
from affilia_console import finding
from affilia_console.failures import Refused
from affilia_console.visits import Visit
from affilia_views.words import actor_words

PAGE_SIZE = 50
FILTERS = ("person", "named_id", "subject", "method", "outcome", "first", "last")
ADDRESSES: Mapping[str, str] = {
    "member_id": "people",
    "primary_id": "people",
    "group_id": "families",
    "contract_id": "contracts",
}
"""The pages of things, by the name of the field that has their ids."""


def audit(visit: Visit) -> Response:
    """Shows the audit log, newest first. The form is sent by POST, because its fields can be personal data."""
    asked = {name: visit.text(name) for name in FILTERS}
    fields: dict[str, Any] = {name: asked[name] for name in ("subject", "method", "outcome")}
    if asked["person"]:
        fields["named_id"] = finding.member_id(visit, asked["person"])
    elif asked["named_id"]:
        fields["named_id"] = finding.id_in(asked["named_id"])
        if not fields["named_id"]:
            raise Refused(
                f"Any id must be a UUID, got {asked['named_id']}.",
                "To search for a person by name, use the field Person.",
            )
    if asked["first"]:
        fields["recorded_from"] = _midnight(asked["first"], "From")
    if asked["last"]:
        fields["recorded_before"] = _midnight(asked["last"], "To") + timedelta(days=1)
    page = visit.client.audit.list_audit_entries(**fields, page_size=PAGE_SIZE, page_token=visit.text("page_token"))
    visit.names.load_members(each.id for entry in page.entries for each in entry.ids if _kind(each) == "people")
    return visit.page(
        "audit.html", asked=asked, entries=page.entries, next_page_token=page.next_page_token, about=_About(visit)
    )


class _About:
    """What the template shows of an entry."""

    def __init__(self, visit: Visit) -> None:
        self._visit = visit

    def method(self, entry: AuditEntry) -> str:
        return entry.method.rpartition("/")[2]

    def actor(self, entry: AuditEntry) -> str:
        return actor_words(entry.actor, self._visit.names)

    def address(self, named: NamedId) -> str:
        """Returns the page of a thing, or an empty string if it has none."""
        kind = _kind(named)
        return f"/{kind}/{named.id}" if kind else ""

    def name(self, named: NamedId) -> str:
        return self._visit.names.member(named.id) if _kind(named) == "people" else named.id


def _kind(named: NamedId) -> str:
    return ADDRESSES.get(named.field.rpartition(".")[2].partition("[")[0], "")


def _midnight(text: str, field: str) -> datetime:
    """Returns the first instant of a day in UTC. Raises Refused."""
    try:
        return datetime.combine(date.fromisoformat(text), time(), UTC)
    except ValueError:
        raise Refused(f"{field} must be a day such as 2026-03-01, got {text}.") from None
