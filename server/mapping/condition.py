"""Maps rules and conditions."""

from typing import Any
from uuid import UUID

from affilia.catalog.v1 import condition_pb2 as pb
from domain.members import EmploymentStatus
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
    Negation,
    Residence,
    Rule,
    SalaryRange,
    Subject,
    Tenure,
)
from server.mapping.enums import MEMBERSHIP_TYPES, E, EnumMapping

AGE_ENDS = EnumMapping(pb.AgeEnd.DESCRIPTOR, AgeEnd, unspecified=AgeEnd.BIRTHDAY)
CALENDAR_ENDS = EnumMapping(pb.CalendarEnd.DESCRIPTOR, CalendarEnd, unspecified=CalendarEnd.DAY)
CALENDAR_STARTS = EnumMapping(pb.CalendarStart.DESCRIPTOR, CalendarStart, unspecified=CalendarStart.DAY)
SUBJECTS = EnumMapping(pb.Subject.DESCRIPTOR, Subject)
EMPLOYMENT_STATUSES = EnumMapping(pb.EmploymentStatus.DESCRIPTOR, EmploymentStatus)


def _unless_default(mapping: EnumMapping[E], value: E) -> Any:
    """Returns the number on the wire; UNSPECIFIED for the default, so that contracts are returned as published."""
    return 0 if value is mapping.from_proto(0) else mapping.to_proto(value)


def rule_from_proto(rule: pb.Rule) -> Rule:
    return Rule(
        rule.code,
        rule.description,
        tuple(MEMBERSHIP_TYPES.from_proto(number) for number in rule.applies_to),
        condition_from_proto(rule.condition),
    )


def rule_to_proto(rule: Rule) -> pb.Rule:
    return pb.Rule(
        code=rule.code,
        description=rule.description,
        applies_to=[MEMBERSHIP_TYPES.to_proto(kind) for kind in rule.applies_to],
        condition=condition_to_proto(rule.condition),
    )


def condition_from_proto(condition: pb.Condition) -> Condition:
    match condition.WhichOneof("kind"):
        case "all_of":
            return AllOf(tuple(condition_from_proto(part) for part in condition.all_of.conditions))
        case "any_of":
            return AnyOf(tuple(condition_from_proto(part) for part in condition.any_of.conditions))
        case "negation":
            return Negation(condition_from_proto(condition.negation))
        case "age":
            age = condition.age
            return Age(
                SUBJECTS.from_proto(age.subject),
                age.min_years if age.HasField("min_years") else None,
                age.max_years if age.HasField("max_years") else None,
                AGE_ENDS.from_proto(age.lasts_until),
                CALENDAR_STARTS.from_proto(age.begins),
            )
        case "salary":
            salary = condition.salary
            return SalaryRange(
                SUBJECTS.from_proto(salary.subject),
                salary.min_minor if salary.HasField("min_minor") else None,
                salary.max_minor if salary.HasField("max_minor") else None,
                salary.same_sponsor,
                CALENDAR_ENDS.from_proto(salary.lasts_until),
            )
        case "employment":
            employment = condition.employment
            statuses = tuple(EMPLOYMENT_STATUSES.from_proto(number) for number in employment.statuses)
            return Employed(
                SUBJECTS.from_proto(employment.subject),
                statuses,
                employment.same_sponsor,
                CALENDAR_ENDS.from_proto(employment.lasts_until),
            )
        case "tenure":
            tenure = condition.tenure
            return Tenure(
                SUBJECTS.from_proto(tenure.subject),
                tenure.min_days,
                tenure.same_sponsor,
                CALENDAR_STARTS.from_proto(tenure.begins),
            )
        case "residence":
            residence = condition.residence
            return Residence(
                SUBJECTS.from_proto(residence.subject),
                tuple(residence.country_codes),
                tuple(residence.postal_prefixes),
                CALENDAR_ENDS.from_proto(residence.lasts_until),
            )
        case "attribute":
            attribute = condition.attribute
            return HasAttribute(
                SUBJECTS.from_proto(attribute.subject),
                attribute.name,
                tuple(attribute.values),
                CALENDAR_ENDS.from_proto(attribute.lasts_until),
            )
        case "alive":
            return Alive(SUBJECTS.from_proto(condition.alive.subject))
        case "enrolled_on":
            enrolled = condition.enrolled_on
            return EnrolledOn(
                SUBJECTS.from_proto(enrolled.subject), tuple(UUID(module) for module in enrolled.module_ids)
            )
        case kind:
            raise ValueError(f"validation accepted a condition without a kind: {kind}")


def condition_to_proto(condition: Condition) -> pb.Condition:
    match condition:
        case AllOf(parts):
            return pb.Condition(all_of=pb.ConditionList(conditions=[condition_to_proto(part) for part in parts]))
        case AnyOf(parts):
            return pb.Condition(any_of=pb.ConditionList(conditions=[condition_to_proto(part) for part in parts]))
        case Negation(inner):
            return pb.Condition(negation=condition_to_proto(inner))
        case Age(subject, min_years, max_years, lasts_until, begins):
            return pb.Condition(
                age=pb.AgeCondition(
                    subject=SUBJECTS.to_proto(subject),
                    min_years=min_years,
                    max_years=max_years,
                    lasts_until=_unless_default(AGE_ENDS, lasts_until),
                    begins=_unless_default(CALENDAR_STARTS, begins),
                )
            )
        case SalaryRange(subject, min_minor, max_minor, same_sponsor, lasts):
            return pb.Condition(
                salary=pb.SalaryCondition(
                    subject=SUBJECTS.to_proto(subject),
                    min_minor=min_minor,
                    max_minor=max_minor,
                    same_sponsor=same_sponsor,
                    lasts_until=_unless_default(CALENDAR_ENDS, lasts),
                )
            )
        case Employed(subject, statuses, same_sponsor, lasts):
            return pb.Condition(
                employment=pb.EmploymentCondition(
                    subject=SUBJECTS.to_proto(subject),
                    statuses=[EMPLOYMENT_STATUSES.to_proto(status) for status in statuses],
                    same_sponsor=same_sponsor,
                    lasts_until=_unless_default(CALENDAR_ENDS, lasts),
                )
            )
        case Tenure(subject, min_days, same_sponsor, begins):
            return pb.Condition(
                tenure=pb.TenureCondition(
                    subject=SUBJECTS.to_proto(subject),
                    min_days=min_days,
                    same_sponsor=same_sponsor,
                    begins=_unless_default(CALENDAR_STARTS, begins),
                )
            )
        case Residence(subject, country_codes, postal_prefixes, lasts):
            return pb.Condition(
                residence=pb.ResidenceCondition(
                    subject=SUBJECTS.to_proto(subject),
                    country_codes=country_codes,
                    postal_prefixes=postal_prefixes,
                    lasts_until=_unless_default(CALENDAR_ENDS, lasts),
                )
            )
        case HasAttribute(subject, name, values, lasts):
            return pb.Condition(
                attribute=pb.AttributeCondition(
                    subject=SUBJECTS.to_proto(subject),
                    name=name,
                    values=values,
                    lasts_until=_unless_default(CALENDAR_ENDS, lasts),
                )
            )
        case Alive(subject):
            return pb.Condition(alive=pb.AliveCondition(subject=SUBJECTS.to_proto(subject)))
        case EnrolledOn(subject, module_ids):
            return pb.Condition(
                enrolled_on=pb.EnrolledOnCondition(
                    subject=SUBJECTS.to_proto(subject),
                    module_ids=[str(module_id) for module_id in module_ids],
                )
            )
