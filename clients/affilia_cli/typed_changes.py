"""Changes as people type them: in the options of a command, or as a line of words."""

import re
from dataclasses import dataclass

import typer

from affilia.enrollment.v1.change_request_pb2 import Consequence, Enroll, Leave, ScopedChange
from affilia.enrollment.v1.enrollment_group_pb2 import GroupKey
from affilia_cli.days import parse_day
from affilia_cli.requesting import membership_type
from affilia_cli.resolving import Resolver
from affilia_client.dates import span_to_proto

DAYS = r"from (?P<first>\S+)(?: to (?P<last>\S+))?"
ENROLL = re.compile(rf"enroll (?:(?P<member>.+) on )?(?P<module>.+?) {DAYS}(?: as (?P<kind>\S+))?")
LEAVE = re.compile(rf"leave (?:(?!off |from )(?P<member>.+?) )?(?:off (?P<module>.+) )?{DAYS}")
FORMS = "enroll MEMBER on MODULE from DAY [to DAY] [as TYPE]", "leave MEMBER [off MODULE] from DAY [to DAY]"
"""How a change is written in words."""
CONSEQUENCE_FORM = "leave MEMBER off MODULE from DAY [to DAY]"
"""How a consequence is written in words."""


@dataclass(frozen=True, slots=True)
class TypedChange:
    """An enroll or a leave. The member defaults to the primary. A leave without a module applies to all modules."""

    module: str
    first: str
    last: str
    member: str
    kind: str = ""
    leaves: bool = False

    @classmethod
    def parse(cls, words: str) -> "TypedChange":
        """Returns the change in a line of words, in one of FORMS. Raises BadParameter."""
        line = " ".join(words.split())
        if found := ENROLL.fullmatch(line):
            return cls(found["module"], found["first"], found["last"] or "", found["member"] or "", found["kind"] or "")
        if found := LEAVE.fullmatch(line):
            return cls(found["module"] or "", found["first"], found["last"] or "", found["member"] or "", leaves=True)
        raise typer.BadParameter(f"A change must be {FORMS[0]!r} or {FORMS[1]!r}; got {line!r}.")

    @classmethod
    def parse_consequence(cls, words: str) -> "TypedChange":
        """Returns the leave that a consequence amounts to, written as CONSEQUENCE_FORM. Raises BadParameter."""
        line = " ".join(words.split())
        found = LEAVE.fullmatch(line)
        if not found or not found["module"]:
            raise typer.BadParameter(f"A consequence must be {CONSEQUENCE_FORM!r}; got {line!r}.")
        return cls.parse(line)

    def consequence(self, key: GroupKey, resolver: Resolver) -> Consequence:
        """Returns the leave as a consequence."""
        leave = self.message(key, resolver).leave
        return Consequence(member_id=leave.member_id, module_id=leave.module_id, days=leave.days)

    def message(self, key: GroupKey, resolver: Resolver) -> ScopedChange:
        """Returns the change as a message."""
        first, last = parse_day(self.first), parse_day(self.last) if self.last else None
        if last and last < first:
            raise typer.BadParameter(f"The last day must not be before the first: {last} is before {first}.")
        days = span_to_proto(first, last)
        member_id = self._member(key, resolver)
        module_id = resolver.module(self.module, [key.contract_id]) if self.module else ""
        if self.leaves:
            return ScopedChange(leave=Leave(member_id=member_id, module_id=module_id, days=days))
        kind = self.kind or ("primary" if member_id == key.primary_id else "child")
        number = membership_type(kind, "The membership type")
        return ScopedChange(enroll=Enroll(member_id=member_id, module_id=module_id, membership_type=number, days=days))

    def _member(self, key: GroupKey, resolver: Resolver) -> str:
        if not self.member:
            return key.primary_id
        return resolver.member_of(key, self.member) if self.leaves else resolver.member(self.member)
