"""What can change the price of a month while nobody's enrolled days change."""

from dataclasses import replace
from datetime import date

from domain.catalog.contract import Contract
from domain.days import UNBOUNDED_END, Span
from domain.enrollment.changed_inputs import BasisChange, ChangedFact
from domain.enrollment.group import GroupBasis
from domain.enrollment.versions import ChangedVersion
from domain.fact_changes import FactName
from domain.members import Attribute, FactKind, Facts, HealthRegime, HealthRegimeSpan
from domain.premiums.causes import price_inputs
from tests.support.builders import a_contract, a_version, an_id

PRIMARY, CHILD = sorted([an_id("primary"), an_id("child")])
EARLY, LATE = Span(100, 200), Span(200, UNBOUNDED_END)


def a_basis(primary: Facts, child: Facts, contract: Contract) -> GroupBasis:
    return GroupBasis(contract, PRIMARY, (), {PRIMARY: primary, CHILD: child})


def test_birth_dates_the_primarys_regime_and_versions_of_the_month_are_causes() -> None:
    always = Span.between(None, None)
    before = a_contract(a_version(days=EARLY), a_version(days=LATE))
    after = replace(before, versions=tuple(replace(v, max_backdating_days=9) for v in before.versions))
    regime = Facts(health_regimes=(HealthRegimeSpan(always, HealthRegime.ALSACE_MOSELLE),))
    born = Facts(born_on=date(2000, 1, 1), attributes=(Attribute(always, "site", "n"),))
    change = BasisChange(a_basis(Facts(), Facts(), before), a_basis(regime, born, after))
    assert price_inputs(change, Span(150, 180)) == (
        ChangedFact(PRIMARY, FactName(FactKind.HEALTH_REGIME)),
        ChangedFact(CHILD, FactName(FactKind.DATE_OF_BIRTH)),
        ChangedVersion(EARLY),
    )
    assert price_inputs(BasisChange(change.before, change.before), Span(150, 180)) == ()


def test_a_regime_is_a_cause_only_if_it_is_the_primarys_and_changed_in_the_month() -> None:
    def regime(days: Span) -> Facts:
        return Facts(health_regimes=(HealthRegimeSpan(days, HealthRegime.ALSACE_MOSELLE),))

    contract = a_contract(a_version(days=EARLY))
    of_child = BasisChange(a_basis(Facts(), Facts(), contract), a_basis(Facts(), regime(EARLY), contract))
    assert price_inputs(of_child, Span(150, 180)) == ()
    shortened = BasisChange(
        a_basis(regime(Span(100, 200)), Facts(), contract), a_basis(regime(Span(100, 180)), Facts(), contract)
    )
    assert price_inputs(shortened, Span(150, 180)) == ()
    assert price_inputs(shortened, Span(170, 190)) == (ChangedFact(PRIMARY, FactName(FactKind.HEALTH_REGIME)),)
