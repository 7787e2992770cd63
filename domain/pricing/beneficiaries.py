"""Beneficiaries: the people who are priced, in a quote or on a policy, with the ages that prices depend on."""

from collections.abc import Mapping
from datetime import date
from typing import NamedTuple
from uuid import UUID

from domain.catalog.prices import AgeNormalization, AgeStrategy, EngineParameters
from domain.days import completed_years
from domain.members import HealthRegime
from domain.membership import MembershipType

ADULT_AGE, CHILD_AGE = 25, 17
QUOTE_AGES = EngineParameters(
    age_strategy=AgeStrategy.KEEP_EXACT_BIRTHDAY,
    default_age_child=CHILD_AGE,
    default_age_other=ADULT_AGE,
    age_normalization=AgeNormalization.NONE,
)
"""How ages are computed for people who aren't on a policy."""


NO_ENROLLMENTS: Mapping[UUID, UUID] = {}


class BeneficiarySpec(NamedTuple):
    """A person to be priced, as requested. An age takes precedence over a date of birth.

    `enrollment_ids`, by module, and `member_id` are set if the person is enrolled. `enrollment_id` is set if the
    request says that the spec represents an enrollment.
    """

    beneficiary_type: MembershipType
    age: int | None = None
    born_on: date | None = None
    regime: HealthRegime = HealthRegime.STANDARD
    module_ids: tuple[UUID, ...] = ()
    enrollment_ids: Mapping[UUID, UUID] = NO_ENROLLMENTS
    enrollment_id: UUID | None = None
    member_id: UUID | None = None

    def enrollment_on(self, module_id: UUID) -> UUID | None:
        """Returns the enrollment of a component on a module; None for a projection."""
        return self.enrollment_ids.get(module_id, self.enrollment_id) if self.enrollment_ids else self.enrollment_id


class Beneficiary(NamedTuple):
    """A person with a priced age. `spec_index` is the index in spec order.

    `born` sorts children by age; it is None if neither the date of birth nor the age is known.
    """

    spec_index: int
    beneficiary_type: MembershipType
    age: int
    born: tuple[int, int, int] | None
    regime: HealthRegime

    @property
    def is_adult(self) -> bool:
        return self.beneficiary_type not in (MembershipType.CHILD, MembershipType.PET)


def beneficiary(spec: BeneficiarySpec, index: int, on: date, ages: EngineParameters) -> Beneficiary:
    """Returns a spec with its priced age on a day, by the age parameters of a policy or of a quote."""
    age = spec.age if spec.age is not None else priced_age(spec.beneficiary_type, spec.born_on, on, ages)
    return Beneficiary(index, spec.beneficiary_type, age, _born(spec, on), spec.regime)


def priced_age(beneficiary_type: MembershipType, born_on: date | None, on: date, ages: EngineParameters) -> int:
    """Returns the completed years since the effective birth date, normalized; a default without a birth date."""
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
    """Returns the date from which completed years are counted."""
    match strategy:
        case AgeStrategy.MOVE_BIRTHDAY_TO_FIRST_DAY_OF_MONTH:
            return born_on.replace(day=1)
        case AgeStrategy.MOVE_BIRTHDAY_TO_JAN_OF_NEXT_YEAR:
            # A person born in the last year of the calendar never completes a year.
            return date(min(born_on.year + 1, date.max.year), 1, 1)
        case _:
            return born_on


def _born(spec: BeneficiarySpec, on: date) -> tuple[int, int, int] | None:
    """Returns the date that children are ranked by: the date of birth, or the pricing date minus the age in years."""
    if spec.born_on is not None:
        return spec.born_on.year, spec.born_on.month, spec.born_on.day
    return None if spec.age is None else (on.year - spec.age, on.month, on.day)
