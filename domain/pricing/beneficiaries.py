"""Who is priced: as given in a quote or enrolled on a policy, with the age and the rank that prices go by."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import NamedTuple
from uuid import UUID

from domain.days import completed_years
from domain.members import HealthRegime
from domain.membership import MembershipType
from domain.pricing.prices import AgeNormalization, AgeStrategy, EngineParameters

ADULT_AGE, CHILD_AGE = 25, 17
QUOTE_AGES = EngineParameters(
    age_strategy=AgeStrategy.KEEP_EXACT_BIRTHDAY,
    default_age_child=CHILD_AGE,
    default_age_other=ADULT_AGE,
    age_normalization=AgeNormalization.NONE,
)
"""The ages of people who are on no policy (`pricing.md`, the beneficiary spec)."""


@dataclass(frozen=True, slots=True)
class BeneficiarySpec:
    """Somebody to be priced, as given; an age wins over a date of birth.

    `enrollment_ids` by module, and `member_id`, where the person is enrolled; `enrollment_id` where the spec was said
    to stand for an enrollment.
    """

    beneficiary_type: MembershipType
    age: int | None = None
    born_on: date | None = None
    regime: HealthRegime = HealthRegime.STANDARD
    module_ids: tuple[UUID, ...] = ()
    enrollment_ids: Mapping[UUID, UUID] = field(default_factory=dict)
    enrollment_id: UUID | None = None
    member_id: UUID | None = None

    def enrollment_on(self, module_id: UUID) -> UUID | None:
        """The enrollment that a component on a module is for; None for a projection."""
        return self.enrollment_ids.get(module_id, self.enrollment_id)


class Beneficiary(NamedTuple):
    """Somebody with a priced age. `position` is that in spec order; `born` sorts children by age, None: unknown."""

    position: int
    beneficiary_type: MembershipType
    age: int
    born: tuple[int, int, int] | None
    regime: HealthRegime

    @property
    def is_adult(self) -> bool:
        return self.beneficiary_type not in (MembershipType.CHILD, MembershipType.PET)


def beneficiary(spec: BeneficiarySpec, index: int, on: date, ages: EngineParameters) -> Beneficiary:
    """A spec as it is priced on a day, by the age parameters of a policy or of a quote."""
    age = spec.age if spec.age is not None else priced_age(spec.beneficiary_type, spec.born_on, on, ages)
    return Beneficiary(index, spec.beneficiary_type, age, _born(spec, on), spec.regime)


def priced_age(beneficiary_type: MembershipType, born_on: date | None, on: date, ages: EngineParameters) -> int:
    """Completed years from the effective birth date, normalized; a default where the birth date is unknown."""
    is_child = beneficiary_type == MembershipType.CHILD
    legacy = ages.age_normalization == AgeNormalization.LEGACY_BELGIAN
    if born_on is None:
        if legacy:
            return ADULT_AGE
        default = ages.default_age_child if is_child else ages.default_age_other
        return default or 0
    age = completed_years(effective_birth_date(born_on, ages.age_strategy), on)
    if legacy and age < ADULT_AGE:
        return CHILD_AGE if is_child else ADULT_AGE
    return age


def effective_birth_date(born_on: date, strategy: AgeStrategy | None) -> date:
    """The effective birth date, by which years are completed."""
    match strategy:
        case AgeStrategy.MOVE_BIRTHDAY_TO_FIRST_DAY_OF_MONTH:
            return born_on.replace(day=1)
        case AgeStrategy.MOVE_BIRTHDAY_TO_JAN_OF_NEXT_YEAR:
            # Nobody born in the calendar's last year completes one.
            return date(min(born_on.year + 1, date.max.year), 1, 1)
        case _:
            return born_on


def _born(spec: BeneficiarySpec, on: date) -> tuple[int, int, int] | None:
    """By what children are ranked: the date of birth, or as if born on the pricing date so many years ago."""
    if spec.born_on is not None:
        return spec.born_on.year, spec.born_on.month, spec.born_on.day
    return None if spec.age is None else (on.year - spec.age, on.month, on.day)
