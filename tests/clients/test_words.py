"""Requests that take over days from legacy tables, in the words of the command line."""

from collections.abc import Iterator
from datetime import date

import pytest

from affilia.enrollment.v1.change_request_pb2 import (
    REQUESTER_ROLE_MIGRATION,
    ChangeRequest,
    Enroll,
    Leave,
    Requester,
    Revert,
    ScopedChange,
)
from affilia.type.v1.actor_pb2 import ACTOR_KIND_ADMIN, Actor
from affilia.type.v1.membership_type_pb2 import MEMBERSHIP_TYPE_CHILD, MEMBERSHIP_TYPE_PRIMARY
from affilia_cli.correcting import show_undone
from affilia_client import Client
from affilia_client.dates import date_to_proto, span_to_proto
from affilia_views.server_names import ServerNames
from affilia_views.words import change_words, changes_words, requester_words

FROM_2024, UNTIL_MAY = span_to_proto(date(2024, 1, 1)), span_to_proto(date(2024, 1, 1), date(2024, 5, 31))
MIGRATED = ChangeRequest(
    change_request_id="r1",
    requester=Requester(role=REQUESTER_ROLE_MIGRATION, requester_id="ES"),
    actor=Actor(kind=ACTOR_KIND_ADMIN, subject="ada"),
    overridden_rules=["CHILD_AGE"],
    overridden_before=date_to_proto(date(2026, 3, 15)),
    changes=[
        ScopedChange(leave=Leave(member_id="p", days=FROM_2024)),
        ScopedChange(leave=Leave(member_id="c", days=FROM_2024)),
        ScopedChange(
            enroll=Enroll(member_id="p", membership_type=MEMBERSHIP_TYPE_PRIMARY, module_id="base", days=FROM_2024)
        ),
        ScopedChange(
            enroll=Enroll(member_id="c", membership_type=MEMBERSHIP_TYPE_CHILD, module_id="base", days=UNTIL_MAY)
        ),
    ],
)
LINES = [
    "replace all enrollments of p, c, 2024-01-01 to open end",
    "enroll p (primary) on base, 2024-01-01 to open end",
    "enroll c (child) on base, 2024-01-01 to 2024-05-31",
]


@pytest.fixture
def names() -> Iterator[ServerNames]:
    """Names that are the ids, without any call."""
    with Client("localhost:1") as client:
        yield ServerNames(client, ids=True)


def test_a_migration_is_described_with_its_country_and_recorder(names: ServerNames) -> None:
    words = "taken over from the legacy tables of ES, recorded by ada (admin)"
    assert requester_words(MIGRATED, names) == words
    shown_to_a_member = ChangeRequest(
        requester=Requester(role=REQUESTER_ROLE_MIGRATION), actor=Actor(kind=ACTOR_KIND_ADMIN)
    )
    words = "taken over from the legacy tables, recorded by an unnamed admin"
    assert requester_words(shown_to_a_member, names) == words


def test_the_leaves_of_a_migration_are_one_line(names: ServerNames) -> None:
    assert changes_words(MIGRATED, names) == LINES


def test_a_reverted_migration_is_described_in_the_same_words(names: ServerNames) -> None:
    names._requests["r1"] = MIGRATED
    words = change_words(ScopedChange(revert=Revert(change_request_id="r1")), names)
    assert words.endswith("; ".join(LINES))


def test_what_a_revert_of_a_migration_undoes_is_printed(names: ServerNames, capsys: pytest.CaptureFixture[str]) -> None:
    show_undone(MIGRATED, names)
    printed = [line.strip() for line in capsys.readouterr().out.splitlines() if line.strip()]
    assert printed == [
        "Reverts request r1, taken over from the legacy tables of ES, recorded by ada (admin)",
        *LINES,
        "with overrides of CHILD_AGE before 2026-03-15",
    ]
