"""The runtime side of a generated file: descriptors, message classes, enums, methods."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from google.protobuf.descriptor_pb2 import FileDescriptorProto, ServiceDescriptorProto

from _protos.compile import NOTICE, module_of

_LITERAL_WIDTH = 88


def render(file: FileDescriptorProto, types: Mapping[str, str]) -> str:
    """Return the text of the module for *file*; *types* as ``types_of`` makes it."""
    # All that the file imports, used or not: the pool needs their descriptors first.
    imports = sorted({module_of(path) for path in file.dependency})
    lines = [
        f'"""``{file.package}``, from protos/{file.name}.',
        "",
        NOTICE,
        '"""',
        "",
        f"from buildkit_spec._pb import {', '.join(['_pool', *imports])}",
    ]
    if file.service:
        lines.append("from buildkit_spec._pb._method import Method")
    lines += ["", "_file = _pool.add(", "    __name__,", *_serialised(file), ")", ""]
    lines += [f'{message.name} = _file.message("{message.name}")' for message in file.message_type]
    for enum in file.enum_type:
        lines += ["", f'{enum.name} = _file.enum("{enum.name}")']
        lines += [f"{value.name} = {value.number}" for value in enum.value]
    own = module_of(file.name) + "."
    names = {full: name.removeprefix(own) for full, name in types.items()}
    for service in file.service:
        lines += ["", "", *_service(file.package, service, names)]
    return "\n".join(lines) + "\n"


def _service(
    package: str, service: ServiceDescriptorProto, names: Mapping[str, str]
) -> Iterator[str]:
    yield f"class {service.name}:"
    yield f'    """Methods of ``{package}.{service.name}``."""'
    for method in service.method:
        yield ""
        yield f"    {method.name} = Method("
        yield f'        "/{package}.{service.name}/{method.name}",'
        yield f"        {names[method.input_type]},"
        yield f"        {names[method.output_type]},"
        if method.client_streaming:
            yield "        is_client_streaming=True,"
        if method.server_streaming:
            yield "        is_server_streaming=True,"
        yield "    )"


def _serialised(file: FileDescriptorProto) -> Iterator[str]:
    """The file as bytes literals, each declaration on lines of its own so that diffs stay small.

    Protobuf reads messages written one after the other as their merge.
    """
    yield from _literals(
        FileDescriptorProto(
            name=file.name, package=file.package, dependency=file.dependency, syntax=file.syntax
        )
    )
    for message in file.message_type:
        yield from _literals(FileDescriptorProto(message_type=[message]))
    for enum in file.enum_type:
        yield from _literals(FileDescriptorProto(enum_type=[enum]))
    for service in file.service:
        yield from _literals(FileDescriptorProto(service=[service]))


def _literals(part: FileDescriptorProto) -> Iterator[str]:
    line = ""
    for byte in part.SerializeToString(deterministic=True):
        is_plain = 32 <= byte < 127 and byte not in b'"\\'
        line += chr(byte) if is_plain else f"\\x{byte:02x}"
        if len(line) > _LITERAL_WIDTH:
            yield f'    b"{line}"'
            line = ""
    if line:
        yield f'    b"{line}"'
