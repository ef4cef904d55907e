"""Images of a Docker Engine: where one that no registry gets can be used all the same."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

from buildkit_spec.client.address import Address
from buildkit_spec.client.docker_context import DEFAULT_SOCKET, Engine, chosen_engine
from buildkit_spec.client.endpoint import Wish, find_endpoint
from buildkit_spec.client.engine_api import EngineApi
from buildkit_spec.errors import BuildkitSpecError


def usable_engine(env: Mapping[str, str]) -> Engine | None:
    """Return the Engine that a loaded image goes to: the one that builds, or docker's.

    Args:
        env: The environment.

    Returns:
        None when there is none.
    """
    with suppress(BuildkitSpecError):  # no daemon, or one that a build will tell of
        endpoint = find_endpoint(Wish(), env)
        if len(endpoint.addresses) == 1 and endpoint.addresses[0].scheme == "docker":
            return Engine(endpoint.addresses[0], endpoint.why, endpoint.tls)
    with suppress(BuildkitSpecError):
        found = chosen_engine(env)
        if found is not None:
            return found
    if Path(DEFAULT_SOCKET).exists():
        return Engine(Address("docker", DEFAULT_SOCKET), f"{DEFAULT_SOCKET} is there")
    return None


def has_image(engine: Engine, name: str) -> bool:
    """Whether the Engine has an image under a name.

    Args:
        engine: See `usable_engine`.
        name: Repository and tag.

    Raises:
        ConnectionFailedError: It does not answer.
        TlsFailedError: There is no TLS with it.
        DeadlineExceededError: It did not take the connection in time.

    Source: moby ``api/server/router/image/image_routes.go``, ``getImagesByName``.
    """
    from buildkit_spec.client.dial import dial

    dialed = dial(engine.address, tls=engine.tls)
    try:
        api = EngineApi(dialed.address, dialed.open_stream)
        return api.has(f"/images/{quote(name, safe='/:')}/json")
    finally:
        dialed.close()
