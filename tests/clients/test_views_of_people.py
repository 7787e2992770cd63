"""Facts as lines of a timeline, what a merge keeps, and large families in which single members are opened."""

from datetime import date

from affilia.catalog.v1.member_pb2 import Address, Attribute, MemberFacts
from affilia_client.dates import date_to_proto, span_to_proto
from affilia_views.fact_lanes import fact_lanes, fact_window
from affilia_views.facts import facts_in
from affilia_views.kept_facts import kept_kinds
from affilia_views.lanes import MAX_LANES, lanes_of
from affilia_views.timeline import Row, Window
from affilia_views.timeline_svg import timeline_svg
from tests.clients.test_timeline_svg import OPEN, TODAY
from tests.support.given_names import Ids

MOVED = date(2026, 3, 1)


def facts(born_on: date | None = None, *addresses: Address, student: str = "") -> MemberFacts:
    found = MemberFacts(addresses=addresses)
    if born_on:
        found.born_on.CopyFrom(date_to_proto(born_on))
    if student:
        found.attributes.append(Attribute(days=span_to_proto(None), name="student", value=student))
    return found


def address(country: str, first: date | None, last: date | None = None) -> Address:
    return Address(days=span_to_proto(first, last), country_code=country)


def test_each_value_of_a_fact_is_a_line_below_its_name() -> None:
    before, after = address("FR", None, date(2026, 2, 28)), address("BE", MOVED)
    lanes = fact_lanes(facts_in(facts(date(1980, 6, 1), before, after, student="yes")))
    assert [(lane.heading, lane.label, list(lane.spans)) for lane in lanes] == [
        ("address", "FR", [(date.min, date(2026, 2, 28))]),
        ("", "BE", [(MOVED, None)]),
        ("attribute student", "yes", [(date.min, None)]),
    ]


def test_the_window_of_facts_shows_where_they_change_but_not_the_beginning_of_time() -> None:
    lanes = fact_lanes(facts_in(facts(None, address("FR", None, date(2020, 2, 29)), address("BE", date(2020, 3, 1)))))
    window = fact_window(lanes, TODAY)
    assert date(2019, 12, 31) < window.first_on < date(2020, 2, 29)
    assert window.last_on > TODAY


def test_a_merge_keeps_kinds_of_one_record_and_asks_about_kinds_that_differ() -> None:
    source = facts(date(1980, 6, 2), address("FR", MOVED), student="yes")
    target = facts(date(1980, 6, 1), address("FR", MOVED))
    kinds = {kind.name: kind for kind in kept_kinds(facts_in(source), facts_in(target))}
    assert [name for name, kind in kinds.items() if kind.differs] == ["date of birth"]
    assert (kinds["attribute student"].of_source, kinds["attribute student"].of_target) == (
        ("yes, the beginning to open end",), (),
    )  # fmt: skip


def test_an_opened_member_of_a_large_family_has_a_line_for_each_module() -> None:
    members = [f"m{n:03}" for n in range(MAX_LANES + 1)]
    rows = [Row(member, module, (OPEN,)) for member in members for module in ("base", "option")]
    lanes = lanes_of(rows, Ids(), {}, opened=["m001"])
    assert [lane.label for lane in lanes[:5]] == ["m000", "base", "option", "m002", "m003"]
    assert [lane.is_whole_member for lane in lanes[:4]] == [True, False, False, True]
    assert len(lanes) == len(members) + 1


def test_a_drawing_with_links_is_a_group_so_that_they_can_be_reached() -> None:
    lanes = lanes_of([Row("p", "base", (OPEN,))], Ids(), {})
    window = Window(date(2026, 1, 1), date(2026, 12, 31))
    linked = timeline_svg(lanes, window, TODAY, "a family", links={"p": "/people/p"}, in_page=True)
    assert 'role="group"' in linked
    assert '<a href="/people/p"><text class="heading"' in linked
    assert 'role="img"' in timeline_svg(lanes, window, TODAY, "a family")


def test_a_window_is_limited_to_years_around_today() -> None:
    window = Window(date(2000, 1, 1), date(2041, 5, 31)).within_years(TODAY, 5)
    assert window == Window(date(2021, 1, 1), date(2031, 12, 31))
    narrow = Window(date(2026, 1, 1), date(2026, 12, 31))
    assert narrow.within_years(TODAY, 5) == narrow
