"""The server inside the tunnel, called by gRPC's own client."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from typing import Any

import grpc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from session_peer import TIMEOUT_S, Answers, Served

from buildkit_spec._pb import filesync, health
from buildkit_spec._pb.filesync import BytesMessage
from buildkit_spec.errors import SessionError
from buildkit_spec.session import Health, StatusError
from buildkit_spec.session._call import NOT_FOUND, CallCancelledError
from buildkit_spec.session._framing import MAX_MESSAGE_BYTES, MessageReader, frame_message
from buildkit_spec.session._server import Server

STREAM = filesync.FileSend.DiffCopy
Serve = Callable[..., Served]


def answering(handler: Callable[[Any], None]) -> Answers:
    return Answers({STREAM: handler})


def status_of(served: Served, *requests: BytesMessage) -> tuple[grpc.StatusCode, str]:
    with pytest.raises(grpc.RpcError) as caught:
        list(served.stream(STREAM, iter(requests)))
    return caught.value.code(), caught.value.details()


def test_health_is_serving(serve: Serve) -> None:
    """A daemon that asks for our health gets SERVING."""
    answer = serve(Health()).unary(health.Health.Check, health.HealthCheckRequest())

    assert answer.status == health.HealthCheckResponse.SERVING


def test_method_not_served_is_unimplemented(serve: Serve) -> None:
    """A method that nobody serves is answered with UNIMPLEMENTED, and the connection stays."""
    served = serve(Health())

    assert status_of(served)[0] is grpc.StatusCode.UNIMPLEMENTED
    assert served.unary(health.Health.Check, health.HealthCheckRequest()).status
    assert not served.failures


def test_status_error_is_an_answer(serve: Serve) -> None:
    """A `StatusError` reaches the daemon as it is, any character, and is no failure of ours."""

    def handler(call: Any) -> None:
        raise StatusError(NOT_FOUND, "100% “not” there:\nsorry")

    served = serve(answering(handler))

    assert status_of(served) == (grpc.StatusCode.NOT_FOUND, "100% “not” there:\nsorry")
    assert not served.failures


def test_our_error_is_recorded_and_told(serve: Serve) -> None:
    """An error of our hierarchy is the session's failure, and its message the daemon's answer."""
    error = SessionError("no such thing here", remedy="look elsewhere")

    def handler(call: Any) -> None:
        call.send(BytesMessage(data=b"first"))
        raise error

    served = serve(answering(handler))

    assert status_of(served) == (grpc.StatusCode.INTERNAL, "no such thing here")
    assert served.failures == [error]


def test_unforeseen_error_is_recorded_with_its_cause(
    serve: Serve, capfd: pytest.CaptureFixture[str]
) -> None:
    """A bug in a handler ends its call with INTERNAL, is recorded, and prints nothing."""

    def handler(call: Any) -> None:
        raise ZeroDivisionError("oh")

    served = serve(answering(handler))
    code, message = status_of(served)

    assert code is grpc.StatusCode.INTERNAL
    assert "ZeroDivisionError" in message
    assert isinstance(served.failures[0], SessionError)
    assert isinstance(served.failures[0].__cause__, ZeroDivisionError)
    assert capfd.readouterr().err == ""


def test_metadata_has_every_value_of_a_header(serve: Serve) -> None:
    """A header that comes several times is a tuple, in order; pseudo-headers are left out."""
    seen: list[Any] = []

    def handler(call: Any) -> None:
        seen.append(call.metadata)

    headers = (("include-patterns", "a"), ("include-patterns", "b*"), ("dir-name", " x y "))
    list(serve(answering(handler)).stream(STREAM, iter(()), metadata=headers))

    assert seen[0]["include-patterns"] == ("a", "b*")
    assert seen[0]["dir-name"][0].strip() == "x y"
    assert not [name for name in seen[0] if name.startswith(":")]


def test_thousands_of_patterns_fit_in_the_headers(serve: Serve) -> None:
    """A long ignore file arrives as headers of hundreds of kilobytes."""
    seen: list[int] = []

    def handler(call: Any) -> None:
        seen.append(len(call.metadata["exclude-patterns"]))

    headers = [("exclude-patterns", f"some/directory/{index}/*.txt") for index in range(5000)]
    list(serve(answering(handler)).stream(STREAM, iter(()), metadata=headers))

    assert seen == [5000]


@pytest.mark.parametrize("size", [0, 1, 16384, 65535, 65536, 5_000_000, MAX_MESSAGE_BYTES - 10])
def test_messages_come_through_whole_both_ways(serve: Serve, size: int) -> None:
    """A message of any size the protocol allows arrives as it was sent, up and down."""

    def echo(call: Any) -> None:
        for message in call.messages():
            call.send(message)

    data = bytes(range(256)) * (size // 256 + 1)
    sent = [BytesMessage(data=data[:size]), BytesMessage(data=b"end")]

    assert list(serve(answering(echo)).stream(STREAM, iter(sent))) == sent


def test_too_large_a_request_is_a_failure(serve: Serve) -> None:
    """A request over the limit ends its call, with both numbers in the words, and no other."""

    def handler(call: Any) -> None:
        list(call.messages())

    served = serve(answering(handler), Health())
    code, message = status_of(served, BytesMessage(data=b"\0" * (MAX_MESSAGE_BYTES + 1)))

    assert code is grpc.StatusCode.INTERNAL
    assert str(MAX_MESSAGE_BYTES) in message
    assert served.failures
    assert served.unary(health.Health.Check, health.HealthCheckRequest()).status


def test_too_large_an_answer_is_refused_here(serve: Serve) -> None:
    """An answer over the limit never leaves."""

    def handler(call: Any) -> None:
        call.send(BytesMessage(data=b"\0" * (MAX_MESSAGE_BYTES + 1)))

    assert status_of(serve(answering(handler)))[0] is grpc.StatusCode.RESOURCE_EXHAUSTED


def test_request_of_another_type_is_a_failure(serve: Serve) -> None:
    """Bytes that are no message of the method's type end the call and are recorded."""

    def handler(call: Any) -> None:
        list(call.messages())

    served = serve(answering(handler))
    call = served.channel.stream_unary(STREAM.path)
    with pytest.raises(grpc.RpcError):
        call(iter([b"\x0a\xff\xff"]), timeout=TIMEOUT_S)

    assert "BytesMessage" in served.failures[0].message


def test_answers_wait_for_a_peer_that_does_not_read(serve: Serve) -> None:
    """`send` blocks when the peer takes nothing: what is produced ahead is bounded."""
    sent = queue.SimpleQueue[int]()

    def handler(call: Any) -> None:
        for index in range(200):
            call.send(BytesMessage(data=b"\0" * (1 << 20)))
            sent.put(index)

    served = serve(answering(handler), Health())
    stream = served.stream(STREAM, iter(()))
    next(stream)
    counts = [-1]
    while counts[-1] != sent.qsize():
        counts.append(sent.qsize())
        # An answer that overtakes shows, too, that the connection is not held up.
        for _ in range(50):
            served.unary(health.Health.Check, health.HealthCheckRequest())

    assert counts[-1] < 100
    assert sum(1 for _ in stream) == 199


def test_requests_wait_for_a_handler_that_does_not_read(serve: Serve) -> None:
    """A peer that uploads to a slow handler is held back by its window, then all arrives."""
    go_on = threading.Event()
    taken: list[int] = []
    offered = 0

    def handler(call: Any) -> None:
        go_on.wait(TIMEOUT_S)
        taken.extend(len(message.data) for message in call.messages())

    def requests() -> Any:
        nonlocal offered
        for _ in range(64):
            offered += 1
            yield BytesMessage(data=b"\0" * (1 << 20))

    served = serve(answering(handler), Health())
    stream = served.stream(STREAM, requests())
    before = -1
    while before != offered:
        before = offered
        for _ in range(50):
            served.unary(health.Health.Check, health.HealthCheckRequest())

    assert before < 40
    go_on.set()
    assert list(stream) == []
    assert taken == [1 << 20] * 64


def test_reset_stops_a_handler_that_waits_for_requests(serve: Serve) -> None:
    """A cancelled call wakes a handler in `messages`, and is no failure."""
    outcome: queue.SimpleQueue[object] = queue.SimpleQueue()

    def handler(call: Any) -> None:
        call.send(BytesMessage(data=b"here"))
        try:
            list(call.messages())
        except CallCancelledError:
            outcome.put(call.is_cancelled)
            raise

    served = serve(answering(handler))
    stay = threading.Event()
    stream = served.stream(STREAM, iter(lambda: stay.wait(TIMEOUT_S) or None, None))
    next(stream)
    stream.cancel()

    assert outcome.get(timeout=TIMEOUT_S) is True
    assert not served.failures
    stay.set()


def test_reset_stops_a_handler_that_sends(serve: Serve) -> None:
    """A cancelled call wakes a handler that waits in `send` for room."""
    outcome: queue.SimpleQueue[object] = queue.SimpleQueue()

    def handler(call: Any) -> None:
        try:
            while True:
                call.send(BytesMessage(data=b"\0" * (1 << 20)))
        except CallCancelledError:
            outcome.put("cancelled")
            raise

    served = serve(answering(handler))
    stream = served.stream(STREAM, iter(()))
    next(stream)
    stream.cancel()

    assert outcome.get(timeout=TIMEOUT_S) == "cancelled"
    assert not served.failures


def test_close_stops_handlers_and_output(serve: Serve) -> None:
    """Closing the server wakes handlers and whoever fetches output; twice is as good as once."""
    outcome: queue.SimpleQueue[object] = queue.SimpleQueue()

    def handler(call: Any) -> None:
        call.send(BytesMessage(data=b"here"))
        try:
            list(call.messages())
        except CallCancelledError:
            outcome.put("cancelled")
            raise

    served = serve(answering(handler))
    stay = threading.Event()
    stream = served.stream(STREAM, iter(lambda: stay.wait(TIMEOUT_S) or None, None))
    next(stream)
    served.server.close()
    served.server.close()

    assert outcome.get(timeout=TIMEOUT_S) == "cancelled"
    while served.server.outgoing() is not None:
        pass
    stay.set()


def test_handler_that_reads_no_requests_can_answer(serve: Serve) -> None:
    """A handler may end its call while the peer still sends: the peer gets the status."""

    def handler(call: Any) -> None:
        raise StatusError(NOT_FOUND, "no")

    served = serve(answering(handler))
    endless = iter(lambda: BytesMessage(data=b"\0" * 1000), None)
    with pytest.raises(grpc.RpcError) as caught:
        list(served.stream(STREAM, endless))

    assert caught.value.code() is grpc.StatusCode.NOT_FOUND


def test_many_calls_at_once(serve: Serve) -> None:
    """Calls share the connection: fifty at once are all answered whole."""

    def echo(call: Any) -> None:
        for message in call.messages():
            call.send(message)

    served = serve(answering(echo))
    sent = [[BytesMessage(data=bytes([n]) * 50_000)] * 5 for n in range(50)]
    streams = [served.stream(STREAM, iter(messages)) for messages in sent]

    assert [list(stream) for stream in streams] == sent


PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
SETTINGS = b"\0\0\0\x04\0\0\0\0\0"


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200), st.booleans())
def test_any_bytes_are_survived(data: bytes, has_preface: bool) -> None:
    """No bytes of a peer raise, or leave whoever fetches output waiting after an error."""
    failures: list[Any] = []
    server = Server(Health().methods(), failures.append)
    server.receive(PREFACE + SETTINGS if has_preface else b"")
    server.receive(data)
    if failures:
        assert isinstance(failures[0], SessionError)
    else:
        server.close()
    while server.outgoing() is not None:
        pass


def test_peer_that_goes_away_ends_everything() -> None:
    """After GOAWAY nothing more goes out, whatever comes, and that is no failure."""
    failures: list[Any] = []
    server = Server(Health().methods(), failures.append)
    goaway = bytes.fromhex("000008070000000000") + bytes(8)
    server.receive(PREFACE + SETTINGS + goaway)
    server.receive(b"anything")
    while server.outgoing() is not None:
        pass

    assert not failures


HEADERS = bytes.fromhex("000000010400000001")  # no header at all
FRAMES = st.builds(
    lambda kind, flags, stream, body: (
        len(body).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + body
    ),
    st.integers(0, 12),
    st.integers(0, 255),
    st.integers(0, 5),
    st.binary(max_size=30),
)


@settings(max_examples=400, deadline=None)
@given(st.lists(FRAMES, max_size=8))
def test_any_frames_are_survived(frames: list[bytes]) -> None:
    """The same with frames of a right form and no sense."""
    failures: list[Any] = []
    server = Server(Health().methods(), failures.append)
    server.receive(PREFACE + SETTINGS + HEADERS)
    for frame in frames:
        server.receive(frame)
    server.close()
    while server.outgoing() is not None:
        pass

    assert all(isinstance(failure, SessionError) for failure in failures)
    assert len(failures) <= 1


@given(st.lists(st.binary(max_size=300), max_size=10), st.data())
def test_messages_are_cut_the_same_however_bytes_arrive(
    payloads: list[bytes], data: st.DataObject
) -> None:
    """Where the pieces of a stream are cut does not matter for the messages in it."""
    wire = b"".join(frame_message(payload) for payload in payloads)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(wire)), max_size=20)))
    reader = MessageReader()
    found = []
    for start, end in zip([0, *cuts], [*cuts, len(wire)], strict=True):
        found += reader.feed(wire[start:end])

    assert found == payloads
    assert reader.is_between


def test_handler_that_gives_up_by_itself_ends_its_call(serve: Serve) -> None:
    """An error that tells of a cancelled call ends one that is not: the peer does not wait."""

    def handler(call: Any) -> None:
        raise CallCancelledError  # as when it uses another call, and that was cancelled

    served = serve(answering(handler))

    assert status_of(served)[0] is grpc.StatusCode.CANCELLED
    assert not served.failures
