"""Engine parameters: what a request does not give, the contract version does; what that does not, the country."""

from dataclasses import fields
from datetime import date

from domain.errors import EngineParameterMissing
from domain.money import Rounding
from domain.pricing.prices import AgeNormalization, AgeStrategy, EngineParameters, ProrataStrategy

_LARGEST_REMAINDER = ProrataStrategy.THIRTY_DAY_PRORATA_WITH_LARGEST_REMAINDER
_EXACT = EngineParameters(
    AgeStrategy.KEEP_EXACT_BIRTHDAY, Rounding.ARITHMETIC, _LARGEST_REMAINDER, 17, 25, AgeNormalization.NONE
)

COUNTRY_PARAMETERS: dict[str, EngineParameters] = {
    "BE": EngineParameters(
        AgeStrategy.MOVE_BIRTHDAY_TO_FIRST_DAY_OF_MONTH,
        Rounding.BANKERS,
        _LARGEST_REMAINDER,
        17,
        25,
        AgeNormalization.LEGACY_BELGIAN,
    ),
    "FR": EngineParameters(
        AgeStrategy.MOVE_BIRTHDAY_TO_JAN_OF_NEXT_YEAR,
        Rounding.BANKERS,
        _LARGEST_REMAINDER,
        17,
        25,
        AgeNormalization.NONE,
    ),
    "ES": _EXACT,
    "CA": _EXACT,
}
"""By the contract's country (`premiums.md`); a country that is not here gives none."""

NONE_GIVEN = EngineParameters()


def resolved(*given: EngineParameters | None) -> EngineParameters:
    """Each parameter from the first that gives it; None where nobody does."""
    values = {
        field.name: next(
            (value for each in given if each and (value := getattr(each, field.name)) is not None),
            None,
        )
        for field in fields(EngineParameters)
    }
    return EngineParameters(**values)


def require(parameters: EngineParameters, names: tuple[str, ...], country_code: str, on: date) -> None:
    """Raises EngineParameterMissing for the first of some parameters that nobody gives."""
    for name in names:
        if getattr(parameters, name) is None:
            raise EngineParameterMissing(name, country_code, on)
