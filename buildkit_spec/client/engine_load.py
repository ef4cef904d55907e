"""Loading an image into the Docker Engine of this machine, from a daemon that is not in it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from buildkit_spec.client.address import Address
from buildkit_spec.client.docker_context import DEFAULT_SOCKET, Engine, chosen_engine
from buildkit_spec.client.engine_api import EngineApi


@dataclass(frozen=True, slots=True)
class _Sink:
    """See `buildkit_spec.session.filesend.Sink`."""

    write: Callable[[bytes], None]


class EngineLoad:
    """The Engine that a docker client would use; `open` is a target of a session's `FileSend`.

    Args:
        env: The environment, which says which one it is.

    Raises:
        InvalidAddressError: Its address is of a kind that we do not dial.
        DaemonError: It is not there.
    """

    def __init__(self, env: Mapping[str, str] = os.environ) -> None:
        from buildkit_spec.client.dial import dial

        engine = chosen_engine(env) or Engine(Address("docker", DEFAULT_SOCKET), "")
        self._dialed = dial(engine.address, tls=engine.tls)
        self._api = EngineApi(self._dialed.address, self._dialed.open_stream)

    @contextmanager
    def open(self, said: Mapping[str, str]) -> Iterator[_Sink]:
        """Load the archive that is written within; see `EngineApi.upload` for errors.

        The Engine takes it as a whole at the end, or not at all.
        """
        with self._api.upload("/images/load?quiet=1") as send:
            yield _Sink(send)

    def commit(self) -> None:
        """Let go of the Engine: the image is there."""
        self.discard()

    def discard(self) -> None:
        """Let go of the Engine; harmless when repeated."""
        self._api.close()
        self._dialed.close()
