"""Secrets are read when they are asked for, by id, and errors never hold one."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import grpc
import pytest
from session_peer import Served

from buildkit_spec._pb import secrets as pb
from buildkit_spec.errors import SecretNotFoundError, SecretTooLargeError
from buildkit_spec.session import Secrets
from buildkit_spec.session.secrets import MAX_SECRET_BYTES
from buildkit_spec.values import BytesSecret, EnvSecret, FileSecret


def _get(served: Served, name: str) -> bytes:
    data: bytes = served.unary(pb.Secrets.GetSecret, pb.GetSecretRequest(ID=name)).data
    return data


def test_secret_comes_from_where_it_is_said(serve: Callable[..., Served], tmp_path: Path) -> None:
    """A file, a variable, or bytes in memory; all as they are."""
    (tmp_path / "file").write_bytes(b"in a file\n")
    sources = {
        "file": FileSecret(str(tmp_path / "file")),
        "env": EnvSecret("TOKEN"),
        "bytes": BytesSecret(b"\x00\xff"),
    }
    served = serve(Secrets(sources, env={"TOKEN": "grün"}))

    assert _get(served, "file") == b"in a file\n"
    assert _get(served, "env") == "grün".encode()
    assert _get(served, "bytes") == b"\x00\xff"


def test_secret_is_read_when_it_is_asked_for(serve: Callable[..., Served], tmp_path: Path) -> None:
    """A file written after the session began counts."""
    served = serve(Secrets({"late": FileSecret(str(tmp_path / "late"))}))
    (tmp_path / "late").write_bytes(b"now")

    assert _get(served, "late") == b"now"


def test_secret_nobody_named_is_not_found_and_no_failure(serve: Callable[..., Served]) -> None:
    """A step may say that a secret is optional, so the daemon goes on."""
    served = serve(Secrets({}))

    with pytest.raises(grpc.RpcError) as caught:
        _get(served, "nobody")

    assert caught.value.code() is grpc.StatusCode.NOT_FOUND
    assert served.failures == []


def test_secret_without_its_source_is_a_failure_with_a_remedy(
    serve: Callable[..., Served], tmp_path: Path
) -> None:
    """A missing file and an unset variable are named."""
    sources = {"file": FileSecret(str(tmp_path / "none")), "env": EnvSecret("UNSET_HERE")}
    served = serve(Secrets(sources, env={}))
    for name in sources:
        with pytest.raises(grpc.RpcError):
            _get(served, name)

    first, second = served.failures
    assert isinstance(first, SecretNotFoundError)
    assert "does not exist" in first.message or "no such file" in first.message
    assert "UNSET_HERE" in second.message


def test_secret_that_is_too_large_is_refused_before_the_daemon_does(
    serve: Callable[..., Served],
) -> None:
    """The error says both sizes, and what to mount instead."""
    served = serve(Secrets({"big": BytesSecret(b"x" * (MAX_SECRET_BYTES + 1))}))
    with pytest.raises(grpc.RpcError):
        _get(served, "big")

    (failure,) = served.failures
    assert isinstance(failure, SecretTooLargeError)
    assert failure.limit_bytes == MAX_SECRET_BYTES


def test_secret_in_a_file_too_large_is_told_with_its_size(
    serve: Callable[..., Served], tmp_path: Path
) -> None:
    """The size is the file's own, also where far less was read; what never ends is refused too."""
    (tmp_path / "big").write_bytes(b"")
    os.truncate(tmp_path / "big", 1 << 40)
    sources = {"big": FileSecret(str(tmp_path / "big")), "endless": FileSecret("/dev/zero")}
    served = serve(Secrets(sources))
    for name in sources:
        with pytest.raises(grpc.RpcError):
            _get(served, name)

    big, endless = served.failures
    assert isinstance(big, SecretTooLargeError)
    assert big.size_bytes == 1 << 40
    assert isinstance(endless, SecretTooLargeError)
