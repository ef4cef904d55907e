"""One message for every field of every message we have, and a digest over all their bytes."""

from __future__ import annotations

import hashlib
import importlib
from collections.abc import Iterator
from functools import cache
from typing import Any

from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorProto
from google.protobuf.message import Message

MODULES = (
    *("auth", "caps", "content", "control", "filesync", "fsutil", "gateway", "health", "ops"),
    *("secrets", "sourcepolicy", "ssh", "upload", "worker"),
)
_F = FieldDescriptorProto
_SAMPLES: dict[int, Any] = {
    _F.TYPE_BOOL: True,
    _F.TYPE_BYTES: b"\x00\xff",
    _F.TYPE_ENUM: 1,
    _F.TYPE_INT32: -1,
    _F.TYPE_INT64: -(2**63),
    _F.TYPE_STRING: "ä/b",
    _F.TYPE_UINT32: 2**32 - 1,
    _F.TYPE_UINT64: 2**64 - 1,
}


def messages() -> Iterator[type[Message]]:
    """Yield every top-level message class, sorted by module and name."""
    for name in MODULES:
        module = importlib.import_module(f"buildkit_spec._pb.{name}")
        for _, value in sorted(vars(module).items()):
            if isinstance(value, type) and issubclass(value, Message):
                yield value


@cache
def fields_of(message: type[Message]) -> dict[str, FieldDescriptorProto]:
    """Return the fields by name, in a form that every version of protobuf has."""
    file = FileDescriptorProto.FromString(message.DESCRIPTOR.file.serialized_pb)
    (declared,) = (found for found in file.message_type if found.name == message.DESCRIPTOR.name)
    return {field.name: field for field in declared.field}


def samples() -> Iterator[Message]:
    """Yield, for every field of every message, the message with that field and all below it."""
    for kind in messages():
        for name in fields_of(kind):
            message = kind()
            _fill(message, name, depth=3)
            yield message


def digest() -> str:
    """Return a digest over the deterministic bytes of all samples."""
    whole = hashlib.sha256()
    for sample in samples():
        whole.update(sample.SerializeToString(deterministic=True) + b"\n")
    return whole.hexdigest()


def _fill(message: Message, name: str, depth: int) -> None:
    field = fields_of(type(message))[name]
    value = getattr(message, name)
    below = message.DESCRIPTOR.fields_by_name[name].message_type
    if below is not None and below.GetOptions().map_entry:
        item = below.fields_by_name["value"]
        key = _SAMPLES[below.fields_by_name["key"].type]
        if item.message_type is None:
            value[key] = _SAMPLES[item.type]
        else:
            _fill_all(value[key], depth)
    elif below is not None:
        child = value.add() if field.label == _F.LABEL_REPEATED else value
        child.SetInParent()
        _fill_all(child, depth)
    elif field.label == _F.LABEL_REPEATED:
        value.extend([_SAMPLES[field.type]] * 2)
    else:
        setattr(message, name, _SAMPLES[field.type])


def _fill_all(message: Message, depth: int) -> None:
    # Pure-Python protobuf cannot compare an Any of a type that it does not know.
    if depth and message.DESCRIPTOR.full_name != "google.protobuf.Any":
        for name in fields_of(type(message)):
            _fill(message, name, depth - 1)


if __name__ == "__main__":
    print(digest())
