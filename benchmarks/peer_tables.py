"""The product's tables as ORM classes, as an engineer would map them for a service of this size."""

from typing import Any

from sqlalchemy import Column, Table
from sqlalchemy.orm import DeclarativeBase, relationship

from storage.postgres.tables import audit, catalog, eligibility, enrollment, feed, members, requests


class Base(DeclarativeBase):
    """The base of all classes. Their constructors take columns by name."""


def _mapped(table: Table, *primary_key: str, **relationships: Any) -> Any:
    """Returns a class whose instances are rows. Tables without a primary key need columns that identify a row."""
    attributes: dict[str, Any] = {"__table__": table, **relationships}
    if primary_key:
        columns: list[Column[Any]] = [table.c[name] for name in primary_key]
        attributes["__mapper_args__"] = {"primary_key": columns}
    return type(table.name, (Base,), attributes)


Contract = _mapped(catalog.contract_revision)
Member = _mapped(members.member_revision)
Group = _mapped(enrollment.enrollment_group)
GroupMember = _mapped(enrollment.group_member)
ChangeRequest = _mapped(enrollment.change_request)
Period = _mapped(enrollment.enrollment_period, "revision_key", "member_id", "module_id", "days")
Difference = _mapped(enrollment.enrollment_difference, "revision_key", "member_id", "module_id")
Revision = _mapped(
    enrollment.enrollment_revision,
    periods=relationship(Period, order_by=[Period.member_id, Period.module_id, Period.days]),
    differences=relationship(Difference),
    change_request=relationship(ChangeRequest),
)
Event = _mapped(enrollment.event)
PendingEvent = _mapped(feed.feed_pending)
AnsweredRequest = _mapped(requests.answered_request)
AuditEntry = _mapped(audit.audit_entry)
AuditEntryId = _mapped(audit.audit_entry_id)
Projection = _mapped(eligibility.projection_checkpoints)
Policy = _mapped(eligibility.coverage_policy)
Run = _mapped(eligibility.coverage_run, "generation", "group_id", "member_id", "module_id", "days")
Balance = _mapped(eligibility.accumulator_balance)
