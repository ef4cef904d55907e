"""The ssh agent signs for the steps that ask, and cannot be changed by them."""

from __future__ import annotations

import base64
import os
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import grpc
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_ssh_public_key
from session_peer import TIMEOUT_S, Served

from buildkit_spec._pb import ssh as pb
from buildkit_spec.session import SSHForward

LIST_KEYS = b"\x00\x00\x00\x01\x0b"
"""SSH_AGENTC_REQUEST_IDENTITIES (draft-miller-ssh-agent)."""
NO_KEYS = b"\x00\x00\x00\x05\x0c\x00\x00\x00\x00"


@pytest.fixture(name="agent")
def _agent() -> Iterator[str]:
    """The socket of a real ssh-agent without keys."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory, "agent")
        command = ["ssh-agent", "-D", "-a", str(path)]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
            end = time.monotonic() + TIMEOUT_S
            while not path.exists():
                assert process.poll() is None
                assert time.monotonic() < end
                time.sleep(0.005)
            yield str(path)
            process.terminate()


def _say(served: Served, *chunks: bytes) -> bytes:
    requests = (pb.BytesMessage(data=chunk) for chunk in chunks)
    return b"".join(one.data for one in served.stream(pb.SSH.ForwardAgent, requests))


def _string(data: bytes) -> bytes:
    return len(data).to_bytes(4, "big") + data


def _key(agent: str, directory: Path) -> tuple[bytes, Ed25519PublicKey]:
    """Give the agent a key, and return it as ssh writes it and as cryptography does."""
    subprocess.run(
        ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", directory / "key"], check=True
    )
    env = {**os.environ, "SSH_AUTH_SOCK": agent}
    subprocess.run(["ssh-add", "-q", directory / "key"], env=env, check=True)
    line = (directory / "key.pub").read_bytes()
    public = load_ssh_public_key(line)
    assert isinstance(public, Ed25519PublicKey)
    return base64.b64decode(line.split()[1]), public


def test_agent_signs_for_a_step(serve: Callable[..., Served], agent: str, tmp_path: Path) -> None:
    """The key stays here; its signature goes out, and is right."""
    blob, public = _key(agent, tmp_path)
    request = _string(b"\x0d" + _string(blob) + _string(b"challenge") + bytes(4))
    answer = _say(serve(SSHForward({"default": agent})), request)

    assert answer[4:5] == b"\x0e"
    public.verify(answer[-64:], b"challenge")


def test_agent_cannot_be_changed_by_a_step(
    serve: Callable[..., Served], agent: str, tmp_path: Path
) -> None:
    """Every other request is refused as an agent refuses it, and the next one is answered."""
    blob, _ = _key(agent, tmp_path)
    served = serve(SSHForward({"default": agent}))
    others = [bytes([kind]) for kind in range(256) if kind not in {11, 13}]
    remove_one = b"\x12" + _string(blob)
    lock = b"\x16" + _string(b"password")
    requests = [_string(body) for body in (*others, remove_one, lock, b"")]
    answer = _say(served, *requests, LIST_KEYS)

    refused = b"\x00\x00\x00\x01\x05" * len(requests)
    assert answer.startswith(refused)
    assert blob in answer[len(refused) :]
    assert served.failures == []


def test_agent_is_asked_whole_requests(serve: Callable[..., Served], agent: str) -> None:
    """Requests may come in pieces, several at once, or cut off at the end."""
    served = serve(SSHForward({"default": agent}))
    pieces = [bytes([byte]) for byte in LIST_KEYS]

    assert _say(served, *pieces, LIST_KEYS * 2 + LIST_KEYS[:3]) == NO_KEYS * 3


def test_agent_is_not_asked_what_is_no_request(serve: Callable[..., Served], agent: str) -> None:
    """A length that no agent takes ends the call before anything is waited for."""
    served = serve(SSHForward({"default": agent}))

    with pytest.raises(grpc.RpcError) as caught:
        _say(served, b"SSH-2.0-OpenSSH")

    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert served.failures == []


@pytest.mark.parametrize("says", [b"", b"\x00", b"\x00\x00\x00\x05\x0c", b"\xff\xff\xff\xff"])
def test_agent_that_breaks_off_is_a_failure(
    serve: Callable[..., Served], tmp_path: Path, says: bytes
) -> None:
    """A step is not left waiting for an agent that went away in the middle of its answer."""
    with tempfile.TemporaryDirectory() as directory, socket.socket(socket.AF_UNIX) as listener:
        listener.bind(f"{directory}/agent")
        listener.listen()

        def answer_once() -> None:
            with listener.accept()[0] as client:
                client.recv(64)
                client.sendall(says)

        thread = threading.Thread(target=answer_once)
        thread.start()
        served = serve(SSHForward({"default": f"{directory}/agent"}))
        with pytest.raises(grpc.RpcError):
            _say(served, LIST_KEYS)
        thread.join()

    assert "ssh agent" in served.failures[0].message
