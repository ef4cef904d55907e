"""A daemon that says what a test wants."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator

import pytest
from fake_daemon import FakeDaemon

from buildkit_spec.client import Client


@pytest.fixture(name="daemon")
def _daemon() -> Iterator[FakeDaemon]:
    with (
        tempfile.TemporaryDirectory(dir="/tmp") as home,  # short enough for a socket
        FakeDaemon(f"{home}/daemon.sock") as daemon,
    ):
        yield daemon


@pytest.fixture(name="client")
def _client(daemon: FakeDaemon) -> Iterator[Client]:
    with Client(daemon.address, connect_timeout_s=5) as client:
        yield client
