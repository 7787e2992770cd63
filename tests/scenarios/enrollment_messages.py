"""Converts the contracts, facts and changes of enrollment cases to messages."""

from collections.abc import Mapping
from typing import Any

from google.type import date_pb2

from affilia.catalog.v1 import condition_pb2, contract_pb2, member_pb2, member_service_pb2
from affilia.enrollment.v1 import change_request_pb2
from affilia.type.v1 import date_span_pb2, membership_type_pb2

Ids = dict[str, str]
"""Maps the short names of a case to UUIDs that sort in the same order."""


def iso(day: date_pb2.Date) -> str:
    return f"{day.year:04}-{day.month:02}-{day.day:02}"


def date(text: str) -> date_pb2.Date:
    year, month, day = map(int, text.split("-"))
    return date_pb2.Date(year=year, month=month, day=day)


def span(first: str | None, last: str | None) -> date_span_pb2.DateSpan:
    return date_span_pb2.DateSpan(first_on=date(first) if first else None, last_on=date(last) if last else None)


def days_of(item: dict[str, Any]) -> date_span_pb2.DateSpan:
    return span(item["first_day"], item["last_day"])


def ends(days: date_span_pb2.DateSpan) -> list[str | None]:
    """Returns a first and last day as cases write them."""
    return [
        iso(days.first_on) if days.HasField("first_on") else None,
        iso(days.last_on) if days.HasField("last_on") else None,
    ]


def membership_types(names: list[str] | None) -> list[membership_type_pb2.MembershipType.ValueType]:
    return [membership_type_pb2.MembershipType.Value(f"MEMBERSHIP_TYPE_{name}") for name in names or []]


def contract(case: dict[str, Any], contract_id: str, modules: Ids) -> contract_pb2.Contract:
    return contract_pb2.Contract(
        contract_id=contract_id,
        country_code=case["country"],
        currency_code=case["currency"],
        time_zone="UTC",
        sponsor_id=case["sponsor"],
        versions=[version(v, modules) for v in case["versions"]],
    )


def version(case: dict[str, Any], modules: Ids) -> contract_pb2.ContractVersion:
    return contract_pb2.ContractVersion(
        days=days_of(case),
        max_backdating_days=case["max_backdating_days"],
        rules=[rule(r, modules) for r in case["rules"]],
        modules=[
            contract_pb2.Module(
                module_id=modules[m["module"]],
                slot=m["slot"] or "",
                service_type=contract_pb2.ServiceType.Value(f"SERVICE_TYPE_{m['kind']}"),
                membership_types=membership_types(m["membership_types"]),
                commitment_months=m["commitment_months"],
                rules=[rule(r, modules) for r in m["rules"]],
            )
            for m in case["modules"]
        ],
    )


def rule(case: dict[str, Any], modules: Ids) -> condition_pb2.Rule:
    return condition_pb2.Rule(
        code=case["code"],
        applies_to=membership_types(case["applies_to"]),
        condition=condition(case["condition"], modules),
    )


def condition(case: dict[str, Any], modules: Ids) -> condition_pb2.Condition:
    ((kind, value),) = case.items()
    if kind in ("all_of", "any_of"):
        parts = condition_pb2.ConditionList(conditions=[condition(part, modules) for part in value])
        return condition_pb2.Condition(all_of=parts) if kind == "all_of" else condition_pb2.Condition(any_of=parts)
    if kind == "not":
        return condition_pb2.Condition(negation=condition(value, modules))
    subject = condition_pb2.Subject.Value(f"SUBJECT_{value['subject']}")
    return condition_pb2.Condition(**{kind: _leaf(kind, subject, value, modules)})


def _leaf(kind: str, subject: condition_pb2.Subject.ValueType, value: dict[str, Any], modules: Ids) -> Any:
    same_sponsor = bool(value.get("same_sponsor"))
    match kind:
        case "age":
            return condition_pb2.AgeCondition(subject=subject, min_years=value.get("min"), max_years=value.get("max"))
        case "salary":
            return condition_pb2.SalaryCondition(
                subject=subject,
                min_minor=value.get("min"),
                max_minor=value.get("max"),
                same_sponsor=same_sponsor,
            )
        case "employment":
            statuses = [_status(status) for status in value.get("statuses") or []]
            return condition_pb2.EmploymentCondition(subject=subject, statuses=statuses, same_sponsor=same_sponsor)
        case "tenure":
            return condition_pb2.TenureCondition(subject=subject, min_days=value["min_days"], same_sponsor=same_sponsor)
        case "residence":
            return condition_pb2.ResidenceCondition(
                subject=subject,
                country_codes=value.get("countries") or [],
                postal_prefixes=value.get("postal_prefixes") or [],
            )
        case "attribute":
            return condition_pb2.AttributeCondition(subject=subject, name=value["name"], values=value["values"])
        case "alive":
            return condition_pb2.AliveCondition(subject=subject)
        case "enrolled_on":
            return condition_pb2.EnrolledOnCondition(
                subject=subject, module_ids=[modules[m] for m in value["modules"] or []]
            )
    raise ValueError(f"no such condition: {kind}")


def _status(name: str) -> condition_pb2.EmploymentStatus.ValueType:
    return condition_pb2.EmploymentStatus.Value(f"EMPLOYMENT_STATUS_{name}")


def facts(request: member_service_pb2.RecordFactsRequest, fact: str, value: Any, currency: str) -> None:
    """Puts one kind of fact of a case into a request."""
    match fact:
        case "birth_date":
            request.birth.CopyFrom(member_pb2.Birth(born_on=date(value) if value else None))
        case "employments":
            request.employments.CopyFrom(member_pb2.Employments(items=[_employment(item, currency) for item in value]))
        case "addresses":
            request.addresses.CopyFrom(
                member_pb2.Addresses(
                    items=[
                        member_pb2.Address(
                            days=days_of(item), country_code=item["country"], postal_code=item["postal_code"]
                        )
                        for item in value
                    ]
                )
            )
        case "attributes":
            request.attributes.CopyFrom(
                member_pb2.Attributes(
                    items=[
                        member_pb2.Attribute(days=days_of(item), name=item["name"], value=item["value"])
                        for item in value
                    ]
                )
            )
        case _:
            raise ValueError(f"no such fact: {fact}")


def _employment(item: dict[str, Any], currency: str) -> member_pb2.Employment:
    known = item["salary"] is not None
    return member_pb2.Employment(
        days=days_of(item),
        employer_id=item["employer"],
        status=_status(item["status"]),
        salary=member_pb2.Salary(yearly_minor=item["salary"], currency_code=currency) if known else None,
    )


def change(
    case: dict[str, Any], members: Ids, modules: Ids, requests: Mapping[int, str]
) -> change_request_pb2.ScopedChange:
    """Returns a change of a case. `requests` are the ids of the requests of earlier steps, which a revert names."""
    ((kind, value),) = case.items()
    if kind == "revert":
        reverted = requests[value["step"]]
        return change_request_pb2.ScopedChange(revert=change_request_pb2.Revert(change_request_id=reverted))
    if kind == "correct_membership_type":
        (corrected,) = membership_types([value["membership_type"]])
        correction = change_request_pb2.CorrectMembershipType(
            member_id=members[value["member"]], membership_type=corrected
        )
        return change_request_pb2.ScopedChange(correct_membership_type=correction)
    member_id, module = members[value["member"]], value["module"]
    if kind == "leave":
        leave = change_request_pb2.Leave(
            member_id=member_id, module_id=modules[module] if module else "", days=days_of(value)
        )
        return change_request_pb2.ScopedChange(leave=leave)
    (membership_type,) = membership_types([value["membership_type"]])
    enroll = change_request_pb2.Enroll(
        member_id=member_id, membership_type=membership_type, module_id=modules[module], days=days_of(value)
    )
    return change_request_pb2.ScopedChange(enroll=enroll)


def membership_type_name(number: membership_type_pb2.MembershipType.ValueType) -> str:
    return membership_type_pb2.MembershipType.Name(number).removeprefix("MEMBERSHIP_TYPE_")


def service_type_name(number: contract_pb2.ServiceType.ValueType) -> str:
    return contract_pb2.ServiceType.Name(number).removeprefix("SERVICE_TYPE_")
