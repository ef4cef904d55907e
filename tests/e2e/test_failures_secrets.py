"""Secrets that a build used are nowhere afterwards: not here, in the image, or on the daemon."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from failing import cli, unique, write_yaml
from making import MakeSpec, Pulled

from buildkit_spec import BuildkitBuilder
from buildkit_spec._pb import control
from buildkit_spec.client import Address, Client
from buildkit_spec.errors import ExecError
from buildkit_spec.progress import failure_text
from buildkit_spec.values import StatusUpdate


@pytest.fixture(name="secret")
def _secret(monkeypatch: pytest.MonkeyPatch) -> str:
    """A secret in the environment variable SECRET_OF_THE_TEST."""
    secret = f"needle-{unique()}"
    monkeypatch.setenv("SECRET_OF_THE_TEST", secret)
    return secret


OPTIONS = {"secrets": {"token": "env:SECRET_OF_THE_TEST"}}


def history(client: Client, image: str) -> bytes:
    """All that the daemon keeps about builds of an image: their records, and all these name."""
    method = control.Control.ListenBuildHistory
    events = client.channel.unary_stream(
        method.path,
        request_serializer=method.request.SerializeToString,
        response_deserializer=method.response.FromString,
    )(control.BuildHistoryRequest(EarlyExit=True))
    found = b""
    for event in events:
        record = event.record.SerializeToString()
        if image.encode() in record:
            found += record
            for digest in set(re.findall(rb"sha256:[0-9a-f]{64}", record)):
                found += b"".join(contents(client, digest))
    return found


def contents(client: Client, digest: bytes) -> Iterator[bytes]:
    """One piece of the daemon's content store, in messages as they come."""
    # ReadContentRequest{digest = 1}; of the answers nothing but their bytes matters.
    read = client.channel.unary_stream("/containerd.services.content.v1.Content/Read")
    try:
        yield from read(b"\x0a" + bytes([len(digest)]) + digest)
    except grpc.RpcError as error:
        if error.code() is not grpc.StatusCode.NOT_FOUND:  # the digest of something else
            raise


def test_secret_that_was_used_is_found_nowhere(
    builder: BuildkitBuilder, spec: MakeSpec, pulled: Pulled, buildkit_host: str, secret: str
) -> None:
    """A step reads it; no layer, config, status, result, or record of the daemon has it."""
    # Another command each time: a secret is in no cache key, and a cached step says nothing.
    command = "sha256sum /run/secrets/token > /root/proof; printf '%s-' proof of use"
    made = spec(commands=[f"{command} # {unique()}"], builder_options=OPTIONS)
    told: list[StatusUpdate] = []

    result = builder.build(made, on_status=told.append)

    image = pulled(result)
    proof = image.path("/root/proof").read_text()
    assert re.match(r"[0-9a-f]{64}  /run/secrets/token\n", proof)
    assert not image.contains(secret.encode())
    assert secret not in repr(told)
    assert secret not in repr(result)
    with Client(Address.parse(buildkit_host)) as client:
        kept = history(client, made.image_name())
    assert b"proof-of-use-" in kept  # the log is among it
    assert secret.encode() not in kept


def test_secret_of_a_failed_step_is_found_nowhere(
    builder: BuildkitBuilder, spec: MakeSpec, buildkit_host: str, secret: str
) -> None:
    """The error, its text, the daemon's record of it and the daemon's log are without it."""
    made = spec(
        commands=["grep -q needle /run/secrets/token && echo it was read; exit 6"],
        builder_options=OPTIONS,
    )

    with pytest.raises(ExecError) as caught:
        builder.build(made)

    error = caught.value
    assert error.log_tail == ("it was read",)
    assert secret not in repr(vars(error)) + failure_text(error) + repr(error.__cause__)
    with Client(Address.parse(buildkit_host)) as client:
        kept = history(client, made.image_name())
    assert b"exit code: 6" in kept
    assert secret.encode() not in kept
    log = Path(os.environ["ENGINE_DIR"], "dockerd.log").read_bytes()
    assert secret.encode() not in log


@pytest.mark.parametrize("progress", ["plain", "json"])
def test_secret_is_not_printed_by_the_command_line(
    spec: MakeSpec, tmp_path: Path, secret: str, progress: str
) -> None:
    """Whatever the face: the command line prints what a step says, and not the secret."""
    made = spec(commands=["wc -c < /run/secrets/token; exit 6"], builder_options=OPTIONS)

    done = cli("build", write_yaml(tmp_path / "i.yaml", made), "--progress", progress)

    assert done.returncode == 1
    assert str(len(secret)) in done.stderr
    assert secret not in done.stdout + done.stderr
