"""Describes stages, findings and comparisons of migrations in words. `docs/migrating.md` describes them in full."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from affilia.migration.v1 import migration_service_pb2 as pb
from affilia.migration.v1.migration_service_pb2 import MigrationStage, SourceComparison, SourceDifferenceCount

NO_STAGE = pb.MIGRATION_STAGE_UNSPECIFIED
TRANSLATE = pb.MIGRATION_STAGE_TRANSLATE
DUAL_WRITE = pb.MIGRATION_STAGE_DUAL_WRITE
READ_CORE = pb.MIGRATION_STAGE_READ_CORE
CORE = pb.MIGRATION_STAGE_CORE
RETIRED = pb.MIGRATION_STAGE_RETIRED


@dataclass(frozen=True, slots=True)
class Effects:
    """What a stage means, in words."""

    reads: str
    changes: str
    tables: str
    premiums: str

    def lines(self) -> list[tuple[str, str]]:
        """Returns the effects with their labels."""
        return [
            ("reads", self.reads),
            ("changes", self.changes),
            ("tables", self.tables),
            ("premiums", self.premiums),
        ]


LEGACY_ANSWERS = "answered from the legacy tables"
WRITTEN_TO_BOTH = "written to the core and to the legacy tables"
ONLY_THE_CORE_WRITES = "only Affilia can write the legacy tables"
CLOSED, OPEN = "can't be computed yet", "can be computed"

EFFECTS = {
    TRANSLATE: Effects(LEGACY_ANSWERS, "rejected", "other programs write the legacy tables", CLOSED),
    DUAL_WRITE: Effects(LEGACY_ANSWERS, WRITTEN_TO_BOTH, "other programs can still write the legacy tables", CLOSED),
    READ_CORE: Effects(
        f"{LEGACY_ANSWERS}; the core is read as well, and differences are counted",
        WRITTEN_TO_BOTH,
        ONLY_THE_CORE_WRITES,
        CLOSED,
    ),
    CORE: Effects("answered from the core", WRITTEN_TO_BOTH, ONLY_THE_CORE_WRITES, OPEN),
    RETIRED: Effects("answered from the core", "written to the core", "the legacy tables are no longer used", OPEN),
}

FINDINGS = {
    pb.LEGACY_FINDING_KIND_NO_START: "without a first day; ignored",
    pb.LEGACY_FINDING_KIND_REVERSED: "ends before its first day; ignored",
    pb.LEGACY_FINDING_KIND_PRODUCT_NOT_MAPPED: "product not mapped to a module; blocks its group",
    pb.LEGACY_FINDING_KIND_BEFORE_CONTRACT: "starts before the legacy contract; the earlier days are ignored",
    pb.LEGACY_FINDING_KIND_SLOT_OVERLAP: "shares days with another product of the same slot; the newer row has them",
    pb.LEGACY_FINDING_KIND_TYPE_CONFLICT: "has another enrollment type than the one that applies",
}

DIFFERENCES = {
    pb.SOURCE_DIFFERENCE_KIND_BLOCKED: "can't be aligned, because a product isn't mapped",
    pb.SOURCE_DIFFERENCE_KIND_MISSING: "not in the core yet",
    pb.SOURCE_DIFFERENCE_KIND_STALE: "its legacy rows have changed since it was aligned",
    pb.SOURCE_DIFFERENCE_KIND_NOW: "differs today, in the past, or because of what the contract offers",
    pb.SOURCE_DIFFERENCE_KIND_LATER: "differs only after today, because rules end coverage",
}

STAGES = {
    MigrationStage.Name(number).removeprefix("MIGRATION_STAGE_"): number
    for number in MigrationStage.values()
    if number != NO_STAGE
}


def stage_name(stage: "MigrationStage.ValueType") -> str:
    return MigrationStage.Name(stage).removeprefix("MIGRATION_STAGE_")


def finding_name(kind: "pb.LegacyFindingKind.ValueType") -> str:
    return pb.LegacyFindingKind.Name(kind).removeprefix("LEGACY_FINDING_KIND_")


def difference_name(kind: "pb.SourceDifferenceKind.ValueType") -> str:
    return pb.SourceDifferenceKind.Name(kind).removeprefix("SOURCE_DIFFERENCE_KIND_")


def comparison_words(result: SourceComparison) -> str:
    """Returns how many groups were compared and how many differ, such as `98 groups, 3 differ: 1 NOW, 2 LATER`."""
    groups = plural(result.groups, "group")
    if not result.differences:
        return f"{groups}, none differs"
    differing = sum(each.count for each in result.differences)
    return f"{groups}, {differing} {'differs' if differing == 1 else 'differ'}: {_counts(result.differences)}"


def plural(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _counts(differences: Iterable[SourceDifferenceCount]) -> str:
    return ", ".join(f"{each.count} {difference_name(each.kind)}" for each in differences)


def next_step(stage: "MigrationStage.ValueType", country: str, last: SourceComparison | None) -> str:
    """Returns the next stage and what it requires. `last` is the last comparison of all contracts."""
    match stage:
        case pb.MIGRATION_STAGE_UNSPECIFIED:
            return "map a contract with `affilia migration map`. The first one puts the country into TRANSLATE."
        case pb.MIGRATION_STAGE_TRANSLATE:
            return "DUAL_WRITE. Requires nothing. Map all contracts and products first."
        case pb.MIGRATION_STAGE_DUAL_WRITE:
            wanted = "READ_CORE. Requires a comparison started in DUAL_WRITE that finds no differences but LATER."
            return f"{wanted} {_compared(DUAL_WRITE, country, last, [pb.SOURCE_DIFFERENCE_KIND_LATER])}"
        case pb.MIGRATION_STAGE_READ_CORE:
            wanted = "CORE. Requires a comparison started in READ_CORE that finds no differences."
            return f"{wanted} {_compared(READ_CORE, country, last, [])}"
        case pb.MIGRATION_STAGE_CORE:
            return "RETIRED. Requires a reason, and can't be undone."
    return "none. The migration has ended."


def _compared(
    stage: "MigrationStage.ValueType",
    country: str,
    last: SourceComparison | None,
    allowed: Sequence["pb.SourceDifferenceKind.ValueType"],
) -> str:
    """Returns whether the last comparison was started in a stage and found only what is allowed."""
    command = f"`affilia migration compare {country}`"
    if last is None or last.stage != stage:
        return f"There is none yet. Run {command}."
    found = [each for each in last.differences if each.kind not in allowed]
    if found:
        return f"The last one found {_counts(found)}. Resolve these differences, then run {command} again."
    return "The last one did."
