"""``google.rpc.Status`` and the ``Any`` of its details, of our pool (not ``status_pb2``'s).

Do not compare an ``Any`` of BuildKit's with ``==``: pure-Python protobuf then looks for its type,
which is JSON and has none. Compare ``type_url`` and ``value``.
"""

from google.protobuf import any_pb2
from google.rpc import status_pb2

from buildkit_spec._pb import _pool

_any_file = _pool.add(__name__, any_pb2.DESCRIPTOR.serialized_pb)
_file = _pool.add(__name__, status_pb2.DESCRIPTOR.serialized_pb)

Any = _any_file.message("Any")
Status = _file.message("Status")
