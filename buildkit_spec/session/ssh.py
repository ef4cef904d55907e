"""The ssh agent of this machine, lent to the steps that ask for it: to sign with, not to change.

Source: ``session/sshforward``; draft-miller-ssh-agent for what is said to the agent.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, BinaryIO

from buildkit_spec._pb import ssh as pb
from buildkit_spec._pb._method import Method
from buildkit_spec.errors import SessionError
from buildkit_spec.session._call import (
    INVALID_ARGUMENT,
    NOT_FOUND,
    Call,
    Handler,
    StatusError,
)

DEFAULT_ID = "default"
_ID_HEADER = "buildkit.ssh.id"

# SSH_AGENTC_REQUEST_IDENTITIES and SSH_AGENTC_SIGN_REQUEST. A step runs code of strangers: it must
# not take keys away, add its own, lock the agent, or have it load a PKCS #11 library.
# Source: ``session/sshforward/sshprovider/agentprovider.go`` ``readOnlyAgent``.
_ALLOWED = (b"\x0b", b"\x0d")
_FAILURE = b"\x00\x00\x00\x01\x05"
_LENGTH = struct.Struct(">I")
_MAX_MESSAGE_BYTES = 256 * 1024
"""The longest message of either side. Source: OpenSSH ``ssh-agent.c`` ``AGENT_MAX_LEN``."""


class SSHForward:
    """Answers ``moby.sshforward.v1.SSH``.

    A step may list keys and have things signed; all else the agent seems to refuse.

    Args:
        agents: Path of an agent's socket by id; an empty path is an agent that is not there.
    """

    def __init__(self, agents: Mapping[str, str]) -> None:
        self._agents = agents

    def methods(self) -> Mapping[Method[Any, Any], Handler]:
        """See `Attachable.methods`."""
        return {pb.SSH.CheckAgent: self._check, pb.SSH.ForwardAgent: self._forward}

    def _check(self, call: Call[pb.CheckAgentRequest, pb.CheckAgentResponse]) -> None:
        for request in call.messages():
            self._connect(request.ID).close()
            call.send(pb.CheckAgentResponse())

    def _forward(self, call: Call[pb.BytesMessage, pb.BytesMessage]) -> None:
        name = (call.metadata.get(_ID_HEADER) or ("",))[0]
        with self._connect(name) as agent, agent.makefile("rb") as answers:
            for request in _requests(call.messages()):
                is_allowed = request[_LENGTH.size : _LENGTH.size + 1] in _ALLOWED
                answer = _ask(agent, answers, request) if is_allowed else _FAILURE
                call.send(pb.BytesMessage(data=answer))

    def _connect(self, name: str) -> socket.socket:
        name = name or DEFAULT_ID
        if name not in self._agents:
            raise StatusError(NOT_FOUND, f"no ssh agent is called {name}")
        path = self._agents[name]
        agent = socket.socket(socket.AF_UNIX)
        try:
            if not path:
                raise FileNotFoundError("SSH_AUTH_SOCK is not set")
            agent.connect(path)
        except OSError as error:
            agent.close()
            raise SessionError(
                f"a step asks for the ssh agent {name!r}, and there is none at {path or '(unset)'}",
                remedy='eval "$(ssh-agent)" && ssh-add',
            ) from error
        return agent


def _requests(messages: Iterable[pb.BytesMessage]) -> Iterator[bytes]:
    """Cut what a step says into requests, each with its length before it."""
    rest = bytearray()
    for message in messages:
        rest += message.data
        while len(rest) >= _LENGTH.size:
            end = _LENGTH.size + _LENGTH.unpack_from(rest)[0]
            if end > _LENGTH.size + _MAX_MESSAGE_BYTES:
                raise StatusError(
                    INVALID_ARGUMENT, "a step does not speak the ssh agent's protocol"
                )
            if len(rest) < end:
                break
            yield bytes(rest[:end])
            del rest[:end]


def _ask(agent: socket.socket, answers: BinaryIO, request: bytes) -> bytes:
    """Return the agent's answer, with its length before it."""
    try:
        agent.sendall(request)
        length = answers.read(_LENGTH.size)
        size = _LENGTH.unpack(length)[0] if len(length) == _LENGTH.size else 0
        body = answers.read(min(size, _MAX_MESSAGE_BYTES))
    except OSError as error:
        raise SessionError("the ssh agent closed the connection") from error
    if not size or len(body) < size:
        raise SessionError("the ssh agent closed the connection, or does not speak its protocol")
    return length + body
