"""The services, each as two classes with a method for every call: one for `Client`, one for `AsyncClient`.

Both are made from the protos' descriptors, from the same functions: what a method gives (a response or an awaitable
of it) is its caller's affair. Editors and type checkers read `services.pyi`, which `tools/client_stubs.py` writes.
"""

import inspect
from typing import Any

from google.protobuf.message import Message

from affilia_client.methods import SERVICES, Method, argument_name


def _call(method: Method) -> Any:
    def call(self: Any, request: Message | None = None, /, *, timeout: float | None = None, **fields: Any) -> Any:
        make = self._caller.stream if method.streams else self._caller.call
        return make(method, method.asked(request, fields), timeout)

    return _described(call, method, method.python_name, f"Calls {method.service}.{method.name}.")


def _items(method: Method) -> Any:
    def items(self: Any, request: Message | None = None, /, *, timeout: float | None = None, **fields: Any) -> Any:
        return self._caller.items(method, method.asked(request, fields), timeout)

    return _described(items, method, method.all_name, f"Iterates over the {method.items} of all pages.")


def _described(function: Any, method: Method, name: str, text: str) -> Any:
    """With the name, the text and the fields that `help()` shows."""
    takes = inspect.signature(function).parameters
    fields = [inspect.Parameter(argument_name(each), inspect.Parameter.KEYWORD_ONLY) for each in method.fields]
    function.__name__, function.__doc__ = name, text
    function.__signature__ = inspect.Signature([takes["self"], takes["request"], takes["timeout"], *fields])
    return function


def _twins(service: str) -> tuple[Any, Any]:
    def begin(self: Any, caller: Any) -> None:
        self._caller = caller

    methods: dict[str, Any] = {}
    for method in SERVICES[service]:
        methods[method.python_name] = _call(method)
        if method.items:
            methods[method.all_name] = _items(method)
    name = service.rpartition(".")[2]
    own: dict[str, Any] = {"__init__": begin, "__module__": __name__}
    return (
        type(name, (), {**own, "__doc__": f"The calls of {service}.", **methods}),
        type(f"Async{name}", (), {**own, "__doc__": f"The calls of {service}, to be awaited.", **methods}),
    )


EnrollmentQueryService, AsyncEnrollmentQueryService = _twins("affilia.enrollment.v1.EnrollmentQueryService")
ChangeRequestService, AsyncChangeRequestService = _twins("affilia.enrollment.v1.ChangeRequestService")
EligibilityCheckService, AsyncEligibilityCheckService = _twins("affilia.eligibility.v1.EligibilityCheckService")
EligibilityInternalService, AsyncEligibilityInternalService = _twins(
    "affilia.eligibility.v1.EligibilityInternalService"
)
CostProviderService, AsyncCostProviderService = _twins("affilia.pricing.v1.CostProviderService")
PremiumComputationService, AsyncPremiumComputationService = _twins("affilia.premium.v1.PremiumComputationService")
CatalogService, AsyncCatalogService = _twins("affilia.catalog.v1.CatalogService")
MemberService, AsyncMemberService = _twins("affilia.catalog.v1.MemberService")
