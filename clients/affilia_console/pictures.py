"""The timeline of a family on a page: a state compared with an earlier one."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from urllib.parse import quote

from markupsafe import Markup

from affilia.catalog.v1.contract_pb2 import Contract
from affilia.enrollment.v1.enrollment_group_pb2 import EnrollmentGroup
from affilia_views.change_words import change_items
from affilia_views.changes import changes_of, corrections_of, default_window
from affilia_views.days import today_under
from affilia_views.lanes import MAX_LANES, lanes_of, module_colors
from affilia_views.outline import Item
from affilia_views.server_names import ServerNames
from affilia_views.timeline import Row, rows_with_names
from affilia_views.timeline_svg import timeline_svg

MAX_YEARS = 5
"""How far from today the timeline shows days that changed."""


@dataclass(eq=False)
class Picture:
    """A state of a family compared with an earlier one: the timeline, and the changes in words."""

    names: ServerNames
    contract: Contract
    group: EnrollmentGroup
    before: EnrollmentGroup
    opened: Sequence[str]
    """Members whose modules are shown individually even in a large family."""
    only_changed: bool
    address: str
    """The address of the page that shows the picture, without the picture's own parameters."""

    @property
    def parameters(self) -> str:
        """Returns the picture's parameters, which links within the picture must repeat."""
        opened = "".join(f"&open={quote(each)}" for each in self.opened)
        return f"{opened}&changed=1" if self.only_changed else opened

    @cached_property
    def rows(self) -> list[Row]:
        """Returns all rows, including those only in the earlier state. Each member's are in the contract's order."""
        key = self.group.key
        rows = rows_with_names(self.group.periods, key.primary_id, self.names, self.before.periods)
        members = {row.member_id: n for n, row in enumerate(rows)}
        modules = {module_id: n for n, module_id in enumerate(module_colors(self.contract))}
        return sorted(rows, key=lambda row: (members[row.member_id], modules.get(row.module_id, len(modules))))

    @property
    def is_large(self) -> bool:
        """Whether each member is shown as a single line."""
        return len(self.rows) > MAX_LANES

    @cached_property
    def svg(self) -> Markup:
        """Returns the drawing."""
        shown = [row for row in self.rows if row.changed or not self.only_changed]
        lanes = lanes_of(shown, self.names, module_colors(self.contract), self.opened)
        links = {
            lane.member_id: f"{self.address}{self.parameters}&open={lane.member_id}#state"
            if lane.is_whole_member
            else f"/people/{lane.member_id}"
            for lane in lanes
        }
        today = today_under(self.contract)
        title = self.names.family(self.group.key)
        window = default_window(shown, today).within_years(today, MAX_YEARS)
        drawing = timeline_svg(lanes, window, today, title, links=links, in_page=True)
        return Markup(drawing)  # noqa: S704 (the drawing escapes every text)

    @cached_property
    def changes(self) -> list[Item]:
        """Returns what changed, in words."""
        slots = self.names.slots(row.module_id for row in self.rows)
        corrections = corrections_of(self.before.periods, self.group.periods)
        return change_items(changes_of(self.rows, slots), corrections, self.names)
