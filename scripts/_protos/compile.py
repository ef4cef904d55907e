"""From .proto text to descriptors, by the compiler in grpcio-tools."""

from __future__ import annotations

import importlib.util
import keyword
import sys
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from google.protobuf.descriptor_pb2 import DescriptorProto, FileDescriptorProto, FileDescriptorSet

# Files and types that are not ours, and what stands for them in _pb (written by hand).
FOREIGN_MODULES = {
    "google/protobuf/timestamp.proto": "timestamp",
    "google/rpc/status.proto": "rpc",
}
FOREIGN_TYPES = {
    ".google.protobuf.Timestamp": "timestamp.Timestamp",
    ".google.rpc.Status": "rpc.Status",
}

# Names that a field may not have, because its message's class in the stub needs them.
_RESERVED = {"bool", "bytes", "float", "int", "property", "str"}


def compile_files(source: Path) -> list[FileDescriptorProto]:
    """Compile every .proto file in *source*, sorted by name.

    Raises:
        SystemExit: The compiler refuses a file, or a field's name cannot be written in Python.
    """
    from grpc_tools import protoc

    files = sorted(path.name for path in source.glob("*.proto"))
    with tempfile.TemporaryDirectory() as scratch:
        output = Path(scratch, "descriptors")
        status = protoc.main(
            [
                "protoc",
                f"--proto_path={source}",
                *(f"--proto_path={path}" for path in _include_paths()),
                f"--descriptor_set_out={output}",
                *files,
            ]
        )
        if status:
            sys.exit(status)
        compiled = FileDescriptorSet.FromString(output.read_bytes()).file
    for file in compiled:
        for message in _all_messages(file.message_type):
            _simplify(file.name, message)
    return sorted(compiled, key=lambda file: file.name)


def module_of(file: str) -> str:
    """The module in _pb that stands for the .proto file *file*."""
    return FOREIGN_MODULES.get(file) or file.removesuffix(".proto")


def types_of(files: Iterable[FileDescriptorProto]) -> dict[str, str]:
    """Map every ``.package.Outer.Name`` to ``module.Outer.Name``."""
    found = dict(FOREIGN_TYPES)

    def visit(message: DescriptorProto, scope: str, module: str) -> None:
        found[f"{scope}.{message.name}"] = f"{module}.{message.name}"
        for enum in message.enum_type:
            found[f"{scope}.{message.name}.{enum.name}"] = f"{module}.{message.name}.{enum.name}"
        for nested in message.nested_type:
            visit(nested, f"{scope}.{message.name}", f"{module}.{message.name}")

    for file in files:
        scope, module = f".{file.package}", module_of(file.name)
        for message in file.message_type:
            visit(message, scope, module)
        for enum in file.enum_type:
            found[f"{scope}.{enum.name}"] = f"{module}.{enum.name}"
    return found


def _include_paths() -> Iterator[Path]:
    """Where google/protobuf/*.proto and google/rpc/*.proto are installed."""
    for package, inside in (("grpc_tools", "_proto"), ("google.rpc", "../..")):
        spec = importlib.util.find_spec(package)
        if spec is None or not spec.submodule_search_locations:
            sys.exit(f"{package} is not installed")
        yield Path(next(iter(spec.submodule_search_locations)), inside).resolve()


def _all_messages(messages: Iterable[DescriptorProto]) -> Iterator[DescriptorProto]:
    for message in messages:
        yield message
        yield from _all_messages(message.nested_type)


def _simplify(file: str, message: DescriptorProto) -> None:
    """Refuse what Python cannot name; drop JSON names, which protobuf derives again."""
    for field in message.field:
        if keyword.iskeyword(field.name) or field.name in _RESERVED:
            sys.exit(f"{file}: {message.name}.{field.name}: add an underscore to the name")
        field.ClearField("json_name")
