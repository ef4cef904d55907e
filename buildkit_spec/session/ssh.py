"""The ssh agent of this machine, lent to the steps that ask for it.

Source: ``session/sshforward``.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Mapping
from typing import Any

from buildkit_spec._pb import ssh as pb
from buildkit_spec._pb._method import Method
from buildkit_spec.errors import SessionError
from buildkit_spec.session._call import (
    NOT_FOUND,
    Call,
    CallCancelledError,
    Handler,
    StatusError,
)

DEFAULT_ID = "default"
_ID_HEADER = "buildkit.ssh.id"
_CHUNK_BYTES = 32 * 1024


class SSHForward:
    """Answers ``moby.sshforward.v1.SSH``.

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
        agent = self._connect((call.metadata.get(_ID_HEADER) or ("",))[0])
        answers = threading.Thread(
            target=_answer, args=(agent, call), name="session-ssh", daemon=True
        )
        answers.start()
        try:
            for message in call.messages():
                agent.sendall(message.data)
            agent.shutdown(socket.SHUT_WR)
            answers.join()
        except OSError as error:
            raise SessionError("the ssh agent closed the connection") from error
        finally:
            with contextlib.suppress(OSError):
                agent.shutdown(socket.SHUT_RDWR)
            answers.join()
            agent.close()

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


def _answer(agent: socket.socket, call: Call[pb.BytesMessage, pb.BytesMessage]) -> None:
    with contextlib.suppress(OSError, CallCancelledError):
        while data := agent.recv(_CHUNK_BYTES):
            call.send(pb.BytesMessage(data=data))
