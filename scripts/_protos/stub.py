"""The typed side of a generated file: what mypy knows of its messages and methods."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
    ServiceDescriptorProto,
)

from _protos.compile import NOTICE, module_of

_F = FieldDescriptorProto
_SCALARS = {
    _F.TYPE_BOOL: "bool",
    _F.TYPE_BYTES: "bytes",
    _F.TYPE_DOUBLE: "float",
    _F.TYPE_FLOAT: "float",
    _F.TYPE_STRING: "str",
}
_HEADER = """\
from collections.abc import Iterable, Mapping
from typing import ClassVar, Final, Literal

from google.protobuf.internal.containers import (
    MessageMap,
    RepeatedCompositeFieldContainer,
    RepeatedScalarFieldContainer,
    ScalarMap,
)
from google.protobuf.internal.enum_type_wrapper import EnumTypeWrapper
from google.protobuf.message import Message
"""


def render(file: FileDescriptorProto, types: Mapping[str, str]) -> str:
    """Return the text of the stub for *file*; *types* as ``types_of`` makes it."""
    modules = sorted({module_of(path) for path in [*file.dependency, file.name]})
    lines = [
        f"# ``{file.package}``, from protos/{file.name}. {NOTICE}",
        _HEADER,
        # Itself too: a field may have the name of its type, which it then hides in its class.
        *(f"from buildkit_spec._pb import {module} as _{module}" for module in modules),
    ]
    if file.service:
        lines.append("from buildkit_spec._pb._method import Method")
    for message in file.message_type:
        lines += ["", *_message(message, types)]
    for enum in file.enum_type:
        lines += ["", *_enum(enum)]
    for service in file.service:
        lines += ["", *_service(service, types)]
    return "\n".join(lines) + "\n"


def _message(message: DescriptorProto, types: Mapping[str, str]) -> Iterator[str]:
    entries = {nested.name: nested for nested in message.nested_type if nested.options.map_entry}
    fields = [_Field(field, entries, types) for field in message.field]
    yield f"class {message.name}(Message):"
    for enum in message.enum_type:
        yield from _indented(_enum(enum))
    for field in fields:
        yield from _indented(field.attribute())
    if fields:
        yield "    def __init__("
        yield "        self,"
        yield "        *,"
        yield from (f"        {field.parameter()}," for field in fields)
        yield "    ) -> None: ..."
    else:
        yield "    def __init__(self) -> None: ..."
    present = [field.name for field in fields if field.has_presence]
    if present:
        yield f"    def HasField(self, field_name: {_literal(present)}) -> bool: ..."
    for index, oneof in enumerate(message.oneof_decl):
        members = [
            field.name
            for field in message.field
            if field.HasField("oneof_index") and field.oneof_index == index
        ]
        yield "    def WhichOneof("
        yield f"        self, oneof_group: {_literal([oneof.name])}"
        yield f"    ) -> {_literal(members)} | None: ..."


def _enum(enum: EnumDescriptorProto) -> Iterator[str]:
    yield f"class _{enum.name}(EnumTypeWrapper):"
    yield from (f"    {value.name}: Final = {value.number}" for value in enum.value)
    yield f"{enum.name}: Final[_{enum.name}]"
    yield from (f"{value.name}: Final = {value.number}" for value in enum.value)


def _service(service: ServiceDescriptorProto, types: Mapping[str, str]) -> Iterator[str]:
    yield f"class {service.name}:"
    for method in service.method:
        request, response = types[method.input_type], types[method.output_type]
        yield f"    {method.name}: ClassVar[Method[_{request}, _{response}]]"


class _Field:
    """One field, as an attribute and as an argument of the constructor."""

    def __init__(
        self,
        field: FieldDescriptorProto,
        entries: Mapping[str, DescriptorProto],
        types: Mapping[str, str],
    ) -> None:
        self.name = field.name
        self._types = types
        entry = entries.get(field.type_name.rpartition(".")[2])
        is_repeated = field.label == _F.LABEL_REPEATED
        is_message = field.type == _F.TYPE_MESSAGE
        self.has_presence = not is_repeated and (is_message or field.HasField("oneof_index"))
        self._is_assignable = False
        if entry:
            key, value = (self._type(part) for part in entry.field)
            is_message = entry.field[1].type == _F.TYPE_MESSAGE
            self._read = f"{'MessageMap' if is_message else 'ScalarMap'}[{key}, {value}]"
            self._write = f"Mapping[{key}, {value}] | None"
        elif is_repeated:
            kind = "Composite" if is_message else "Scalar"
            self._read = f"Repeated{kind}FieldContainer[{self._type(field)}]"
            self._write = f"Iterable[{self._type(field)}] | None"
        elif is_message:
            self._read = self._type(field)
            self._write = f"{self._read} | None"
        else:
            self._is_assignable = True
            self._read = self._write = self._type(field)

    def attribute(self) -> Iterator[str]:
        if self._is_assignable:
            yield f"{self.name}: {self._read}"
        else:
            yield "@property"
            yield f"def {self.name}(self) -> {self._read}: ..."

    def parameter(self) -> str:
        return f"{self.name}: {self._write} = ..."

    def _type(self, field: FieldDescriptorProto) -> str:
        if field.type == _F.TYPE_MESSAGE:
            return "_" + self._types[field.type_name]
        return _SCALARS.get(field.type, "int")  # enums are ints too


def _literal(names: Iterable[str]) -> str:
    return f"Literal[{', '.join(repr(name) for name in names)}]".replace("'", '"')


def _indented(lines: Iterable[str]) -> Iterator[str]:
    return (f"    {line}" for line in lines)
