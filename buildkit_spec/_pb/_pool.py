"""The private descriptor pool that holds all our message types.

protobuf's default pool knows one content per full name and process: a second BuildKit client, or
a newer copy of the same files, would clash with ours there. In a pool of our own nothing does.
The price: a ``google.protobuf.Timestamp`` or ``google.rpc.Status`` of this pool is another class
than ``timestamp_pb2.Timestamp`` or ``status_pb2.Status``; convert between them through bytes.
"""

from __future__ import annotations

from google.protobuf.descriptor import FileDescriptor
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.internal.enum_type_wrapper import EnumTypeWrapper
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

_POOL = DescriptorPool()


def add(module: str, serialised: bytes) -> _File:
    """Add a file to the pool; the files it imports must be there already.

    Args:
        module: ``__name__`` of the Python module that stands for the file.
        serialised: A ``google.protobuf.FileDescriptorProto``.
    """
    return _File(module, _POOL.AddSerializedFile(serialised))


class _File:
    """A file of the pool, and the Python side of what it declares."""

    def __init__(self, module: str, descriptor: FileDescriptor) -> None:
        self._module = module
        self._descriptor = descriptor

    def message(self, name: str) -> type[Message]:
        """Return the class of the top-level message *name*."""
        made = GetMessageClass(self._descriptor.message_types_by_name[name])
        made.__module__ = self._module
        return made

    def enum(self, name: str) -> EnumTypeWrapper:
        """Return the top-level enum *name*."""
        return EnumTypeWrapper(self._descriptor.enum_types_by_name[name])
