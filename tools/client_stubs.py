"""Writes type stubs of the client's services, which are built from descriptors at run time.

    python -m tools.client_stubs write   write clients/affilia_client/services.pyi
    python -m tools.client_stubs stale   report whether it no longer matches the stubs

Signatures come from the generated stubs, docstrings from the comments of the protos in the descriptor set.
"""

import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorSet

REPOSITORY = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(REPOSITORY / "generated"), str(REPOSITORY / "clients")]  # not installed in every environment

from affilia_client.methods import SERVICES, Method, argument_name  # noqa: E402

STUB = REPOSITORY / "clients" / "affilia_client" / "services.pyi"
DESCRIPTORS = REPOSITORY / "generated" / "affilia" / "descriptors.binpb"
HEADER = '''"""Written by `python -m tools.client_stubs write` from the protos; never edited."""
# ruff: noqa: ASYNC109 (a deadline is sent along, which asyncio.timeout cannot do)'''
WIDTH = 108

SCALARS = {
    FieldDescriptor.CPPTYPE_STRING: "str",
    FieldDescriptor.CPPTYPE_BOOL: "bool",
    FieldDescriptor.CPPTYPE_DOUBLE: "float",
    FieldDescriptor.CPPTYPE_FLOAT: "float",
}
PYTHON_TYPES = {
    "google.type.Date": "date",
    "google.protobuf.Timestamp": "datetime",
    "affilia.type.v1.DateSpan": "Days",
    "affilia.type.v1.YearMonth": "date",
    "affilia.type.v1.MonthSpan": "tuple[date, date]",
}
"""The Python types that `affilia_client.values` converts to messages."""
OPTIONS = (
    "timeout: float | None = None, metadata: Mapping[str, str] | None = None,"
    " interceptors: Sequence[{interceptor}] | None = None,"
)

Comments = dict[tuple[str, str], str]
"""Comments by full name of the service and name of the method, which is empty for the service itself."""


class Writer:
    """Writes the stub and collects the imports that it needs."""

    def __init__(self, comments: Comments) -> None:
        self._comments = comments
        self._modules: set[tuple[str, str]] = set()
        self._mappings: dict[str, str] = {}

    def stub(self) -> str:
        """Returns the whole file, unformatted."""
        classes = [
            self._service(service, methods, asynchronous)
            for service, methods in SERVICES.items()
            for asynchronous in (False, True)
        ]
        imports = [
            "from collections.abc import AsyncGenerator, Generator, Iterable, Mapping, Sequence",
            "from datetime import date, datetime",
            "from decimal import Decimal",
            "from typing import TypedDict",
            "import grpc",
            "from affilia_client.async_calling import AsyncCaller",
            "from affilia_client.calling import Caller",
            "from affilia_client.connection import Interceptor",
            "from affilia_client.money import Money",
            "from affilia_client.values import Days",
            *(f"from {package} import {module}" for package, module in sorted(self._modules)),
        ]
        mappings = [self._mappings[name] for name in sorted(self._mappings)]
        return "\n".join([HEADER, "", *imports, "", *mappings, *classes])

    def _service(self, service: str, methods: tuple[Method, ...], asynchronous: bool) -> str:
        name = service.rpartition(".")[2]
        lines = [f"class {'Async' if asynchronous else ''}{name}:", self._doc(self._comments[service, ""], 4)]
        lines.append(f"    def __init__(self, caller: {'AsyncCaller' if asynchronous else 'Caller'}) -> None: ...")
        for method in methods:
            lines += self._method(method, asynchronous)
        return "\n".join(lines)

    def _method(self, method: Method, asynchronous: bool) -> Iterator[str]:
        generator = "AsyncGenerator" if asynchronous else "Generator"
        response = self._named(method.response.DESCRIPTOR)
        text = self._comments[method.service, method.name]
        if method.streams:
            yield self._function("def", method, method.python_name, f"{generator}[{response}]", text, asynchronous)
        else:
            define = "async def" if asynchronous else "def"
            yield self._function(define, method, method.python_name, response, text, asynchronous)
        if method.items:
            item = self._value(method.response.DESCRIPTOR.fields_by_name[method.items])
            text = f"The {method.items} of all pages of `{method.python_name}`, one after the other."
            yield self._function("def", method, method.all_name, f"{generator}[{item}]", text, asynchronous)

    def _function(self, define: str, method: Method, name: str, result: str, text: str, asynchronous: bool) -> str:
        request = self._named(method.request.DESCRIPTOR)
        fields = [f"{argument_name(field)}: {self._argument(field)} = ...," for field in method.fields]
        options = OPTIONS.format(interceptor="grpc.aio.ClientInterceptor" if asynchronous else "Interceptor")
        head = f"    {define} {name}(self, request: {request} | None = None, /, *, {options}"
        return "\n".join([head, *(f"        {line}" for line in fields), f"    ) -> {result}:", self._doc(text, 8)])

    def _argument(self, field: FieldDescriptor) -> str:
        """Returns the type of a field as an argument: the message, or what is converted to it."""
        value = self._value(field)
        if field.message_type is not None:
            name = field.message_type.full_name
            value = f"{value} | {PYTHON_TYPES.get(name) or self._mapping(field.message_type)}"
        elif field.enum_type is not None:
            value = f"{value} | str"
        elif field.name.endswith("_minor"):
            value = f"{value} | Decimal | Money"
        if field.is_repeated:
            return f"Iterable[{value}] | None"
        return f"{value} | None" if field.message_type is not None else value

    def _mapping(self, message: Descriptor) -> str:
        """Returns the name of a TypedDict of a message's fields, and writes it when it is needed first."""
        name = f"{message.full_name.removeprefix(message.file.package + '.').replace('.', '')}Fields"
        if name not in self._mappings:
            self._mappings[name] = ""  # messages can contain themselves
            fields = [f"    {field.name}: {self._argument(field)}" for field in message.fields] or ["    ..."]
            doc = self._doc(f"The fields of {message.full_name}.", 4)
            self._mappings[name] = "\n".join([f"class {name}(TypedDict, total=False):", doc, *fields])
        return name

    def _value(self, field: Any) -> str:
        if field.message_type is not None:
            return self._named(field.message_type)
        if field.enum_type is not None:
            return f"{self._named(field.enum_type)}.ValueType"
        return SCALARS.get(field.cpp_type, "int")

    def _named(self, descriptor: Any) -> str:
        package, _, name = descriptor.file.name.removesuffix(".proto").replace("/", ".").rpartition(".")
        module = f"{name}_pb2"
        self._modules.add((package, module))
        return f"{module}.{descriptor.full_name.removeprefix(descriptor.file.package + '.')}"

    @staticmethod
    def _doc(text: str, indent: int) -> str:
        lines = [line for part in text.splitlines() for line in (textwrap.wrap(part, WIDTH) or [""])]
        quoted = '"""' + "\n".join(lines) + ('"""' if len(lines) == 1 else '\n"""')
        return textwrap.indent(quoted, " " * indent)


def read_comments() -> Comments:
    """Reads the comments of services and methods: the description in one line, the errors in another."""
    comments: Comments = {}
    for file in FileDescriptorSet.FromString(DESCRIPTORS.read_bytes()).file:
        found = {tuple(each.path): each.leading_comments for each in file.source_code_info.location}
        for i, service in enumerate(file.service):
            full_name = f"{file.package}.{service.name}"
            comments[full_name, ""] = _tidy(found.get((6, i), ""))
            for j, method in enumerate(service.method):
                comments[full_name, method.name] = _tidy(found.get((6, i, 2, j), ""))
    return comments


def _tidy(comment: str) -> str:
    return " ".join(comment.split()).replace(" Errors: ", "\nErrors: ").replace("\\", "\\\\")


def formatted(source: str) -> str:
    """Returns the source as Ruff formats it."""
    ruff = Path(sys.executable).parent / "ruff"
    for command in (["check", "--select=I", "--fix-only", "--quiet"], ["format", "--quiet"]):
        source = subprocess.run(
            [ruff, *command, "--stdin-filename", STUB, "-"],
            input=source, cwd=REPOSITORY, capture_output=True, text=True, check=True,
        ).stdout  # fmt: skip
    return source


def fresh() -> str:
    """Returns the content that the file should have."""
    return formatted(Writer(read_comments()).stub())


def main() -> int:
    """Runs the command named on the command line."""
    match sys.argv[1:]:
        case ["write"]:
            STUB.write_text(fresh())
            return 0
        case ["stale"]:
            stale = not STUB.exists() or STUB.read_text() != fresh()
            if stale:
                print("clients/affilia_client/services.pyi is stale: python -m tools.client_stubs write")
            return int(stale)
    print(__doc__)
    return 2


if __name__ == "__main__":
    sys.exit(main())
