"""Secrets: read when the daemon asks, served by id, never kept.

Source: ``session/secrets/secretsprovider``.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from buildkit_spec._pb import secrets as pb
from buildkit_spec._pb._method import Method
from buildkit_spec.errors import SecretNotFoundError, SecretTooLargeError
from buildkit_spec.session._call import NOT_FOUND, Call, Handler, StatusError
from buildkit_spec.values import BytesSecret, EnvSecret, FileSecret, SecretSource

MAX_SECRET_BYTES = 500 * 1024
"""What a daemon takes. Source: ``session/secrets/secretsprovider/store.go``."""


class Secrets:
    """Answers ``moby.buildkit.secrets.v1.Secrets``.

    Args:
        sources: Where each secret comes from, by id; another id does not exist.
        env: The environment.
    """

    def __init__(
        self, sources: Mapping[str, SecretSource], *, env: Mapping[str, str] = os.environ
    ) -> None:
        self._sources = sources
        self._env = env

    def methods(self) -> Mapping[Method[Any, Any], Handler]:
        """See `Attachable.methods`."""
        return {pb.Secrets.GetSecret: self._get}

    def _get(self, call: Call[pb.GetSecretRequest, pb.GetSecretResponse]) -> None:
        for request in call.messages():
            source = self._sources.get(request.ID)
            if source is None:
                # The daemon goes on without it when the step says that it may.
                raise StatusError(NOT_FOUND, f"no secret is called {request.ID}")
            data = self._read(request.ID, source)
            _check_size(request.ID, len(data))
            call.send(pb.GetSecretResponse(data=data))

    def _read(self, name: str, source: SecretSource) -> bytes:
        if isinstance(source, BytesSecret):
            return source.data
        if isinstance(source, EnvSecret):
            if source.name not in self._env:
                raise SecretNotFoundError(
                    f"secret {name!r} is to come from ${source.name}, which is not set",
                    id=name,
                    remedy=f"export {source.name}=…",
                )
            return self._env[source.name].encode(errors="surrogateescape")
        assert isinstance(source, FileSecret)
        try:
            with Path(source.path).open("rb") as stream:
                _check_size(name, os.fstat(stream.fileno()).st_size)
                return stream.read(MAX_SECRET_BYTES + 1)  # of a pipe, only reading tells the size
        except OSError as error:
            why = (error.strerror or type(error).__name__).lower()
            raise SecretNotFoundError(
                f"secret {name!r} is to come from {source.path}, which cannot be read: {why}",
                id=name,
                remedy="check the path, or who may read it",
            ) from error


def _check_size(name: str, size_bytes: int) -> None:
    if size_bytes > MAX_SECRET_BYTES:
        raise SecretTooLargeError(id=name, size_bytes=size_bytes, limit_bytes=MAX_SECRET_BYTES)
