"""Properties of planned days, for random books and files: they equal a naive model, and the engine arrives at them."""

from collections.abc import Iterable, Sequence
from collections.abc import Mapping as Lookup
from dataclasses import dataclass, replace
from datetime import date, timedelta
from uuid import UUID

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from affilia.enrollment.v1.change_request_pb2 import ScopedChange, UnmetEnroll
from affilia_cli.enrollment_file.book.day_runs import DayRuns
from affilia_cli.enrollment_file.planning.changes import changes_of
from affilia_cli.enrollment_file.planning.earlier_imports import EarlierRequests, adjust
from affilia_cli.enrollment_file.planning.plan import Kind, PlannedMember
from affilia_cli.enrollment_file.reading.file import Coverage, TransactionSet
from affilia_client.dates import span_to_proto
from domain.days import NO_DAYS, UNBOUNDED_END, Days, Span
from domain.enrollment.decisions import DaysChange, Enroll, EnrollmentKey
from domain.enrollment.desired import DaysByEnrollment, lay_over
from server.mapping.change_request import change_from_proto
from tests.support.builders import a_contract, a_module, a_version
from tests.support.naive_file_days import (
    ALL,
    FOREVER,
    NaiveEnd,
    NaiveModule,
    NaiveStatement,
    after_ends,
    days_after,
    is_rejected,
    mates_of,
    meant_by,
    runs_of,
    stated_days,
)
from tests.support.planned_files import (
    ANN,
    BOOK_CONTRACT,
    CONTRACT,
    FOLLOWING,
    MAPPING,
    MODULES,
    a_member,
    a_person,
    a_set,
    book_of,
    plan_for,
)

EPOCH = date(2026, 1, 1)
LAST = 16
SLOTS = {"BASE": "base", "PLUS": "base", "DENTAL": ""}
ENGINE = a_contract(a_version(*(a_module(name, slot=slot or None) for name, slot in SLOTS.items())))


def to_date(day: int) -> date:
    return date.max if day >= FOREVER else EPOCH + timedelta(days=day)


def to_runs(days: set[int]) -> DayRuns:
    return DayRuns.of((to_date(min(run)), to_date(max(run))) for run in runs_of(days))


def to_set(days: DayRuns) -> set[int]:
    return {
        day
        for run in days
        for day in range((run.first_on - EPOCH).days, FOREVER + 1 if run.is_open else (run.last_on - EPOCH).days + 1)
    }


@dataclass(frozen=True)
class Story:
    """A book and a file about one person, as sets of days and loops in order."""

    before: dict[str, set[int]]
    loops: list[tuple[str, NaiveEnd | NaiveStatement]]
    whole_from: int | None
    follows: bool

    @property
    def stated(self) -> dict[str, NaiveModule]:
        found = {}
        for name in dict.fromkeys(name for name, _ in self.loops):
            own = [each for line, each in self.loops if line == name]
            ends = [each for each in own if isinstance(each, NaiveEnd)]
            found[name] = NaiveModule(ends, [each for each in own if isinstance(each, NaiveStatement)])
        return found

    def model(self) -> dict[str, set[int]]:
        return days_after(self.before, self.stated, SLOTS, self.whole_from, self.follows)

    def sets(self, loops: Sequence[tuple[str, NaiveEnd | NaiveStatement]], num_sets: int = 1) -> list[TransactionSet]:
        """Returns the loops, one coverage each, dealt out to sets."""
        coverages = [a_coverage(name, each, i) for i, (name, each) in enumerate(loops)]
        action = "2" if self.whole_from is None else "4"
        dealt = [coverages[i::num_sets] for i in range(num_sets)]
        return [a_set(a_member(*each, maintenance="001"), action=action) for each in dealt if each]

    def plan(
        self,
        before: Lookup[str, set[int]] | None = None,
        sets: Sequence[TransactionSet] | None = None,
    ) -> PlannedMember:
        before = self.before if before is None else before
        sets = self.sets(self.loops) if sets is None else sets
        book = book_of({(ANN, name): to_runs(days) for name, days in before.items() if days})
        ann = a_person(sets, *(member for each in sets for member in each.members))
        today = to_date(self.whole_from or 0)
        mapping = FOLLOWING if self.follows else MAPPING
        return plan_for([ann], sets, book, mapping=mapping, today=today).members[0]

    def is_lasting(self) -> bool:
        """Returns whether a later file can tell apart what this file does.

        It can't if a stated period lies beside a run, because both become one, or beside a run that an end means only
        after that; or if a module takes a day from a mate in its slot that, by its end, is covered until then.
        """
        for name, module in self.stated.items():
            had, stated = self.before.get(name, set()), stated_days(module)
            for run in runs_of(after_ends(had, module.ends)):
                begins_beside = min(run) - 1 in stated and min(run) not in stated
                ends_beside = max(run) + 1 in stated and not run & stated
                if begins_beside or ends_beside:
                    return False
            for end in module.ends:
                mates = [self.stated[mate] for mate in mates_of(name, SLOTS) if mate in self.stated]
                ended = {end.last}.union(*meant_by(end, had)) & set(range(end.last + 1))
                if any(ended & stated_days(mate) for mate in mates):
                    return False
                if meant_by(end, self.model()[name]) and not meant_by(end, had):
                    return False
        return True


def a_coverage(name: str, loop: NaiveEnd | NaiveStatement, at: int) -> Coverage:
    begins = None if loop.begins is None else to_date(loop.begins)
    last = None if loop.last >= FOREVER else to_date(loop.last)
    if isinstance(loop, NaiveEnd):
        maintenance = "002" if loop.deletes else "024"
    else:
        maintenance = "026" if loop.corrects else "021"
    return Coverage(at, maintenance, name, "", "", begins, last, ())


def after(planned: PlannedMember, before: Lookup[str, set[int]]) -> dict[str, set[int]]:
    found = {name: set(before.get(name, set())) for name in SLOTS}
    names = {MODULES[name]: name for name in SLOTS}
    return found | {names[each.module_id]: to_set(each.after) for each in planned.modules}


days = st.integers(0, LAST)
spans = st.builds(
    lambda first, length: set(range(first, FOREVER + 1 if length is None else min(first + length, FOREVER))),
    days,
    st.one_of(st.none(), st.integers(1, 6), st.integers(1, 6)),
)
sets_of_days = st.lists(spans, max_size=3).map(lambda some: set().union(*some))


@st.composite
def loops(draw: st.DrawFn) -> tuple[str, NaiveEnd | NaiveStatement]:
    name = draw(st.sampled_from(("BASE", "BASE", "PLUS", "DENTAL")))
    if draw(st.booleans()):
        last = draw(days)
        begins = draw(st.one_of(st.none(), st.integers(0, last + 1)))
        return name, NaiveEnd(begins, last, draw(st.booleans()) and draw(st.booleans()))
    begins = draw(days)
    last = draw(st.one_of(st.just(FOREVER), st.integers(begins, LAST)))
    return name, NaiveStatement(begins, last, draw(st.booleans()) and draw(st.booleans()))


@st.composite
def stories(draw: st.DrawFn) -> Story:
    base, plus = draw(sets_of_days), draw(sets_of_days)
    whole_from = draw(st.one_of(st.none(), days))
    return Story(
        {"BASE": base, "PLUS": plus - base, "DENTAL": draw(sets_of_days)},
        draw(st.lists(loops(), min_size=1, max_size=5)),
        whole_from,
        draw(st.booleans()),
    )


@settings(max_examples=300, deadline=None)
@given(stories())
def test_the_plan_equals_the_naive_model(story: Story) -> None:
    planned = story.plan()
    assert (planned.kind is Kind.REJECTED) == is_rejected(story.before, story.stated, SLOTS)
    if planned.kind is not Kind.REJECTED:
        assert after(planned, story.before) == story.model()


@settings(deadline=None)
@given(stories(), st.randoms(use_true_random=False), st.integers(1, 3))
def test_the_order_of_loops_and_sets_plays_no_part(story: Story, random: object, num_sets: int) -> None:
    shuffled = list(story.loops)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    planned = story.plan(sets=story.sets(shuffled, num_sets))
    assert after(planned, story.before) == after(story.plan(), story.before)


@settings(deadline=None)
@given(stories())
def test_a_second_file_with_the_same_loops_plans_nothing(story: Story) -> None:
    assume(not is_rejected(story.before, story.stated, SLOTS) and story.is_lasting())
    first = after(story.plan(), story.before)
    again = story.plan(first)
    assert after(again, first) == first
    assert not changes_of(again, "note")


@settings(deadline=None)
@given(stories())
def test_days_that_no_loop_speaks_of_never_change(story: Story) -> None:
    assume(not is_rejected(story.before, story.stated, SLOTS))
    found = after(story.plan(), story.before)
    for name, had in story.before.items():
        module = story.stated.get(name, NaiveModule((), ()))
        spoken = stated_days(module)
        if story.whole_from is not None:
            spoken |= set(range(story.whole_from, FOREVER + 1))
        for mate in mates_of(name, SLOTS):
            spoken |= stated_days(story.stated.get(mate, NaiveModule((), ())))
        for end in module.ends:
            spoken = spoken.union(*meant_by(end, had))
        for run in runs_of(had):
            if run & stated_days(module):
                spoken |= run
        assert (found[name] ^ had) <= spoken


def overlaid(desired: DaysByEnrollment, changes: Iterable[ScopedChange]) -> DaysByEnrollment:
    """Returns the desired days after changes, as the engine computes them."""
    after_changes = dict(desired)
    laid = [change_from_proto(each) for each in changes]
    lay_over(after_changes, [each for each in laid if isinstance(each, DaysChange)], ENGINE)
    return {key: each for key, each in after_changes.items() if each}


def engine_days(days: set[int]) -> Days:
    spans = (
        Span(to_date(min(run)).toordinal(), UNBOUNDED_END if FOREVER in run else to_date(max(run)).toordinal() + 1)
        for run in runs_of(days)
    )
    return Days.of(*spans)


def engine_key(name: str) -> EnrollmentKey:
    return EnrollmentKey(UUID(ANN), UUID(MODULES[name]))


def from_engine(found: Lookup[EnrollmentKey, Days]) -> dict[str, set[int]]:
    start = EPOCH.toordinal()
    return {
        name: {day for day in range(FOREVER + 1) if found.get(engine_key(name), NO_DAYS).holds(start + day)}
        for name in SLOTS
    }


@settings(deadline=None)
@given(stories())
def test_the_engine_arrives_at_the_planned_days(story: Story) -> None:
    planned = story.plan()
    desired = {engine_key(name): engine_days(days) for name, days in story.before.items() if days}
    found = overlaid(desired, [change for _, change in changes_of(planned, "note")])
    expected = {engine_key(name): engine_days(days) for name, days in after(planned, story.before).items() if days}
    assert found == expected


@settings(deadline=None)
@given(stories())
def test_there_is_one_change_for_each_run_of_days_that_differs(story: Story) -> None:
    planned = story.plan()
    found = after(planned, story.before)
    num_added = sum(len(runs_of(found[name] - story.before[name])) for name in SLOTS)
    changes = [change for _, change in changes_of(planned, "note")]
    assert sum(each.HasField("enroll") for each in changes) == num_added
    open_before = {MODULES[name] for name, days in story.before.items() if FOREVER in days}
    for each in changes:
        if each.HasField("leave") and not each.leave.days.HasField("last_on"):
            assert each.leave.module_id in open_before


def settled(desired: DaysByEnrollment, allowed: Lookup[str, set[int]]) -> dict[str, set[int]]:
    return {name: days & allowed[name] for name, days in from_engine(desired).items()}


def without_requested(planned: PlannedMember, story: Story, desired: DaysByEnrollment) -> PlannedMember:
    """Returns the plan without the days that earlier requests ask for and rules don't allow, as the server reports
    them."""
    book = book_of({(ANN, name): to_runs(days) for name, days in story.before.items()})
    unmet = [
        UnmetEnroll(
            member_id=ANN,
            module_id=MODULES[name],
            days=[span_to_proto(run.first_on, None if run.is_open else run.last_on) for run in to_runs(missing)],
        )
        for name, days in from_engine(desired).items()
        if (missing := days - story.before[name])
    ]
    earlier = EarlierRequests(BOOK_CONTRACT, next(iter(book.families.values())), (), tuple(unmet))
    return adjust(planned, {CONTRACT: earlier}, EPOCH)


def is_approved(changes: Iterable[ScopedChange], allowed: Lookup[str, set[int]]) -> bool:
    """Returns whether the first day of each open enroll is allowed, and all days of each bounded one."""
    names = {MODULES[name]: name for name in SLOTS}
    enrolls = [change_from_proto(each) for each in changes]
    for each in enrolls:
        if isinstance(each, Enroll):
            days = from_engine({engine_key(names[str(each.module_id)]): Days.of(each.days)})
            asked = days[names[str(each.module_id)]]
            if not ({min(asked)} if FOREVER in asked else asked) <= allowed[names[str(each.module_id)]]:
                return False
    return True


@settings(max_examples=200, deadline=None)
@given(stories(), st.fixed_dictionaries(dict.fromkeys(SLOTS, sets_of_days)))
def test_days_that_rules_cut_are_not_requested_again(story: Story, forbidden: dict[str, set[int]]) -> None:
    allowed = {name: set(ALL) - days for name, days in forbidden.items()}
    desired = {engine_key(name): engine_days(days) for name, days in story.before.items() if days}
    first = replace(story, before=settled(desired, allowed))
    assume(not is_rejected(first.before, story.stated, SLOTS) and first.is_lasting())
    changes = [change for _, change in changes_of(without_requested(first.plan(), first, desired), "note")]
    assume(is_approved(changes, allowed))
    desired = overlaid(desired, changes)
    second = replace(first, before=settled(desired, allowed))
    again = without_requested(second.plan(), second, desired)
    assert not changes_of(again, "other note")
