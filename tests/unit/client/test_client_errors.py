"""What a daemon's errors become."""

from __future__ import annotations

import json
from collections.abc import Callable

import grpc
import pytest
from fake_daemon import BRIDGE, CONTROL, FakeDaemon, abort

from buildkit_spec.client import BuildOutput, Client, Gateway
from buildkit_spec.errors import (
    BuildkitSpecError,
    ConnectionFailedError,
    DeadlineExceededError,
    ExecError,
    ExportError,
    ImageNotFoundError,
    RegistryAuthError,
    RegistryUnavailableError,
    SolveCanceledError,
    SolveError,
    UnsupportedCapabilityError,
)
from buildkit_spec.llb import Definition
from buildkit_spec.values import Digest, Platform, Reference

Fail = Callable[..., BuildkitSpecError]

AMD64 = Platform("linux", "amd64")
PROCESS = 'process "/bin/sh -c make" did not complete successfully: exit code: 2'


@pytest.fixture(name="failing")
def _failing(daemon: FakeDaemon, client: Client) -> Fail:
    """Solve a graph that fails as the test says, and return the error raised."""

    def fail(
        message: str,
        *details: tuple[str, bytes],
        code: grpc.StatusCode = grpc.StatusCode.UNKNOWN,
    ) -> BuildkitSpecError:
        daemon.answers[BRIDGE.Solve] = lambda _, context: abort(context, code, message, details)

        def run(gateway: Gateway) -> BuildOutput:
            gateway.solve(Definition(), evaluate=True)
            raise AssertionError

        with pytest.raises(BuildkitSpecError) as caught:
            client.build(run)
        return caught.value

    return fail


def as_json(document: object) -> bytes:
    return json.dumps(document).encode()


def test_typed_details_are_read(failing: Fail) -> None:
    """Vertex, exit code and source come from the details, not from the text."""
    digest = Digest.of(b"op").value
    error = failing(
        "something else entirely",
        ("stack.Stack+json", as_json({"frames": []})),
        ("gatewayapi.ExitMessage+json", as_json({"Code": 42})),
        ("errdefs.Vertex+json", as_json({"digest": digest})),
        (
            "errdefs.Source+json",
            as_json({"info": {"filename": "image.yaml"}, "ranges": [{"start": {"line": 7}}]}),
        ),
    )

    assert isinstance(error, ExecError)
    assert (error.exit_code, error.vertex_digest, error.source) == (42, digest, "image.yaml:7")
    assert error.code == "UNKNOWN"


@pytest.mark.parametrize(
    "message", [PROCESS, "failed: executor failed running [/bin/sh -c a\nb]: exit code: 2"]
)
def test_exit_code_is_read_from_the_text_of_an_old_daemon(failing: Fail, message: str) -> None:
    """Without details the executor's words tell the exit code."""
    error = failing(message)

    assert isinstance(error, ExecError)
    assert (error.exit_code, error.vertex_digest) == (2, "")


@pytest.mark.parametrize(
    "detail",
    [
        ("errdefs.Vertex+json", b"{"),
        ("errdefs.Vertex+json", b"[1]"),
        ("errdefs.Vertex+json", b"\xff"),
        ("errdefs.Vertex", b"\x00"),
        ("errdefs.Source+json", b'{"ranges": []}'),
        ("errdefs.Source+json", b'{"info": null, "ranges": [{"start": null}]}'),
    ],
)
def test_odd_details_are_left_out(failing: Fail, detail: tuple[str, bytes]) -> None:
    """Details that cannot be read do not hide the error they came with."""
    error = failing("it went wrong", detail)

    assert type(error) is SolveError
    assert (error.message, error.vertex_digest, error.source) == ("it went wrong", "", "")


def test_message_is_one_line_without_logins_and_tokens(failing: Fail) -> None:
    """A daemon's text is shown on one line, with *** for what opens doors."""
    error = failing(
        'failed\n to fetch "https://ada:s3cret@host/x?X-Amz-Signature=s3cret&a=1": no\n\ttoken=1'
        " https://host/?access_token=s3cret"
    )

    assert "s3cret" not in error.message
    assert "\n" not in error.message
    assert "https://***@host/x?X-Amz-Signature=***&a=1" in error.message


def test_long_message_keeps_head_and_tail(failing: Fail) -> None:
    """A daemon may repeat a whole script: its middle is left out."""
    error = failing(f"process {'x' * 100_000} was not to its taste")

    assert error.message.startswith("process x")
    assert error.message.endswith("x was not to its taste")
    assert len(error.message) < 4000


def test_unknown_capability_is_named(failing: Fail) -> None:
    """A graph that is too new for a daemon says what the daemon lacks."""
    error = failing("failed to load LLB: unknown API capability mergeop")

    assert isinstance(error, UnsupportedCapabilityError)
    assert error.capability == "mergeop"


@pytest.mark.parametrize(
    ("message", "remedy"),
    [
        ("failed to load LLB: network.host is not allowed", "network.host"),
        ("failed to load LLB: security.insecure is not allowed", "security.insecure"),
        ("write /x: no space left on device", "buildkit-spec prune"),
        ('exporter "image" could not be found', "containerd-snapshotter"),
    ],
)
def test_daemon_settings_have_a_remedy(failing: Fail, message: str, remedy: str) -> None:
    """What a daemon refuses by its settings is told with what to set."""
    error = failing(message)

    assert type(error) is SolveError
    assert remedy in error.remedy


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (grpc.StatusCode.UNAVAILABLE, ConnectionFailedError),
        (grpc.StatusCode.UNIMPLEMENTED, UnsupportedCapabilityError),
        (grpc.StatusCode.CANCELLED, SolveCanceledError),
        (grpc.StatusCode.INTERNAL, SolveError),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, SolveError),
        (grpc.StatusCode.DEADLINE_EXCEEDED, SolveError),
    ],
)
def test_codes_tell_kinds_of_errors(
    failing: Fail, code: grpc.StatusCode, kind: type[BuildkitSpecError]
) -> None:
    """Codes that say more than UNKNOWN have classes of their own."""
    error = failing("words", code=code)

    assert type(error) is kind
    assert isinstance(error.__cause__, grpc.RpcError)


def test_unavailable_registry_is_not_a_lost_daemon(failing: Fail) -> None:
    """UNAVAILABLE in the daemon's own words is about something behind it."""
    error = failing(
        'failed to do request: Head "https://host/v2/": unexpected status 503',
        code=grpc.StatusCode.UNAVAILABLE,
    )

    assert type(error) is SolveError


PUSH = "failed to push host:5000/team/app:1: "
DIGEST = "sha256:" + "401" * 21 + "4"


@pytest.mark.parametrize(
    ("reason", "remedy"),
    [
        (
            "unexpected status from POST request to https://host/v2/: 401 Unauthorized",
            "docker login",
        ),
        ("failed to authorize: failed to fetch oauth token: denied: expired", "docker login"),
        ("denied: requested access to the resource is denied", "docker login"),
        ("http: server gave HTTP response to HTTPS client", "--insecure-registry host:5000"),
        ("tls: failed to verify certificate: x509: certificate signed by unknown", "certs.d"),
        (f"blobs/{DIGEST}: dial tcp 1.2.3.4:5000: connect: connection refused", "is host:5000 up"),
        ("dial tcp: lookup host: no such host", "is host:5000 up"),
        ("unexpected status: 429 Too Many Requests", "try again later"),
        ("unexpected status: 503 Service Unavailable", "try again later"),
        ("something else", ""),
    ],
)
def test_failed_push_has_a_remedy(failing: Fail, reason: str, remedy: str) -> None:
    """A push that fails is told as such, with what to do about the registry."""
    error = failing(PUSH + reason)

    assert isinstance(error, ExportError)
    assert error.reference == "host:5000/team/app:1"
    assert error.message == f"the image was built but not pushed: {reason}"
    assert remedy in error.remedy
    assert bool(remedy) is bool(error.remedy)


@pytest.mark.parametrize(
    ("message", "kind", "remedy"),
    [
        ("docker.io/library/no:1: not found", ImageNotFoundError, "check name"),
        ("no match for platform in manifest: not found", ImageNotFoundError, "check name"),
        (
            "pull access denied, repository does not exist or may require authorization: server"
            " message: insufficient_scope: authorization failed",
            RegistryAuthError,
            "docker login,",
        ),
        ("unexpected status: 401 Unauthorized", RegistryAuthError, "docker login,"),
        (f"{DIGEST}: unexpected EOF", RegistryUnavailableError, ""),
        (
            "http: server gave HTTP response to HTTPS client",
            RegistryUnavailableError,
            "docker.io speaks plain http",
        ),
        ("dial tcp: i/o timeout", RegistryUnavailableError, "is docker.io up"),
    ],
)
def test_image_errors_are_told_apart(
    daemon: FakeDaemon,
    client: Client,
    message: str,
    kind: type[BuildkitSpecError],
    remedy: str,
) -> None:
    """Absent, refused and unknown are three answers about an image, never two."""
    reference = Reference.parse("no:1")
    daemon.answers[BRIDGE.ResolveImageConfig] = lambda _, context: abort(
        context, grpc.StatusCode.UNKNOWN, message
    )

    def run(gateway: Gateway) -> BuildOutput:
        gateway.resolve_image(reference, AMD64)
        raise AssertionError

    with pytest.raises(kind) as caught:
        client.build(run)

    assert type(caught.value) is kind
    assert caught.value.remedy.startswith(remedy)
    assert "no:1" in caught.value.message


def test_short_question_has_a_time(daemon: FakeDaemon) -> None:
    """A daemon that does not answer a short question is given up, with the time waited."""
    with Client(daemon.address, connect_timeout_s=0.5) as client:
        daemon.answers[CONTROL.ListWorkers] = lambda _, __: daemon.statuses.get()

        with pytest.raises(DeadlineExceededError, match=r"not done within 0\.5 s") as caught:
            client.workers()

    assert caught.value.timeout_s == 0.5
