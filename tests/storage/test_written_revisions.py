"""The revisions that a process keeps until its feed reader has published them."""

from uuid import UUID

from domain.enrollment.events import PolicyRevision
from domain.enrollment.history import RevisionCause
from operations.written_revisions import MAX_WEIGHT, WrittenRevisions


def a_revision(number: int) -> PolicyRevision:
    return PolicyRevision.of(number, RevisionCause(UUID(int=number), None), None, (), ())


def test_the_newest_revisions_are_kept_and_memory_is_bounded() -> None:
    written = WrittenRevisions()
    for number in range(MAX_WEIGHT + 10):
        written.add({UUID(int=number): a_revision(number)})
    assert len(written.of(UUID(int=n) for n in range(MAX_WEIGHT + 10))) == MAX_WEIGHT
    assert written.of([UUID(int=9)]) == {}
    assert written.of([UUID(int=10)])[UUID(int=10)].revision == 10


def test_published_revisions_make_room_for_others() -> None:
    written = WrittenRevisions()
    written.add({UUID(int=n): a_revision(n) for n in range(MAX_WEIGHT)})
    written.remove([UUID(int=n) for n in range(MAX_WEIGHT)] + [UUID(int=MAX_WEIGHT)])
    written.add({UUID(int=n): a_revision(n) for n in range(MAX_WEIGHT)})
    assert len(written.of(UUID(int=n) for n in range(MAX_WEIGHT))) == MAX_WEIGHT
