"""Methods have BuildKit's paths, directions and types."""

from __future__ import annotations

import importlib

import pb_samples
import pytest

from buildkit_spec._pb import control, gateway
from buildkit_spec._pb._method import Method

# By hand from BuildKit's own files: path, is_client_streaming, is_server_streaming.
METHODS = {
    ("/moby.buildkit.v1.Control/Solve", False, False),
    ("/moby.buildkit.v1.Control/Status", False, True),
    ("/moby.buildkit.v1.Control/Session", True, True),
    ("/moby.buildkit.v1.Control/Info", False, False),
    ("/moby.buildkit.v1.Control/ListWorkers", False, False),
    ("/moby.buildkit.v1.Control/DiskUsage", False, False),
    ("/moby.buildkit.v1.Control/Prune", False, True),
    ("/moby.buildkit.v1.Control/ListenBuildHistory", False, True),
    ("/moby.buildkit.v1.Control/UpdateBuildHistory", False, False),
    ("/moby.buildkit.v1.frontend.LLBBridge/Ping", False, False),
    ("/moby.buildkit.v1.frontend.LLBBridge/ResolveImageConfig", False, False),
    ("/moby.buildkit.v1.frontend.LLBBridge/ResolveSourceMeta", False, False),
    ("/moby.buildkit.v1.frontend.LLBBridge/Solve", False, False),
    ("/moby.buildkit.v1.frontend.LLBBridge/Evaluate", False, False),
    ("/moby.buildkit.v1.frontend.LLBBridge/ReadFile", False, False),
    ("/moby.buildkit.v1.frontend.LLBBridge/ReadDir", False, False),
    ("/moby.buildkit.v1.frontend.LLBBridge/StatFile", False, False),
    ("/moby.buildkit.v1.frontend.LLBBridge/Inputs", False, False),
    ("/moby.buildkit.v1.frontend.LLBBridge/Warn", False, False),
    ("/moby.buildkit.v1.frontend.LLBBridge/Return", False, False),
    ("/moby.filesync.v1.FileSync/DiffCopy", True, True),
    ("/moby.filesync.v1.FileSend/DiffCopy", True, True),
    ("/moby.filesync.v1.Auth/Credentials", False, False),
    ("/moby.filesync.v1.Auth/FetchToken", False, False),
    ("/moby.filesync.v1.Auth/GetTokenAuthority", False, False),
    ("/moby.filesync.v1.Auth/VerifyTokenAuthority", False, False),
    ("/moby.buildkit.secrets.v1.Secrets/GetSecret", False, False),
    ("/moby.sshforward.v1.SSH/CheckAgent", False, False),
    ("/moby.sshforward.v1.SSH/ForwardAgent", True, True),
    ("/moby.upload.v1.Upload/Pull", True, True),
    ("/containerd.services.content.v1.Content/Info", False, False),
    ("/containerd.services.content.v1.Content/Read", False, True),
    ("/containerd.services.content.v1.Content/Status", False, False),
    ("/containerd.services.content.v1.Content/Write", True, True),
    ("/containerd.services.content.v1.Content/Abort", False, False),
    ("/grpc.health.v1.Health/Check", False, False),
    ("/grpc.health.v1.Health/Watch", False, True),
}


def _methods():
    for name in pb_samples.MODULES:
        module = importlib.import_module(f"buildkit_spec._pb.{name}")
        for service in vars(module).values():
            for method in vars(service).values() if isinstance(service, type) else ():
                if isinstance(method, Method):
                    yield method


def test_methods_are_those_of_the_daemon():
    """Every path, and which side streams, is as BuildKit has it; there is no other method."""
    actual = {(m.path, m.is_client_streaming, m.is_server_streaming) for m in _methods()}

    assert actual == METHODS


@pytest.mark.parametrize("method", list(_methods()), ids=lambda method: method.path)
def test_method_types_are_those_of_its_descriptor(method):
    """What is sent and received is what the service's descriptor says."""
    service, _, name = method.path[1:].partition("/")
    files = {m.DESCRIPTOR.file.name: m.DESCRIPTOR.file for m in pb_samples.messages()}
    found = [
        described
        for file in files.values()
        for candidate in file.services_by_name.values()
        for described in candidate.methods
        if candidate.full_name == service and described.name == name
    ]

    assert [(d.input_type, d.output_type) for d in found] == [
        (method.request.DESCRIPTOR, method.response.DESCRIPTOR)
    ]


def test_methods_with_one_name_have_their_own_types():
    """The daemon's Solve and a build's Solve are told apart."""
    assert control.Control.Solve.request is control.SolveRequest
    assert gateway.LLBBridge.Solve.request is gateway.SolveRequest
    assert control.SolveRequest is not gateway.SolveRequest
