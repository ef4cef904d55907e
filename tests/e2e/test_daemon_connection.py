"""Connections to a real daemon: every scheme, the wrong address, what it says of itself."""

from __future__ import annotations

import contextlib
import os
import socket
import uuid
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from forwarder import Forwarder
from graphs import AMD64, building, nothing, step

from buildkit_spec.client import Address, Client
from buildkit_spec.client.docker_stream import open_docker_stream
from buildkit_spec.client.relay import Relay
from buildkit_spec.client.sockets import connect
from buildkit_spec.errors import ConnectionFailedError, DeadlineExceededError


@pytest.fixture(scope="module", name="sockets")
def _sockets(buildkit_host: str) -> Iterator[dict[str, Address]]:
    """The daemon under every scheme: where it has none by itself, through a relay."""
    address = Address.parse(buildkit_host)
    with contextlib.ExitStack() as stack:
        addresses = {address.scheme: address}
        if address.scheme == "docker":
            relay = Relay(partial(open_docker_stream, address, 10, partial(connect, address, 10)))
            stack.callback(relay.close)
            addresses["unix"] = Address("unix", relay.path)
        if "tcp" not in addresses:
            forwarder = stack.enter_context(Forwarder(addresses["unix"].path))
            addresses["tcp"] = Address("tcp", host="127.0.0.1", port=forwarder.port)
        yield addresses


def test_client_builds_over_every_scheme(sockets: dict[str, Address], base_image: str) -> None:
    """A daemon is reached, and builds, over every scheme that it can be named by."""
    for address in sockets.values():
        with Client(address) as client:
            result = client.build(building(step(base_image, f"echo {uuid.uuid4()}")))

            assert client.info().package.endswith("buildkit")
            assert result.digest is None


def test_client_tells_a_docker_socket_named_as_unix() -> None:
    """Docker's API socket named as unix:// is told apart, with the address that would do."""
    engine = Address.parse("docker://" + os.environ["DOCKER_HOST"])

    with pytest.raises(ConnectionFailedError, match="HTTP/1") as caught:
        Client(Address("unix", engine.path))

    assert str(engine) in caught.value.remedy


def test_client_tells_a_buildkitd_named_as_docker(sockets: dict[str, Address]) -> None:
    """A gRPC socket named as docker:// is told apart, with the address that would do."""
    plain = sockets["unix"]

    with pytest.raises(ConnectionFailedError, match="no Docker Engine") as caught:
        Client(Address("docker", plain.path))

    assert str(plain) in caught.value.remedy


def test_client_tells_a_web_server(registry: str) -> None:
    """A web server named as daemon is told, under both schemes."""
    with pytest.raises(ConnectionFailedError, match="HTTP/1"):
        Client(Address.parse(f"tcp://{registry}"))
    with pytest.raises(ConnectionFailedError, match="has no BuildKit: it answered HTTP 404"):
        Client(Address.parse(f"docker://tcp://{registry}"))


@pytest.mark.parametrize("scheme", ["tcp://", "docker://tcp://"])
def test_client_gives_up_on_silence(scheme: str) -> None:
    """Something that accepts connections and says nothing is given up after the timeout."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = Address.parse(f"{scheme}127.0.0.1:{listener.getsockname()[1]}")

        with pytest.raises(DeadlineExceededError, match=r"did not answer within 0\.3 s"):
            Client(address, connect_timeout_s=0.3)


@pytest.mark.parametrize("scheme", ["unix", "docker"])
def test_client_tells_a_socket_that_is_not_there(tmp_path: Path, scheme: str) -> None:
    """A socket that does not exist is named, with the command that starts a daemon."""
    with pytest.raises(ConnectionFailedError, match="there is no such socket") as caught:
        Client(Address(scheme, str(tmp_path / "no.sock")))

    assert caught.value.remedy.startswith("sudo ")


def test_client_closed_twice_is_harmless(buildkit_host: str) -> None:
    """Closing a client again does nothing, and a build on it says that it was closed."""
    client = Client(Address.parse(buildkit_host))
    client.close()
    client.close()

    with pytest.raises(ConnectionFailedError, match="closed by this program"):
        client.build(nothing)


def test_cache_is_listed_and_pruned(buildkit_host: str, base_image: str) -> None:
    """A step's record is listed with its size; pruned by a filter it is gone, and yielded."""
    unique = uuid.uuid4().hex
    filters = [f"description~={unique}"]
    with Client(Address.parse(buildkit_host)) as client:
        client.build(building(step(base_image, f"head -c 100000 /dev/zero > /{unique}")))

        (record,) = client.disk_usage(filters)
        pruned = list(client.prune([f"id=={record.id}"], all=True))

        assert unique in record.description
        assert record.size_bytes >= 100_000
        assert record.created is not None
        assert [one.id for one in pruned] == [record.id]
        assert client.disk_usage(filters) == ()


def test_workers_say_what_they_run(buildkit_host: str) -> None:
    """The first worker runs what this machine is."""
    with Client(Address.parse(buildkit_host)) as client:
        worker = client.workers()[0]

    assert AMD64 in worker.platforms
    assert worker.id
