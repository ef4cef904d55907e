"""Small graphs for the tests of the client: one step on the base image."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path

from buildkit_spec import llb
from buildkit_spec._pb import control
from buildkit_spec.client import BuildOutput, Client, Gateway
from buildkit_spec.values import Platform, StatusUpdate

AMD64 = Platform("linux", "amd64")


def step(
    base_image: str, script: str, name: str = "", *, network: llb.Network = llb.Network.SANDBOX
) -> llb.Definition:
    """A shell script run in the base image."""
    command = ["/bin/sh", "-c", script]
    state = llb.image(base_image).run(command, name=name, network=network).root
    return state.marshal(platform=AMD64)


def building(definition: llb.Definition) -> Callable[[Gateway], BuildOutput]:
    """Build the graph, and end with it."""

    def run(gateway: Gateway) -> BuildOutput:
        return BuildOutput({AMD64: gateway.solve(definition, evaluate=True)})

    return run


def nothing(gateway: Gateway) -> BuildOutput:
    """End with an empty file system."""
    return BuildOutput({AMD64: None})


class Listener:
    """A status callback that tells when a step's output holds some text."""

    def __init__(self, text: bytes, then: Callable[[], None] = lambda: None) -> None:
        self._text = text
        self._then = then
        self._log = b""
        self.has_heard = threading.Event()
        self.names: set[str] = set()

    def __call__(self, update: StatusUpdate) -> None:
        self.names.update(vertex.name for vertex in update.vertices)
        self._log += b"".join(chunk.data for chunk in update.logs)
        if self._text in self._log and not self.has_heard.is_set():
            self.has_heard.set()
            self._then()


def is_running(argument: str) -> bool:
    """Whether a process on this machine has the argument."""
    for place in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            arguments = place.read_bytes().split(b"\0")
        except OSError:
            continue  # it ended meanwhile
        if argument.encode() in arguments and place.parent.name != str(os.getpid()):
            return True
    return False


def history_error(client: Client, ref: str) -> str:
    """What the daemon's own history says about a build."""
    method = control.Control.ListenBuildHistory
    call = client.channel.unary_stream(
        method.path,
        request_serializer=method.request.SerializeToString,
        response_deserializer=method.response.FromString,
    )
    (event,) = call(control.BuildHistoryRequest(Ref=ref, EarlyExit=True))
    return event.record.error.message
