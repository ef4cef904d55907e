"""The pool is private: nothing in the process clashes with it, and nothing more is loaded."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
IMPLEMENTATIONS = ("upb", "python")

OURS = """
from buildkit_spec._pb import (
    auth, caps, control, filesync, fsutil, gateway, health, ops, rpc,
    secrets, sourcepolicy, ssh, timestamp, upload, worker,
)
"""
# Other content under our full names; the first under our file's name, the others under upstream's.
STRANGER = """
from google.protobuf import descriptor_pool, message_factory
from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorProto

strangers = []
for path, package, name in [
    ("ops.proto", "pb", "Op"),
    ("github.com/moby/buildkit/api/services/control/control.proto", "moby.buildkit.v1", "Vertex"),
    ("github.com/tonistiigi/fsutil/types/wire.proto", "fsutil.types", "Packet"),
    ("grpc/health/v1/health.proto", "grpc.health.v1", "HealthCheckRequest"),
    ("auth.proto", "moby.filesync.v1", "CredentialsRequest"),
]:
    file = FileDescriptorProto(name=path, package=package, syntax="proto3")
    file.message_type.add(name=name).field.add(
        name="stranger",
        number=99,
        type=FieldDescriptorProto.TYPE_STRING,
        label=FieldDescriptorProto.LABEL_OPTIONAL,
    )
    pool = descriptor_pool.Default()
    pool.AddSerializedFile(file.SerializeToString())
    found = pool.FindMessageTypeByName(f"{package}.{name}")
    strangers.append(message_factory.GetMessageClass(found))
"""
BOTH_WORK = """
for stranger in strangers:
    message = stranger(stranger="here")
    assert stranger.FromString(message.SerializeToString()) == message, stranger
packet = fsutil.Packet(type=fsutil.Packet.PACKET_DATA, ID=7, data=b"x")
assert fsutil.Packet.FromString(packet.SerializeToString()) == packet
assert control.StatusResponse(vertexes=[control.Vertex(name="n")]).vertexes[0].name == "n"
assert gateway.ReturnRequest(error=rpc.Status(code=3)).error.code == 3
assert ops.Op(source=ops.SourceOp(identifier="i")).source.identifier == "i"
assert auth.CredentialsRequest(Host="h").Host == "h"
assert not hasattr(health.HealthCheckRequest(), "stranger")
"""


def _run(*arguments, implementation="upb"):
    environment = {
        **os.environ,
        "PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION": implementation,
        "PYTHONPATH": os.pathsep.join(sys.path),  # the package from where this test has it
    }
    done = subprocess.run(
        [sys.executable, "-W", "error", *arguments],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
@pytest.mark.parametrize("order", [(OURS, STRANGER), (STRANGER, OURS)], ids=["first", "last"])
def test_pool_does_not_clash_with_other_content_of_the_same_names(order, implementation):
    """Another package's messages of our full names work beside ours, whoever comes first."""
    _run("-c", "".join(order) + BOTH_WORK, implementation=implementation)


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
def test_pool_leaves_the_default_pool_alone(implementation):
    """Importing all of ours puts none of our names into the default pool."""
    script = """
from google.protobuf import descriptor_pool
for name in ("pb.Op", "moby.buildkit.v1.SolveRequest", "grpc.health.v1.HealthCheckRequest"):
    try:
        descriptor_pool.Default().FindMessageTypeByName(name)
    except KeyError:
        continue
    raise SystemExit(name)
"""
    _run("-c", OURS + script, implementation=implementation)


def test_bytes_do_not_depend_on_the_implementation():
    """The C and the Python implementation of protobuf write every message alike."""
    first, second = (_run(HERE / "pb_samples.py", implementation=i) for i in IMPLEMENTATIONS)

    assert first == second


def test_module_loads_only_what_it_names():
    """Who needs the graph's messages does not pay for the daemon's, nor for gRPC."""
    script = """
import sys
from buildkit_spec._pb import ops
loaded = {name.rpartition(".")[2] for name in sys.modules if name.startswith("buildkit_spec._pb.")}
assert loaded == {"_pool", "ops"}, loaded
assert not {"grpc", "google.rpc", "pydantic"} & sys.modules.keys()
"""
    _run("-c", script)


def test_messages_need_no_grpc():
    """All modules together import protobuf and google.rpc, and no gRPC."""
    _run("-c", OURS + "import sys\nassert not {'grpc', 'grpc_tools'} & sys.modules.keys()")
