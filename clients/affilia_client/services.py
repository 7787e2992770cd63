"""Two classes for each service, one for `Client` and one for `AsyncClient`, with a method for every call.

Both are built from the descriptors of the protos by the same functions: `calling.py` returns responses, and
`async_calling.py` returns awaitables. Editors and type checkers read `services.pyi`, which `tools/client_stubs.py`
writes.
"""

import inspect
from typing import Any

from google.protobuf.message import Message

from affilia_client.call_options import DEFAULTS, NAMES, CallOptions
from affilia_client.methods import SERVICES, Method, argument_name


def _call(method: Method) -> Any:
    def call(self: Any, request: Message | None = None, /, **given: Any) -> Any:
        make = self._caller.stream if method.streams else self._caller.call
        options = _options(given)
        return make(method, method.request_from(request, given), options)

    return _described(call, method, method.python_name, f"Calls {method.service}.{method.name}.")


def _items(method: Method) -> Any:
    def items(self: Any, request: Message | None = None, /, **given: Any) -> Any:
        options = _options(given)
        return self._caller.items(method, method.request_from(request, given), options)

    return _described(items, method, method.all_name, f"Iterates over the {method.items} of all pages.")


def _options(given: dict[str, Any]) -> CallOptions:
    """Removes the options of a call from its keyword arguments and returns them."""
    options = {name: given.pop(name) for name in NAMES if name in given} if given else {}
    return CallOptions(**options) if options else DEFAULTS


def _described(function: Any, method: Method, name: str, text: str) -> Any:
    """Sets the name, docstring and signature that `help()` shows."""
    takes = inspect.signature(function).parameters
    options = [inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None) for name in NAMES]
    fields = [inspect.Parameter(argument_name(each), inspect.Parameter.KEYWORD_ONLY) for each in method.fields]
    function.__name__, function.__doc__ = name, text
    function.__signature__ = inspect.Signature([takes["self"], takes["request"], *options, *fields])
    return function


def _service_classes(service: str) -> tuple[Any, Any]:
    def init(self: Any, caller: Any) -> None:
        self._caller = caller

    methods: dict[str, Any] = {}
    for method in SERVICES[service]:
        methods[method.python_name] = _call(method)
        if method.items:
            methods[method.all_name] = _items(method)
    name = service.rpartition(".")[2]
    own: dict[str, Any] = {"__init__": init, "__module__": __name__}
    return (
        type(name, (), {**own, "__doc__": f"The calls of {service}.", **methods}),
        type(f"Async{name}", (), {**own, "__doc__": f"The calls of {service}, as coroutines.", **methods}),
    )


EnrollmentQueryService, AsyncEnrollmentQueryService = _service_classes("affilia.enrollment.v1.EnrollmentQueryService")
ChangeRequestService, AsyncChangeRequestService = _service_classes("affilia.enrollment.v1.ChangeRequestService")
HistoryService, AsyncHistoryService = _service_classes("affilia.history.v1.HistoryService")
EligibilityCheckService, AsyncEligibilityCheckService = _service_classes(
    "affilia.eligibility.v1.EligibilityCheckService"
)
EligibilityInternalService, AsyncEligibilityInternalService = _service_classes(
    "affilia.eligibility.v1.EligibilityInternalService"
)
CostProviderService, AsyncCostProviderService = _service_classes("affilia.pricing.v1.CostProviderService")
PremiumComputationService, AsyncPremiumComputationService = _service_classes(
    "affilia.premium.v1.PremiumComputationService"
)
CatalogService, AsyncCatalogService = _service_classes("affilia.catalog.v1.CatalogService")
HistoryService, AsyncHistoryService = _service_classes("affilia.history.v1.HistoryService")
MemberService, AsyncMemberService = _service_classes("affilia.catalog.v1.MemberService")
MigrationService, AsyncMigrationService = _service_classes("affilia.migration.v1.MigrationService")
AuditService, AsyncAuditService = _service_classes("affilia.audit.v1.AuditService")
