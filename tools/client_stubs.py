"""Writes the types of the client's services, which are made from descriptors, for editors and type checkers.

    python -m tools.client_stubs write   write clients/affilia_client/services.pyi
    python -m tools.client_stubs stale   say whether it no longer matches the stubs

Signatures come from the generated stubs, texts from the comments in the protos, which `generated/` carries along.
"""

import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorSet

REPOSITORY = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(REPOSITORY / "generated"), str(REPOSITORY / "clients")]  # where they lie, before they are installed

from affilia_client.methods import FROM_PYTHON, SERVICES, Method, argument_name  # noqa: E402

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
PYTHON_TYPES = {"google.type.Date": "date", "google.protobuf.Timestamp": "datetime"}

Comments = dict[tuple[str, str], str]
"""What the protos say of a service ("") and of its methods."""


class Writer:
    """Writes types, and remembers what they have to be imported from."""

    def __init__(self, comments: Comments) -> None:
        self._comments = comments
        self._modules: set[tuple[str, str]] = set()

    def stub(self) -> str:
        """The whole file, not formatted yet."""
        twins = [
            self._service(service, methods, asynchronous)
            for service, methods in SERVICES.items()
            for asynchronous in (False, True)
        ]
        imports = [
            "from collections.abc import AsyncGenerator, Generator, Iterable",
            "from datetime import date, datetime",
            "from affilia_client.async_calling import AsyncCaller",
            "from affilia_client.calling import Caller",
            *(f"from {package} import {module}" for package, module in sorted(self._modules)),
        ]
        return "\n".join([HEADER, "", *imports, "", *twins])

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
            yield self._function("def", method, method.python_name, f"{generator}[{response}]", text)
        else:
            define = "async def" if asynchronous else "def"
            yield self._function(define, method, method.python_name, response, text)
        if method.items:
            item = self._value(method.response.DESCRIPTOR.fields_by_name[method.items])
            told = f"The {method.items} of all pages of `{method.python_name}`, one after the other."
            yield self._function("def", method, method.all_name, f"{generator}[{item}]", told)

    def _function(self, define: str, method: Method, name: str, result: str, text: str) -> str:
        request = self._named(method.request.DESCRIPTOR)
        fields = [f"{argument_name(field)}: {self._argument(field)} = ...," for field in method.fields]
        head = f"    {define} {name}(self, request: {request} | None = None, /, *, timeout: float | None = None,"
        return "\n".join([head, *(f"        {line}" for line in fields), f"    ) -> {result}:", self._doc(text, 8)])

    def _argument(self, field: FieldDescriptor) -> str:
        value = self._value(field)
        if field.is_repeated:
            return f"Iterable[{value}] | None"
        if field.message_type is None:
            return value
        own = PYTHON_TYPES.get(field.message_type.full_name) if field.message_type.full_name in FROM_PYTHON else None
        return f"{value} | {own} | None" if own else f"{value} | None"

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
    """The comments above services and methods: what it does in one line, its errors in another."""
    comments: Comments = {}
    for file in FileDescriptorSet.FromString(DESCRIPTORS.read_bytes()).file:
        told = {tuple(place.path): place.leading_comments for place in file.source_code_info.location}
        for i, service in enumerate(file.service):
            full_name = f"{file.package}.{service.name}"
            comments[full_name, ""] = _tidy(told.get((6, i), ""))
            for j, method in enumerate(service.method):
                comments[full_name, method.name] = _tidy(told.get((6, i, 2, j), ""))
    return comments


def _tidy(comment: str) -> str:
    return " ".join(comment.split()).replace(" Errors: ", "\nErrors: ").replace("\\", "\\\\")


def formatted(source: str) -> str:
    """As `ruff` would have it."""
    ruff = Path(sys.executable).parent / "ruff"
    for command in (["check", "--select=I", "--fix-only", "--quiet"], ["format", "--quiet"]):
        source = subprocess.run(
            [ruff, *command, "--stdin-filename", STUB, "-"],
            input=source, cwd=REPOSITORY, capture_output=True, text=True, check=True,
        ).stdout  # fmt: skip
    return source


def fresh() -> str:
    """What the file should hold."""
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
