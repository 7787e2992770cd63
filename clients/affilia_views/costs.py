"""Describes who pays how much before and after a change."""

from dataclasses import dataclass

from affilia.type.v1.cost_pb2 import CostChange
from affilia_views.money import money
from affilia_views.outline import Item, item
from affilia_views.words import cost_words

PAYERS = ("company", "primary", "partner")


@dataclass(frozen=True, slots=True)
class PayerCost:
    """The monthly amounts of one payer, taxes included."""

    payer: str
    before_minor: int
    after_minor: int

    @property
    def difference_minor(self) -> int:
        return self.after_minor - self.before_minor


def payer_costs(cost: CostChange) -> list[PayerCost]:
    """Returns the amounts of each payer, except for those who pay nothing before and after."""
    found = [
        PayerCost(payer, getattr(cost.before, payer).taxed_minor, getattr(cost.after, payer).taxed_minor)
        for payer in PAYERS
    ]
    return [each for each in found if each.before_minor or each.after_minor]


def cost_item(cost: CostChange) -> Item:
    """Returns the monthly cost before and after a change and, if there are several payers, the amounts of each."""
    payers = payer_costs(cost)
    below = [
        item(f"{each.payer}: {_amount(each.before_minor, cost)} before, {_amount(each.after_minor, cost)} after")
        for each in payers
    ]
    return item(cost_words(cost), below=below if len(payers) > 1 else [])


def _amount(minor: int, cost: CostChange) -> str:
    return money(minor, cost.currency_code)
