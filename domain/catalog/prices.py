"""Pricing data of a contract version. These are only values; nothing is computed here.

Amounts are monthly, in minor units of the contract's currency. Rates are in basis points.
`domain/publishing/price_checks.py` checks them before a contract is published.
"""

from dataclasses import dataclass
from enum import StrEnum

from domain.days import Span
from domain.membership import MembershipType
from domain.money import Rounding


class Scheme(StrEnum):
    """How the cost of a beneficiary on a module is determined."""

    AGE_GRID = "AGE_GRID"
    STATIC_TABLE = "STATIC_TABLE"
    FAMILY_TIER = "FAMILY_TIER"


class CollectionMethod(StrEnum):
    DIRECT_BILLING = "DIRECT_BILLING"
    PAYROLL = "PAYROLL"


class TaxBase(StrEnum):
    NET = "NET"
    NET_AND_EARLIER_TAXES = "NET_AND_EARLIER_TAXES"


class AgeStrategy(StrEnum):
    KEEP_EXACT_BIRTHDAY = "KEEP_EXACT_BIRTHDAY"
    MOVE_BIRTHDAY_TO_FIRST_DAY_OF_MONTH = "MOVE_BIRTHDAY_TO_FIRST_DAY_OF_MONTH"
    MOVE_BIRTHDAY_TO_JAN_OF_NEXT_YEAR = "MOVE_BIRTHDAY_TO_JAN_OF_NEXT_YEAR"


class ProrataStrategy(StrEnum):
    THIRTY_DAY_PRORATA = "THIRTY_DAY_PRORATA"
    THIRTY_DAY_PRORATA_WITH_LARGEST_REMAINDER = "THIRTY_DAY_PRORATA_WITH_LARGEST_REMAINDER"
    CALENDAR_DAY_PRORATA_WITH_LARGEST_REMAINDER = "CALENDAR_DAY_PRORATA_WITH_LARGEST_REMAINDER"
    WHOLE_MONTH_IF_COVERED_ON_FIRST_DAY = "WHOLE_MONTH_IF_COVERED_ON_FIRST_DAY"
    MID_MONTH = "MID_MONTH"
    """The whole month if covered on the cut-off day."""


DEFAULT_CUT_OFF_DAY = 15


class AgeNormalization(StrEnum):
    NONE = "NONE"
    LEGACY_BELGIAN = "LEGACY_BELGIAN"


@dataclass(frozen=True, slots=True)
class EngineParameters:
    """Parameters of the premium computation. A parameter that is None is taken from the next source
    (`domain/pricing/parameters.py`)."""

    age_strategy: AgeStrategy | None = None
    rounding: Rounding | None = None
    prorata: ProrataStrategy | None = None
    default_age_child: int | None = None
    default_age_other: int | None = None
    age_normalization: AgeNormalization | None = None
    cut_off_day: int | None = None
    """For MID_MONTH, 1 to 28; None: DEFAULT_CUT_OFF_DAY."""


@dataclass(frozen=True, slots=True)
class StaticTableRow:
    """Ages are inclusive; `max_age` None: open."""

    product_type: str
    min_age: int
    max_age: int | None
    monthly_minor: int


@dataclass(frozen=True, slots=True)
class VersionPricing:
    """The scheme of a version. `static_table` is set for STATIC_TABLE only."""

    scheme: Scheme
    static_table: tuple[StaticTableRow, ...] = ()


@dataclass(frozen=True, slots=True)
class AgeGridRow:
    """Ages are inclusive; `max_age` None: open."""

    beneficiary_types: tuple[MembershipType, ...]
    min_age: int
    max_age: int | None
    monthly_minor: int


@dataclass(frozen=True, slots=True)
class AgeGridPrice:
    """The grids of a module. If the Alsace-Moselle grid is empty, the standard one applies to that regime, too."""

    standard: tuple[AgeGridRow, ...]
    alsace_moselle: tuple[AgeGridRow, ...] = ()


@dataclass(frozen=True, slots=True)
class StaticTablePrice:
    product_type: str


@dataclass(frozen=True, slots=True)
class FamilyTierPrice:
    """Monthly prices by tier. A tier that is None has the price of the family."""

    single_minor: int
    family_minor: int
    couple_minor: int | None = None
    single_with_children_minor: int | None = None


ModulePrice = AgeGridPrice | StaticTablePrice | FamilyTierPrice


@dataclass(frozen=True, slots=True)
class MembershipFee:
    """A membership fee. If `beneficiary_types` is empty, it applies to everyone without a fee of their own.

    Rates and participations work the same way.
    """

    beneficiary_types: tuple[MembershipType, ...]
    monthly_minor: int


@dataclass(frozen=True, slots=True)
class SocialFundRate:
    beneficiary_types: tuple[MembershipType, ...]
    rate_bp: int


@dataclass(frozen=True, slots=True)
class Participation:
    """How a price is split: the company pays a share, optionally capped, or a flat amount.

    `remainder_payer` is PRIMARY or PARTNER.
    """

    beneficiary_types: tuple[MembershipType, ...]
    company_share_bp: int | None
    company_cap_minor: int | None
    company_flat_minor: int | None
    remainder_payer: MembershipType
    collection_method: CollectionMethod


@dataclass(frozen=True, slots=True)
class Discount:
    """A discount with exactly one of `percent_bp` and `flat_minor`. Without types, it applies to everyone."""

    discount_id: str
    percent_bp: int | None
    flat_minor: int | None
    beneficiary_types: tuple[MembershipType, ...]
    days: Span


@dataclass(frozen=True, slots=True)
class Tax:
    """A tax. Without beneficiary types it applies to everyone."""

    code: str
    rate_bp: int
    base: TaxBase
    beneficiary_types: tuple[MembershipType, ...]


@dataclass(frozen=True, slots=True)
class ModulePricing:
    """The price of a module, and who pays it. If `price` is None, the module can't be priced."""

    price: ModulePrice | None
    free_children_from_rank: int | None
    membership_fees: tuple[MembershipFee, ...]
    social_fund_rates: tuple[SocialFundRate, ...]
    participations: tuple[Participation, ...]
    discounts: tuple[Discount, ...]
    taxes: tuple[Tax, ...]
