"""The ssh agent is relayed to the steps that ask, and one that is missing is told."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator

import grpc
import pytest
from session_peer import Served

from buildkit_spec._pb import ssh as pb
from buildkit_spec.session import SSHForward

LIST_KEYS = b"\x00\x00\x00\x01\x0b"
"""SSH_AGENTC_REQUEST_IDENTITIES (draft-miller-ssh-agent)."""
NO_KEYS = b"\x00\x00\x00\x05\x0c\x00\x00\x00\x00"


@pytest.fixture(name="agent")
def _agent() -> Iterator[str]:
    """The socket of a real ssh-agent without keys."""
    directory = tempfile.mkdtemp()
    path = f"{directory}/agent"
    said = subprocess.run(
        ["ssh-agent", "-s", "-a", path], capture_output=True, text=True, check=True
    )
    pid = int(said.stdout.partition("SSH_AGENT_PID=")[2].partition(";")[0])
    yield path
    os.kill(pid, signal.SIGTERM)
    shutil.rmtree(directory, ignore_errors=True)  # the agent removes its socket itself


def test_agent_is_relayed_both_ways(serve: Callable[..., Served], agent: str) -> None:
    """A question of the agent's protocol goes in, its answer comes out."""
    served = serve(SSHForward({"default": agent}))
    served.unary(pb.SSH.CheckAgent, pb.CheckAgentRequest(ID="default"))
    has_answer = threading.Event()

    def requests() -> Iterator[pb.BytesMessage]:
        yield pb.BytesMessage(data=LIST_KEYS)
        has_answer.wait(30)  # as a client does that goes on asking

    answers = served.stream(
        pb.SSH.ForwardAgent, requests(), metadata=(("buildkit.ssh.id", "default"),)
    )
    first = next(answers)
    has_answer.set()

    assert first.data == NO_KEYS
    assert list(answers) == []
    assert served.failures == []


def test_agent_nobody_named_is_not_found(serve: Callable[..., Served], agent: str) -> None:
    """Only what was shared by name can be reached."""
    served = serve(SSHForward({"default": agent}))

    with pytest.raises(grpc.RpcError) as caught:
        served.unary(pb.SSH.CheckAgent, pb.CheckAgentRequest(ID="other"))

    assert caught.value.code() is grpc.StatusCode.NOT_FOUND


@pytest.mark.parametrize("path", ["", "/nowhere/agent"])
def test_agent_that_is_not_there_is_a_failure_with_a_remedy(
    serve: Callable[..., Served], path: str
) -> None:
    """The user reads how to start one."""
    served = serve(SSHForward({"default": path}))

    with pytest.raises(grpc.RpcError):
        served.unary(pb.SSH.CheckAgent, pb.CheckAgentRequest())

    assert "ssh-add" in served.failures[0].remedy
    assert (path or "(unset)") in served.failures[0].message
