"""A session's server behind a socket, so that gRPC's own client can call it as a daemon does."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

import pytest
from session_peer import Served

from buildkit_spec.session import Attachable

Serve = Callable[..., Served]


@pytest.fixture
def serve(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serve]:
    """Return what serves attachables, each time behind a socket of its own."""
    with contextlib.ExitStack() as stack:

        def start(*attachables: Attachable) -> Served:
            return stack.enter_context(Served(attachables, tmp_path_factory.mktemp("s") / "s"))

        yield start
