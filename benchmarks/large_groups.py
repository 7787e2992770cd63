"""Large contracts and groups as domain values: priced modules with rules that involve the whole family, many
decisions."""

from datetime import date
from random import Random
from uuid import UUID

from domain.catalog.contract import Contract, ContractVersion, Module, ServiceType, TermStart
from domain.catalog.prices import AgeGridPrice, AgeGridRow, ModulePricing, Scheme, VersionPricing
from domain.days import Span
from domain.enrollment.decisions import Change, Decision, Enroll, Leave
from domain.enrollment.group import GroupBasis
from domain.members import Facts
from domain.membership import MembershipType
from domain.rules.conditions import Age, AnyOf, EnrolledOn, Rule, Subject

FIRST = date(2026, 1, 1)
SLOT_SIZE = 4
CHANGES_PER_DECISION = 100


def an_id(kind: int, n: int) -> UUID:
    """Returns an id that looks random and is the same in every run."""
    return UUID(int=Random(kind * 1_000_000 + n).getrandbits(128))


def member_type(n: int) -> MembershipType:
    """Returns the membership type: the first member is the primary, the second the partner."""
    return (MembershipType.PRIMARY, MembershipType.PARTNER)[n] if n < 2 else MembershipType.CHILD


def large_group(modules: int, members: int, enrolled: int, decisions: int) -> GroupBasis:
    """Enrolls everybody on the first `enrolled` modules, then adds small decisions."""
    contract = large_contract(modules)
    ids = [module.module_id for module in contract.versions[0].modules]
    people = [an_id(2, n) for n in range(members)]
    facts = {member: Facts(born_on=date(1970 + n % 40, 6, 1)) for n, member in enumerate(people)}
    always = Span.between(FIRST, None)
    changes: list[Change] = [
        Enroll(member, member_type(n), module_id, always)
        for module_id in ids[:enrolled]
        for n, member in enumerate(people)
    ]
    made = [tuple(changes[i : i + CHANGES_PER_DECISION]) for i in range(0, len(changes), CHANGES_PER_DECISION)]
    for i in range(decisions):
        n, module_id, from_on = i % members, ids[(i * 7) % enrolled], date(2027 + i % 3, i % 12 + 1, 1)
        if i % 3:
            month = Span.between(from_on, from_on.replace(day=27))
            made.append((Enroll(people[n], member_type(n), module_id, month),))
        else:
            made.append((Leave(people[n], module_id, Span.between(from_on, from_on.replace(day=20))),))
    return GroupBasis(contract, people[0], tuple(Decision(each) for each in made), facts)


def large_contract(modules: int) -> Contract:
    """Every second module shares a slot with a few others; rules use SELF, PRIMARY, ANY_MEMBER and EVERY_MEMBER."""
    ids = [an_id(1, n) for n in range(modules)]
    slots = {module_id: f"slot {n // SLOT_SIZE}" if n % 2 else None for n, module_id in enumerate(ids)}
    listed = tuple(_module(n, ids, slots[ids[n]]) for n in range(modules))
    with_primary = Rule("WITH_PRIMARY", "", (MembershipType.CHILD,), EnrolledOn(Subject.PRIMARY, ()))
    days = Span.between(FIRST, None)
    version = ContractVersion(days, 0, (with_primary,), listed, VersionPricing(Scheme.AGE_GRID), None)
    return Contract(an_id(3, 0), "", "FR", "EUR", "UTC", "", TermStart(), (version,), slots)


def _module(n: int, ids: list[UUID], slot: str | None) -> Module:
    before = tuple(ids[max(0, n - 3) : n]) or (ids[0],)
    rules = [
        Rule(f"ADULT_OR_ANY_{n}", "", (), AnyOf((Age(Subject.SELF, 18, None), EnrolledOn(Subject.ANY_MEMBER, before)))),
        Rule(f"YOUNG_OR_ALL_{n}", "", (), AnyOf((Age(Subject.SELF, 0, 70), EnrolledOn(Subject.EVERY_MEMBER, before)))),
    ]
    if n % 5 == 4:
        rules.append(Rule(f"NEEDS_{n}", "", (), EnrolledOn(Subject.SELF, before)))
    price = AgeGridPrice((AgeGridRow(tuple(MembershipType), 0, None, 1_000 + n),), ())
    return Module(
        module_id=ids[n],
        display_name="",
        slot=slot,
        service_type=ServiceType.BASE if n == 0 else ServiceType.OPTION,
        membership_types=(),
        commitment_months=None,
        rules=tuple(rules),
        capabilities=(),
        limits=(),
        network_tier="",
        pricing=ModulePricing(price, None, (), (), (), (), ()),
    )
