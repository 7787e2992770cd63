"""Which facts a merge of two records keeps."""

from collections.abc import Iterable
from dataclasses import dataclass

from affilia.enrollment.v1 import change_request_pb2
from affilia_views.days import format_span
from affilia_views.facts import Fact
from affilia_views.words import fact_name

Kind = tuple[int, str]


@dataclass(frozen=True, slots=True)
class KeptKind:
    """The facts of one kind that two records have, in words. Each custom fact is a kind of its own."""

    name: str
    of_source: tuple[str, ...]
    of_target: tuple[str, ...]

    @property
    def differs(self) -> bool:
        """Whether both records have facts of this kind, and they differ."""
        return bool(self.of_source and self.of_target) and self.of_source != self.of_target


def kept_kinds(of_source: Iterable[Fact], of_target: Iterable[Fact]) -> list[KeptKind]:
    """Returns the kinds of facts of the record that goes and of the one that remains."""
    source, target = _by_kind(of_source), _by_kind(of_target)
    kinds = sorted(source.keys() | target.keys())
    return [KeptKind(_name(kind), tuple(source.get(kind, ())), tuple(target.get(kind, ()))) for kind in kinds]


def _by_kind(facts: Iterable[Fact]) -> dict[Kind, list[str]]:
    found: dict[Kind, list[str]] = {}
    for fact in facts:
        name = fact.name if fact.kind == change_request_pb2.FACT_KIND_ATTRIBUTE else ""
        days = f", {format_span(fact.days)}" if fact.days is not None else ""
        found.setdefault((fact.kind, name), []).append(f"{fact.value}{days}")
    return found


def _name(kind: Kind) -> str:
    number, name = kind
    return fact_name(change_request_pb2.FactKind.ValueType(number), name)
