"""The builder before it reaches a daemon: settings, the registry's answer, cancelling."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from buildkit_spec import BuildkitBuilder, ImageSpec
from buildkit_spec.errors import (
    ConnectionFailedError,
    InvalidValueError,
    RegistryUnavailableError,
    SolveCanceledError,
    SpecValidationError,
)
from buildkit_spec.under_way import UnderWay

DIGEST = "sha256:" + "ab" * 32


@contextmanager
def registry(answer: Callable[[], int]) -> Iterator[str]:
    """A registry on loopback that answers with this status when it is asked for an image."""

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.send_response(answer())
            self.send_header("Docker-Content-Digest", DIGEST)
            self.send_header("Content-Type", "application/vnd.oci.image.manifest.v1+json")
            self.send_header("Content-Length", "100")
            self.end_headers()

        def do_GET(self) -> None:
            self.send_response(200 if self.path == "/v2/" else answer())
            self.send_header("Docker-Distribution-Api-Version", "registry/2.0")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            return

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield f"127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture(name="builder")
def _builder(tmp_path: Path) -> BuildkitBuilder:
    """A builder whose daemon is not there."""
    return BuildkitBuilder(f"unix://{tmp_path}/none.sock", env={"HOME": str(tmp_path)})


def spec(host: str, **fields: object) -> ImageSpec:
    return ImageSpec(name="image", registry=f"{host}/me", base_image="scratch", **fields)


def test_builder_asks_no_daemon_when_the_image_is_there(builder: BuildkitBuilder) -> None:
    """The registry has it: nothing is built, and the result is pinned to its digest."""
    with registry(lambda: 200) as host:
        result = builder.build(spec(host))

    assert not result.was_built
    assert not result.was_pushed
    assert str(result.digest) == DIGEST
    assert str(result.reference).endswith(f"@{DIGEST}")
    assert result.address == ""


def test_builder_asks_the_daemon_when_the_image_is_absent(builder: BuildkitBuilder) -> None:
    """Surely absent: it is to be built, and here the daemon is missed."""
    with registry(lambda: 404) as host, pytest.raises(ConnectionFailedError):
        builder.build(spec(host))


def test_builder_asks_the_daemon_at_once_when_forced(builder: BuildkitBuilder) -> None:
    """Forced, by the call or by the spec, the registry is not asked."""
    asked: list[int] = []

    def answer() -> int:
        asked.append(1)
        return 200

    with registry(answer) as host:
        with pytest.raises(ConnectionFailedError):
            builder.build(spec(host), force=True)
        with pytest.raises(ConnectionFailedError):
            builder.build(spec(host).force_push())

    assert asked == []


def test_builder_never_takes_a_failing_registry_for_an_answer(builder: BuildkitBuilder) -> None:
    """A registry that fails leaves the question open: neither there nor absent."""
    with registry(lambda: 500) as host:
        with pytest.raises(RegistryUnavailableError):
            builder.exists(spec(host))
        with pytest.raises(RegistryUnavailableError):
            builder.build(spec(host))


def test_builder_refuses_what_it_cannot_build_before_it_asks_a_daemon(
    builder: BuildkitBuilder,
) -> None:
    """What is wrong for sure is told at once, without a daemon: here a lock that is not there."""
    made = ImageSpec(name="image", base_image="scratch", packages=["numpy"]).locked()

    with pytest.raises(SpecValidationError) as caught:
        builder.build(made)

    assert [problem.field for problem in caught.value.problems] == ["packages"]


def test_builder_without_a_daemon_builds_again_when_asked_again(builder: BuildkitBuilder) -> None:
    """A build that failed leaves nothing locked."""
    made = ImageSpec(name="image", base_image="scratch")

    for _ in range(2):
        with pytest.raises(ConnectionFailedError):
            builder.build(made)


def test_cancelled_build_ends_before_it_connects(builder: BuildkitBuilder) -> None:
    """Cancelled while the registry is asked: the build goes no further, and says so."""
    is_asked, may_answer = threading.Event(), threading.Event()
    outcome: list[Exception] = []

    def answer() -> int:
        is_asked.set()
        assert may_answer.wait(60)
        return 404

    def build(host: str) -> None:
        try:
            builder.build(spec(host))
        except Exception as error:  # noqa: BLE001 - looked at by the test
            outcome.append(error)

    with registry(answer) as host:
        thread = threading.Thread(target=build, args=(host,))
        thread.start()
        assert is_asked.wait(60)
        builder.cancel()
        may_answer.set()
        thread.join()

    assert [type(error) for error in outcome] == [SolveCanceledError]


def test_cancelling_nothing_changes_nothing(builder: BuildkitBuilder) -> None:
    """Builds that begin after `cancel` are not affected."""
    builder.cancel()

    with registry(lambda: 200) as host:
        assert not builder.build(spec(host)).was_built


@pytest.mark.parametrize("network", ["bridge", "HOST", "none "])
def test_unknown_network_is_refused(network: str) -> None:
    """Whoever says it, the argument or the environment."""
    for make in (
        lambda: BuildkitBuilder(network=network, env={}),
        lambda: BuildkitBuilder(env={"BUILDKIT_SPEC_NETWORK": network}),
    ):
        with pytest.raises(InvalidValueError, match="default, host, none"):
            make()


@pytest.mark.parametrize("epoch", ["abc", "-1", "1.5", "٣", "99999999999999", " 1"])
def test_epoch_that_is_no_time_is_refused(epoch: str) -> None:
    """SOURCE_DATE_EPOCH is a whole number of seconds that fits a timestamp."""
    with pytest.raises(InvalidValueError, match="SOURCE_DATE_EPOCH"):
        BuildkitBuilder(env={"SOURCE_DATE_EPOCH": epoch})


@pytest.mark.parametrize("epoch", ["", "0", "1700000000", "9223372036"])
def test_epoch_that_is_a_time_is_taken(epoch: str) -> None:
    """Nothing, and everything that a timestamp holds."""
    BuildkitBuilder(env={"SOURCE_DATE_EPOCH": epoch})


def test_build_ends_while_its_files_are_hashed(builder: BuildkitBuilder, tmp_path: Path) -> None:
    """Cancelled by another thread, it does not read the file to its end, half an hour away."""
    (tmp_path / "files").mkdir()
    with (tmp_path / "files" / "endless").open("wb") as stream:
        stream.truncate(1 << 40)
    image = ImageSpec(
        name="image",
        base_image="scratch",
        source_root=str(tmp_path / "files"),
        source_copy_mode="all",
    )
    under_way = UnderWay()
    thread = threading.Timer(0.2, under_way.cancel)
    thread.start()

    with pytest.raises(SolveCanceledError):
        builder.build(image, under_way=under_way)
    thread.join()
