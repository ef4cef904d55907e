"""`Session` over a real gRPC stream: what it announces, how it ends."""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import pytest
from session_peer import TIMEOUT_S

from buildkit_spec._pb import control, filesync, health
from buildkit_spec.errors import SessionError
from buildkit_spec.session import FileSync, Health, Session

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\x04\0\0\0\0\0"


class Daemon:
    """Takes sessions as a daemon does; what is said inside is up to the test."""

    def __init__(self) -> None:
        self.metadata: queue.SimpleQueue[list[tuple[str, str]]] = queue.SimpleQueue()
        self.heard: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self.say: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._pool = ThreadPoolExecutor(8)
        self._server = grpc.server(self._pool)
        method = control.Control.Session
        self._server.add_generic_rpc_handlers(
            (
                grpc.method_handlers_generic_handler(
                    "moby.buildkit.v1.Control",
                    {
                        "Session": grpc.stream_stream_rpc_method_handler(
                            self._session,
                            request_deserializer=method.request.FromString,
                            response_serializer=method.response.SerializeToString,
                        )
                    },
                ),
            )
        )
        self.port = self._server.add_insecure_port("127.0.0.1:0")
        self._server.start()

    def _session(self, requests: Any, context: grpc.ServicerContext) -> Iterator[Any]:
        self.metadata.put([(key, value) for key, value in context.invocation_metadata()])

        def listen() -> None:
            with contextlib.suppress(Exception):
                for message in requests:
                    self.heard.put(message.data)
            self.heard.put(None)
            self.say.put(None)

        self._pool.submit(listen)
        for data in iter(self.say.get, None):
            yield control.BytesMessage(data=data)

    def hear_all(self) -> bytes:
        """Return what comes until the session ends it."""
        heard = b""
        while (data := self.heard.get(timeout=TIMEOUT_S)) is not None:
            heard += data
        return heard

    def stop(self) -> None:
        self.say.put(None)
        self._server.stop(0).wait(TIMEOUT_S)
        self._pool.shutdown()


@pytest.fixture
def daemon() -> Iterator[Daemon]:
    started = Daemon()
    yield started
    started.stop()


@pytest.fixture
def channel(daemon: Daemon) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(f"127.0.0.1:{daemon.port}") as opened:
        yield opened


def wait_for_failure(session: Session) -> SessionError:
    for _ in range(int(TIMEOUT_S * 100)):
        if isinstance(session.failure, SessionError):
            return session.failure
        threading.Event().wait(0.01)
    pytest.fail("no failure")


def test_session_announces_itself_and_its_methods(daemon: Daemon, channel: grpc.Channel) -> None:
    """The stream's headers name the session and each method, or the daemon calls none.

    Health is among them by itself: without it a daemon drops the session after seconds.
    """
    with Session([FileSync({})], name="tëst\n", shared_key="key", id="an-id") as session:
        session.start(channel)
        headers = daemon.metadata.get(timeout=TIMEOUT_S)

    prefix = "x-docker-expose-session-"
    ours = [(key[len(prefix) :], value) for key, value in headers if key.startswith(prefix)]
    assert sorted(ours) == [
        ("grpc-method", health.Health.Check.path),
        ("grpc-method", filesync.FileSync.DiffCopy.path),
        ("name", "t?st?"),
        ("sharedkey", "key"),
        ("uuid", "an-id"),
    ]


def test_ids_differ() -> None:
    """Each session has an id of its own unless one is given."""
    assert len({Session([]).id for _ in range(100)}) == 100
    assert Session([], id="given").id == "given"


def test_close_says_goodbye_and_is_no_failure(daemon: Daemon, channel: grpc.Channel) -> None:
    """Closing ends the stream in order, twice as well as once; nothing is recorded."""
    session = Session([Health()])
    session.start(channel)
    daemon.metadata.get(timeout=TIMEOUT_S)
    session.close()
    session.close()

    assert daemon.hear_all()
    assert session.failure is None


def test_close_without_start_is_harmless(channel: grpc.Channel) -> None:
    """A session that was never started closes, and does not start afterwards."""
    session = Session([Health()])
    session.close()
    session.start(channel)

    assert session.failure is None


def test_start_twice_opens_one_stream(daemon: Daemon, channel: grpc.Channel) -> None:
    """A second start does nothing."""
    with Session([Health()]) as session:
        session.start(channel)
        session.start(channel)
        daemon.metadata.get(timeout=TIMEOUT_S)
        daemon.heard.get(timeout=TIMEOUT_S)

        assert daemon.metadata.empty()


def test_session_that_the_daemon_ends_is_recorded(daemon: Daemon, channel: grpc.Channel) -> None:
    """A stream that ends though nobody closed it is a failure with words."""
    with Session([Health()]) as session:
        session.start(channel)
        daemon.metadata.get(timeout=TIMEOUT_S)
        daemon.say.put(None)

        assert "ended the session" in wait_for_failure(session).message


def test_daemon_that_is_not_there_is_recorded() -> None:
    """A connection that cannot be made is the session's failure, not an exception in a thread."""
    with grpc.insecure_channel("127.0.0.1:1") as channel, Session([Health()]) as session:
        session.start(channel)

        assert "broke" in wait_for_failure(session).message


def test_nonsense_in_the_tunnel_is_recorded_quietly(
    daemon: Daemon, channel: grpc.Channel, capfd: pytest.CaptureFixture[str]
) -> None:
    """Bytes that are no HTTP/2 end the session with words, and print nothing."""
    with Session([Health()]) as session:
        session.start(channel)
        daemon.metadata.get(timeout=TIMEOUT_S)
        daemon.say.put(b"GET / HTTP/1.1\r\n\r\n")

        assert "protocol" in wait_for_failure(session).message
        daemon.hear_all()
    assert capfd.readouterr().err == ""


def test_ping_is_answered(daemon: Daemon, channel: grpc.Channel) -> None:
    """A PING comes back with its bytes: the daemon measures the way by it."""
    ping = b"\0\0\x08\x06\0\0\0\0\0" + b"12345678"
    with Session([Health()]) as session:
        session.start(channel)
        daemon.say.put(PREFACE + ping)
        heard = b""
        while b"12345678" not in heard:
            data = daemon.heard.get(timeout=TIMEOUT_S)
            assert data is not None
            heard += data
