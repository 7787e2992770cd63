"""Engine parameters: each is taken from the request, or else the contract version, or else the country."""

from dataclasses import fields
from datetime import date
from functools import lru_cache

from domain.catalog.prices import AgeNormalization, AgeStrategy, EngineParameters, ProrataStrategy
from domain.errors import EngineParameterMissing
from domain.money import Rounding

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
"""The defaults of each country. A country that isn't listed has none."""

NONE_GIVEN = EngineParameters()


@lru_cache(maxsize=1_000)
def resolved(*given: EngineParameters | None) -> EngineParameters:
    """Returns each parameter from the first argument that sets it; None if none of them does."""
    values = {
        field.name: next(
            (value for each in given if each and (value := getattr(each, field.name)) is not None),
            None,
        )
        for field in fields(EngineParameters)
    }
    return EngineParameters(**values)


def require(parameters: EngineParameters, names: tuple[str, ...], country_code: str, on: date) -> None:
    """Raises EngineParameterMissing for the first of the named parameters that isn't set."""
    for name in names:
        if getattr(parameters, name) is None:
            raise EngineParameterMissing(name, country_code, on)
