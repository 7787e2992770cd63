"""One page for each service: its calls, then every message and enum that they use."""

import re

from google.protobuf.descriptor_pb2 import FieldDescriptorProto, MethodOptions

from tools.docs_protos import OUTPUT_ONLY, REQUIRED, Call, Enum, Field, Message, Protos, Service, reached_from

INTERNAL = {"EligibilityInternalService"}
"""Services of the internal listener; a test compares them with the server's."""

GENERATED = "<!-- Written by `make docs`; do not edit. -->\n"
SAFE_TO_REPEAT = re.compile(r"\s*Safe to repeat[^.]*\.")
WORD = re.compile(r"\b[A-Z][A-Z0-9_]+\b")

TYPES = {
    FieldDescriptorProto.TYPE_BOOL: "bool",
    FieldDescriptorProto.TYPE_STRING: "string",
    FieldDescriptorProto.TYPE_BYTES: "bytes",
    FieldDescriptorProto.TYPE_INT32: "int32",
    FieldDescriptorProto.TYPE_INT64: "int64",
    FieldDescriptorProto.TYPE_DOUBLE: "double",
}
UNITS = {"_minor": "minor units", "_bp": "basis points"}
OUTSIDE = {
    ".google.type.Date": ("Date", "a day"),
    ".google.protobuf.Timestamp": ("Timestamp", "an instant"),
    ".google.rpc.Status": ("google.rpc.Status", "the status of a failed call"),
}


def page_name(service: Service) -> str:
    """Returns the name of a service's page, which is that of its proto."""
    return service.file.rpartition("/")[2].replace(".proto", ".md")


def service_page(protos: Protos, service: Service, reasons: frozenset[str]) -> str:
    """Returns the page of a service. It is self-contained, so callers of one service don't need the other pages."""
    listener = "internal" if service.name in INTERNAL else "public"
    ends = [name for call in service.calls for name in (call.proto.input_type, call.proto.output_type)]
    messages, enums = reached_from(protos, ends)
    shared = sorted((name for name in messages if name not in ends), key=_short)
    parts = [
        GENERATED,
        f"# {service.name}\n",
        f"`{service.package}.{service.name}`, on the {listener} listener."
        f" Source: [`{service.file}`](../../protos/{service.file}).\n",
        f"{_text(service.comment)}\n",
        "Unless a field says otherwise, a string has at most 200 characters and a list at most 1000 items. Fields that"
        " are *set by the server* are ignored in requests. Every call can also return"
        " [these errors](errors.md#errors-of-any-call).\n",
        "## Calls\n",
        "| call | effect and retries |\n|---|---|",
        *(f"| [{call.proto.name}](#{call.proto.name.lower()}) | {_retrying(protos, call)} |" for call in service.calls),
        "",
        *(_call(protos, call, reasons) for call in service.calls),
        *(["## Messages\n"] if shared else []),
        *(_message(name, protos.messages[name], "###") for name in shared),
        *(["## Values\n"] if enums else []),
        *(_enum(name, protos.enums[name]) for name in sorted(enums, key=_short)),
    ]
    headings = re.findall(r"^#+ (.*)$", "\n".join(parts), re.MULTILINE)
    assert len({heading.lower() for heading in headings}) == len(headings), f"{service.name}: equal headings"  # noqa: S101 (links would be ambiguous)
    return "\n".join(parts).rstrip() + "\n"


def _call(protos: Protos, call: Call, reasons: frozenset[str]) -> str:
    meaning, _, errors = SAFE_TO_REPEAT.sub("", call.comment).partition("Errors:")
    stream = "a stream of " if call.proto.server_streaming else ""
    request, response = call.proto.input_type, call.proto.output_type
    parts = [
        f"### {call.proto.name}\n",
        f"{_text(meaning)}\n",
        f"Takes {_link(request)}, returns {stream}{_link(response)}.\n",
        f"**Retries:** {_retrying(protos, call)}.\n",
    ]
    if errors:
        parts.append(f"**Errors:** {_linked(_text(errors), reasons)}\n")
    parts += [_message(name, protos.messages[name], "####") for name in (request, response)]
    return "\n".join(parts)


def _retrying(protos: Protos, call: Call) -> str:
    level = call.proto.options.idempotency_level
    if level == MethodOptions.NO_SIDE_EFFECTS:
        return "only reads; safe to retry"
    if any(field.proto.name == "request_id" for field in protos.messages[call.proto.input_type].fields):
        return "writes; safe to retry with the same `request_id`, which returns the same response"
    if level == MethodOptions.IDEMPOTENT:
        return "writes; safe to retry, the same request takes effect once"
    return "writes; a retry takes effect again"


def _message(name: str, message: Message, level: str) -> str:
    head = f"{level} {_short(name)}\n\n{_text(message.comment)}\n"
    choices = "".join(
        f"\n`{choice.name}`: {'exactly' if choice.required else 'at most'} one of "
        f"{', '.join(f'`{field.proto.name}`' for field in message.fields if field.oneof == choice.name)}."
        f" {_text(choice.comment.replace('Exactly one.', ''))}\n"
        for choice in message.choices
    )
    if not message.fields:
        return f"{head}{choices}\nIt has no fields.\n"
    rows = "\n".join(
        f"| `{field.proto.name}` | {_type(message, field)} | {_form(field)} | {_text(field.comment)} |"
        for field in message.fields
    )
    return f"{head}{choices}\n| field | type | form | meaning |\n|---|---|---|---|\n{rows}\n"


def _enum(name: str, enum: Enum) -> str:
    rows = "\n".join(f"| `{value}` | {_text(comment)} |" for value, comment in enum.values)
    return f"### {_short(name)}\n\n{_text(enum.comment)}\n\n| value | meaning |\n|---|---|\n{rows}\n"


def _type(message: Message, field: Field) -> str:
    named = field.proto.type_name
    if not named:
        word = TYPES[field.proto.type]
    elif entry := next((n for n in message.proto.nested_type if n.options.map_entry and named.endswith(n.name)), None):
        return f"map of {TYPES[entry.field[0].type]} to {TYPES[entry.field[1].type]}"
    elif named in OUTSIDE:
        word = OUTSIDE[named][0]
    else:
        word = _link(named)
    return f"list of {word}" if field.is_list else word


def _form(field: Field) -> str:
    """Returns the constraints of a field in a few words, without repeating its comment."""
    limits, parts = field.limits, []
    if REQUIRED in field.behavior:
        parts.append("**required**")
    if OUTPUT_ONLY in field.behavior:
        parts.append("*set by the server*")
    if field.proto.proto3_optional and REQUIRED not in field.behavior:
        parts.append("may be unset")
    if field.is_uuid:
        parts.append("UUID")
    if field.proto.type_name in OUTSIDE:
        parts.append(OUTSIDE[field.proto.type_name][1])
    parts += [unit for suffix, unit in UNITS.items() if field.proto.name.endswith(suffix)]
    match limits.HasField("min"), limits.HasField("max") and not limits.capped:
        case True, True:
            parts.append(f"{limits.min} to {limits.max}")
        case True, False:
            parts.append(f"at least {limits.min}")
        case False, True:
            parts.append(f"at most {limits.max}")
    if limits.HasField("max_items"):
        parts.append(f"at most {limits.max_items} items")
    if limits.HasField("max_length"):
        parts.append(f"at most {limits.max_length} characters")
    if limits.HasField("pattern"):
        parts.append("matches `" + limits.pattern.replace("|", r"\|") + "`")
    if limits.each_alone:
        parts.append("a malformed item fails only itself")
    if limits.reported:
        parts.append("what is malformed is reported in the response")
    return ", ".join(parts)


def _short(name: str) -> str:
    """Returns a full name without its package."""
    return name.rpartition(".")[2]


def _link(name: str) -> str:
    """Returns a link to a heading of the same page."""
    return f"[{_short(name)}](#{_short(name).lower()})"


def _text(comment: str) -> str:
    """Returns a comment as one line of Markdown that is also valid in a table."""
    return " ".join(comment.split()).replace("<", "&lt;").replace("|", r"\|").replace("*", r"\*")


def _linked(text: str, reasons: frozenset[str]) -> str:
    return WORD.sub(lambda m: f"[{m[0]}](errors.md#{m[0].lower()})" if m[0] in reasons else m[0], text)
