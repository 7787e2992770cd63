"""Describes conditions in words, for explanations and for descriptions of contracts."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple
from uuid import UUID

from domain.currencies import amount_in_words
from domain.rules.conditions import (
    Age,
    AgeEnd,
    Alive,
    AllOf,
    AnyOf,
    CalendarEnd,
    CalendarStart,
    Condition,
    Employed,
    EnrolledOn,
    HasAttribute,
    Leaf,
    Negation,
    Residence,
    SalaryRange,
    Subject,
    Tenure,
)

SUBJECTS_IN_WORDS = {
    Subject.PRIMARY: "the primary",
    Subject.ANY_MEMBER: "any enrolled member",
    Subject.EVERY_MEMBER: "every enrolled member",
}


STARTS_IN_WORDS = {
    CalendarStart.DAY: "",
    CalendarStart.FIRST_OF_MONTH: " (from the first of that month)",
    CalendarStart.FIRST_OF_NEXT_MONTH: " (from the first of the next month)",
}
AGE_ENDS_IN_WORDS = {
    AgeEnd.BIRTHDAY: "",
    AgeEnd.END_OF_MONTH: " (until the end of that month)",
    AgeEnd.END_OF_YEAR: " (until the end of that year)",
}


class Names(NamedTuple):
    """What conditions refer to: names of modules by id, and the contract's currency.

    Without a name, a module is shown by its id.
    """

    modules: Mapping[UUID, str] = {}
    currency_code: str = ""


NO_NAMES = Names()


def condition_in_words(condition: Condition, names: Names = NO_NAMES) -> str:
    """Returns what a condition requires, such as "under 26 and (lives in FR or the primary is employed)"."""
    match condition:
        case AllOf(parts):
            return _joined(parts, " and ", names) or "always"
        case AnyOf(parts):
            return _joined(parts, " or ", names) or "never"
        case Negation(inner):
            return f"not ({condition_in_words(inner, names)})"
        case leaf:
            return _leaf(leaf, names)


def _joined(parts: Iterable[Condition], conjunction: str, names: Names) -> str:
    in_words = [(part, condition_in_words(part, names)) for part in parts]
    if len(in_words) == 1:
        return in_words[0][1]
    return conjunction.join(f"({words})" if isinstance(part, AllOf | AnyOf) else words for part, words in in_words)


def _leaf(leaf: Leaf, names: Names) -> str:
    verb, rest = _predicate(leaf, names)
    if leaf.subject is not Subject.SELF:
        return f"{SUBJECTS_IN_WORDS[leaf.subject]} {verb} {rest}"
    return rest if verb == "is" else f"{verb} {rest}"


def _predicate(leaf: Leaf, names: Names) -> tuple[str, str]:
    """Returns the verb and the rest of the predicate that a leaf applies to its subject."""
    match leaf:
        case Age(_, low, high, lasts_until, begins):
            low_words = None if low is None else f"{low}{STARTS_IN_WORDS[begins]}"
            high_words = None if high is None else f"{high}{AGE_ENDS_IN_WORDS[lasts_until]}"
            return "is", _range("at least {}", "under {}", low_words, high_words) or "of any known age"
        case SalaryRange(_, low, high, same_sponsor, lasts):
            amounts = [None if minor is None else amount_in_words(minor, names.currency_code) for minor in (low, high)]
            limits = _range("of at least {}", "of less than {}", *amounts)
            return "has", " ".join(
                filter(None, ("a yearly salary", limits, _employer("from", same_sponsor), _lasting(lasts)))
            )
        case Employed(_, statuses, same_sponsor, lasts):
            with_status = f"with status {_alternatives(s.lower() for s in statuses)}" if statuses else ""
            return "is", " ".join(
                filter(None, ("employed", _employer("by", same_sponsor), with_status, _lasting(lasts)))
            )
        case Tenure(_, min_days, same_sponsor, begins):
            employer = _employer("by", same_sponsor) or "by the same employer"
            return "has", f"been employed {employer} for at least {min_days} days{STARTS_IN_WORDS[begins]}"
        case Residence(_, country_codes, postal_prefixes, lasts):
            country = f"in {_alternatives(country_codes)}" if country_codes else ""
            postal = f"at a postal code starting with {_alternatives(postal_prefixes)}" if postal_prefixes else ""
            where = " ".join(filter(None, (country, postal))) or "at a known address"
            return "lives", " ".join(filter(None, (where, _lasting(lasts))))
        case HasAttribute(_, name, values, lasts):
            value = f"{name} {_alternatives(values)}" if values else f"any {name}"
            return "has", " ".join(filter(None, (value, _lasting(lasts))))
        case Alive():
            return "is", "alive"
        case EnrolledOn(_, module_ids):
            on = _alternatives(names.modules.get(module_id, str(module_id)) for module_id in module_ids)
            return "is", f"enrolled on {on or 'any module'}"


def _lasting(lasts_until: CalendarEnd) -> str:
    return "(until the end of that month)" if lasts_until is CalendarEnd.END_OF_MONTH else ""


def _range(at_least: str, below: str, low: object, high: object) -> str:
    limits = [form.format(limit) for form, limit in ((at_least, low), (below, high)) if limit is not None]
    return " and ".join(limits)


def _employer(preposition: str, same_sponsor: bool) -> str:
    return f"{preposition} the sponsor" if same_sponsor else ""


def _alternatives(items: Iterable[str]) -> str:
    return " or ".join(items)
