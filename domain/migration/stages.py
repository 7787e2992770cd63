"""The stages of a country's migration, and what each of them allows. A country without a stage is the core's alone."""

from enum import StrEnum


class Stage(StrEnum):
    """In order. A country moves one step at a time, in either direction, but never out of RETIRED."""

    TRANSLATE = "TRANSLATE"
    DUAL_WRITE = "DUAL_WRITE"
    READ_CORE = "READ_CORE"
    CORE = "CORE"
    RETIRED = "RETIRED"

    @property
    def legacy_answers(self) -> bool:
        """Whether reads that follow the migration, and checks, are answered from the legacy tables."""
        return self in (Stage.TRANSLATE, Stage.DUAL_WRITE, Stage.READ_CORE)

    @property
    def accepts_changes(self) -> bool:
        """Whether the core accepts changes of enrollments."""
        return self is not Stage.TRANSLATE

    @property
    def writes_back(self) -> bool:
        """Whether changes are also written to the legacy tables."""
        return self in (Stage.DUAL_WRITE, Stage.READ_CORE, Stage.CORE)

    @property
    def aligns(self) -> bool:
        """Whether a stale group is aligned before it changes."""
        return self in (Stage.DUAL_WRITE, Stage.READ_CORE)

    @property
    def others_write(self) -> bool:
        """Whether other programs can write the legacy tables."""
        return self in (Stage.TRANSLATE, Stage.DUAL_WRITE)

    @property
    def opens_premiums(self) -> bool:
        """Whether premiums can be computed and followed."""
        return not self.legacy_answers

    def is_adjacent(self, other: "Stage") -> bool:
        """Returns whether a country can move from this stage to another one."""
        order = list(Stage)
        return self is not Stage.RETIRED and abs(order.index(self) - order.index(other)) == 1
