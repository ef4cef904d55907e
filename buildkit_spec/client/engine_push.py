"""Pushing an image that a Docker Engine has, through the Engine's own API.

For an Engine without the containerd image store: its BuildKit puts an image into the Engine, and
only the Engine can push it. Source: moby ``api/server/router/image/image_routes.go``.
"""

from __future__ import annotations

import base64
import json
from contextlib import closing
from datetime import datetime, timezone
from typing import Any
from urllib.parse import quote, urlencode

from buildkit_spec.client._failure import one_line
from buildkit_spec.client._registry_words import Trouble, diagnose, remedy
from buildkit_spec.client.engine_api import EngineApi
from buildkit_spec.errors import (
    BuildkitSpecError,
    InvalidDigestError,
    RegistryAuthError,
    RegistryError,
    RegistryUnavailableError,
    SolveCanceledError,
)
from buildkit_spec.registry.hosts import helper_key
from buildkit_spec.values import (
    Credentials,
    Digest,
    Reference,
    StatusCallback,
    StatusUpdate,
    TransferStatus,
    VertexStatus,
)

_MOVING = {"Pushing", "Pushed"}


def push_image(
    api: EngineApi,
    reference: Reference,
    *,
    credentials: Credentials | None = None,
    registry_token: str = "",
    on_status: StatusCallback | None = None,
) -> Digest:
    """Push the image that the Engine has under a name.

    Layers go first, the manifest last: until then the registry has the old image.

    Args:
        api: The Engine that has the image.
        reference: Its name, with a tag.
        credentials: The login for its registry; None for none.
        registry_token: A bearer token for the registry, in place of a login; or empty.
        on_status: Told what happens: one step with a transfer for each layer.

    Returns:
        Digest of the manifest, as the registry has it.

    Raises:
        RegistryAuthError: The registry wants another login.
        RegistryUnavailableError: It does not answer, or asks to wait.
        RegistryError: It refuses the image, or the Engine does.
        ConnectionFailedError: The Engine went away.
        SolveCanceledError: The API was closed meanwhile.
    """
    step = _Step(reference, on_status)
    name = quote(reference.name, safe="/:[]")
    path = f"/images/{name}/push?{urlencode({'tag': reference.tag})}"
    headers = {"X-Registry-Auth": _login(reference, credentials, registry_token)}
    step.begin()
    try:
        digest = _push(api, path, headers, reference, step)
    except BuildkitSpecError as error:
        is_cancelled = isinstance(error, SolveCanceledError)
        step.end("context canceled" if is_cancelled else error.message)
        raise
    step.end()
    return digest


def _push(
    api: EngineApi, path: str, headers: dict[str, str], reference: Reference, step: _Step
) -> Digest:
    digest: Digest | None = None
    with closing(api.post(path, headers)) as messages:
        for message in messages:
            if error := message.get("error"):
                raise _refused(str(error), reference)
            step.tell(message)
            digest = _digest(message) or digest
    if digest is None:
        raise api.lost("the push ended without a digest")
    return digest


def _digest(message: dict[str, Any]) -> Digest | None:
    try:
        return Digest(message["aux"]["Digest"])
    except (LookupError, TypeError, InvalidDigestError):
        return None


def _login(reference: Reference, credentials: Credentials | None, token: str) -> str:
    """Return the login as the Engine reads it; without one the empty object, which it wants.

    Source: moby ``api/types/registry/authconfig.go``.
    """
    login: dict[str, str] = {}
    if token:
        login = {"registrytoken": token}
    elif credentials is not None and credentials.identity_token:
        login = {"identitytoken": credentials.identity_token}
    elif credentials is not None:
        login = {"username": credentials.username, "password": credentials.password}
    if login:
        login["serveraddress"] = helper_key(reference.registry)
    return base64.urlsafe_b64encode(json.dumps(login).encode()).decode()


def _refused(said: str, reference: Reference) -> RegistryError:
    said = one_line(said)
    trouble, name, host = diagnose(said), reference.familiar, reference.registry
    message = f"the image was built but not pushed to {name}: {said}"
    what_to_do = remedy(trouble, host, is_push=True)
    if trouble is Trouble.PLAIN:
        what_to_do = f'{host} speaks plain http: "insecure-registries" in Docker\'s daemon.json'
    kind = RegistryError
    if trouble is Trouble.AUTH:
        kind = RegistryAuthError
    elif trouble in {Trouble.UNREACHABLE, Trouble.OVERLOADED}:
        kind = RegistryUnavailableError
    return kind(message, reference=name, remedy=what_to_do)


class _Step:
    """The push as one step of the status stream, with a transfer for each layer."""

    def __init__(self, reference: Reference, on_status: StatusCallback | None) -> None:
        self._name = f"pushing {reference.familiar} through the Docker Engine"
        self._digest = Digest.of(self._name.encode())
        self._on_status = on_status
        self._started: datetime | None = None
        self._layers: dict[str, TransferStatus] = {}

    def begin(self) -> None:
        self._started = _now()
        self._send(StatusUpdate(vertices=(self._vertex(),)))

    def end(self, error: str = "") -> None:
        self._send(StatusUpdate(vertices=(self._vertex(_now(), error),)))

    def tell(self, message: dict[str, Any]) -> None:
        """Pass on how far a layer is; one that the registry has already is not told of."""
        layer, said = str(message.get("id", "")), str(message.get("status", ""))
        if not layer or said not in _MOVING:
            return
        detail = message.get("progressDetail") or {}
        before = self._layers.get(layer)
        current = int(detail.get("current") or (before.current if before else 0))
        total = int(detail.get("total") or (before.total if before else 0))
        self._layers[layer] = TransferStatus(
            f"pushing layer {layer}",
            self._digest,
            "pushing",
            current,
            max(total, current),
            before.started if before else _now(),
            _now() if said == "Pushed" else None,
        )
        self._send(StatusUpdate(transfers=(self._layers[layer],)))

    def _vertex(self, completed: datetime | None = None, error: str = "") -> VertexStatus:
        return VertexStatus(
            self._digest, self._name, started=self._started, completed=completed, error=error
        )

    def _send(self, update: StatusUpdate) -> None:
        if self._on_status is not None:
            self._on_status(update)


def _now() -> datetime:
    return datetime.now(timezone.utc)
