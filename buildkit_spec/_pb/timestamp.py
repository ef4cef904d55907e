"""``google.protobuf.Timestamp`` of our pool (not the class in ``timestamp_pb2``)."""

from google.protobuf import timestamp_pb2

from buildkit_spec._pb import _pool

_file = _pool.add(__name__, timestamp_pb2.DESCRIPTOR.serialized_pb)

Timestamp = _file.message("Timestamp")
