"""Reads the change feed until now: everyone's current state, or which groups have changed since a token."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from affilia.enrollment.v1 import enrollment_event_pb2, enrollment_query_service_pb2
from affilia.enrollment.v1.enrollment_event_pb2 import EnrollmentEvent, EnrollmentFilter
from affilia.enrollment.v1.enrollment_group_pb2 import EnrollmentGroup
from affilia_cli.enrollment_file.findings import EnrollmentFileError
from affilia_client import Client

REVISIONS = (
    enrollment_event_pb2.ENROLLMENT_EVENT_TYPE_POLICY_ACTIVATED,
    enrollment_event_pb2.ENROLLMENT_EVENT_TYPE_POLICY_CHANGED,
    enrollment_event_pb2.ENROLLMENT_EVENT_TYPE_POLICY_TERMINATED,
)


class EventDamaged(EnrollmentFileError):
    """An event can't be read. It has to be repaired before changes can be exported."""

    def __init__(self, event: EnrollmentEvent) -> None:
        super().__init__(
            f"Event {event.event_id} of group {event.group_id} is damaged, so its changes are unknown. "
            "Ask the server's operators to repair it, then export again. Nothing was written."
        )


@dataclass(frozen=True, slots=True)
class ChangedGroup:
    """A group that has new revisions, with the revision before them and the last of them."""

    group_id: str
    contract_id: str
    primary_id: str
    from_revision: int
    to_revision: int


@dataclass(frozen=True, slots=True)
class FeedChanges:
    """The groups that have changed, in the order of their first change, and the token after these changes."""

    groups: list[ChangedGroup]
    resume_token: str


class Snapshot:
    """The current state of all groups of some contracts. `resume_token` is set at the end of the iteration.

    The feed continues after the token without gaps or overlaps.
    """

    def __init__(self, client: Client, contract_ids: Collection[str]) -> None:
        self._client = client
        self._filter = _filter(contract_ids)
        self.resume_token = ""

    def __iter__(self) -> Iterator[EnrollmentGroup]:
        start = enrollment_query_service_pb2.FEED_START_SNAPSHOT
        with self._client.subscribe(start, self._filter) as subscription:
            for message in subscription:
                yield from message.groups
                if message.snapshot_complete:
                    self.resume_token = message.resume_token
                    return


def changes_since(client: Client, token: str, contract_ids: Collection[str]) -> FeedChanges:
    """Reads the feed after a token, with everything that was committed before this call.

    Raises EventDamaged, and CallFailed if the feed can't continue after the token.
    """
    wanted, groups = _filter(contract_ids), dict[str, ChangedGroup]()
    with client.subscribe(enrollment_query_service_pb2.FEED_START_NOW, wanted) as subscription:
        end = next(subscription).feed_position
    with client.subscribe(token, wanted) as subscription:
        for message in subscription:
            for event in message.events:
                if not event.HasField("policy_revision"):
                    raise EventDamaged(event)
                revision, known = event.policy_revision.revision, groups.get(event.group_id)
                groups[event.group_id] = ChangedGroup(
                    event.group_id,
                    event.key.contract_id,
                    event.key.primary_id,
                    known.from_revision if known else revision - 1,
                    revision,
                )
            if message.feed_position >= end:
                break
        return FeedChanges(list(groups.values()), message.resume_token)


def _filter(contract_ids: Collection[str]) -> EnrollmentFilter:
    """Returns the filter of all exports with a mapping. A token belongs to the filter with which it was received."""
    return EnrollmentFilter(contract_ids=sorted(contract_ids), types=REVISIONS)
