"""Pushing through a Docker Engine's API: what is asked, what is told, what goes wrong."""

from __future__ import annotations

import base64
import json
import tempfile
import threading
from collections.abc import Iterator
from functools import partial

import pytest
from fake_daemon import FakeDaemon
from fake_engine import FakeEngine, Request

from buildkit_spec.client import (
    CacheEntry,
    Client,
    Exporter,
    engine_exporter,
    image_exporter,
    refuse_deadly,
)
from buildkit_spec.client.engine_api import EngineApi
from buildkit_spec.client.engine_push import push_image
from buildkit_spec.client.sockets import connect
from buildkit_spec.errors import (
    BuildkitSpecError,
    ConnectionFailedError,
    RegistryAuthError,
    RegistryError,
    RegistryUnavailableError,
    SolveCanceledError,
    UnsupportedCapabilityError,
)
from buildkit_spec.progress import BuildModel
from buildkit_spec.values import Credentials, Digest, Reference, StatusUpdate

IMAGE = Reference.parse("registry.example:5000/team/app:1")
DIGEST = Digest.of(b"manifest")
AUX = json.dumps({"progressDetail": {}, "aux": {"Tag": "1", "Digest": str(DIGEST)}}).encode()


@pytest.fixture(name="engine")
def _engine() -> Iterator[FakeEngine]:
    with (
        tempfile.TemporaryDirectory(dir="/tmp") as home,  # short enough for a socket
        FakeEngine(f"{home}/docker.sock") as engine,
    ):
        engine.answer = pushed
        yield engine


@pytest.fixture(name="api")
def _api(engine: FakeEngine) -> EngineApi:
    return EngineApi(engine.address, partial(connect, engine.address, 5))


def pushed(request: Request) -> None:
    request.begin()
    request.say(AUX)
    request.end()


def failed(text: str) -> bytes:
    return json.dumps({"errorDetail": {"message": text}, "error": text}).encode()


def login_of(engine: FakeEngine) -> object:
    return json.loads(base64.urlsafe_b64decode(engine.requests[0][1]["X-Registry-Auth"]))


def test_engine_push_asks_for_name_and_tag(engine: FakeEngine, api: EngineApi) -> None:
    """The Engine is asked to push one tag; the digest is the one it got from the registry."""
    assert push_image(api, IMAGE) == DIGEST
    assert engine.requests[0][0] == "/images/registry.example:5000/team/app/push?tag=1"
    assert login_of(engine) == {}


@pytest.mark.parametrize(
    ("credentials", "token", "login"),
    [
        (Credentials("ada", "~~~???>>>"), "", {"username": "ada", "password": "~~~???>>>"}),
        (Credentials(identity_token="refresh"), "", {"identitytoken": "refresh"}),
        (None, "bearer", {"registrytoken": "bearer"}),
    ],
)
def test_engine_push_sends_the_login_of_the_registry(
    engine: FakeEngine,
    api: EngineApi,
    credentials: Credentials | None,
    token: str,
    login: dict[str, str],
) -> None:
    """A login goes along as url-safe base64 of JSON, in the words of the Engine."""
    push_image(api, IMAGE, credentials=credentials, registry_token=token)

    assert login_of(engine) == {**login, "serveraddress": "registry.example:5000"}


def test_engine_push_is_a_step_of_the_build(engine: FakeEngine, api: EngineApi) -> None:
    """The push is shown as a step whose transfers are the layers that move."""

    def answer(request: Request) -> None:
        request.begin()
        request.say(
            b'{"status":"The push refers to repository [x]"}',
            b'{"status":"Preparing","progressDetail":{},"id":"aaa"}',
            b'{"status":"Pushing","progressDetail":{"current":512,"total":2048},"id":"aaa"}',
            b'{"status":"Layer already exists","progressDetail":{},"id":"bbb"}',
            b"no JSON",
            b'{"status":"Pushed","progressDetail":{},"id":"aaa"}',
            AUX,
        )
        request.end()

    engine.answer = answer
    model = BuildModel()
    push_image(api, IMAGE, on_status=model.apply)

    (step,) = model.steps
    assert (step.name, step.state) == (f"pushing {IMAGE} through the Docker Engine", "done")
    assert not step.has_inputs
    assert [(one.id, one.total_bytes, one.is_done) for one in step.transfers] == [
        ("pushing layer aaa", 2048, True)
    ]


@pytest.mark.parametrize(
    ("text", "kind", "remedy"),
    [
        ("no basic auth credentials", RegistryAuthError, "docker login registry.example:5000"),
        ("denied: requested access to the resource is denied", RegistryAuthError, "docker login"),
        ("dial tcp 10.0.0.1:5000: connect: connection refused", RegistryUnavailableError, "is "),
        ("toomanyrequests: slow down", RegistryUnavailableError, "later"),
        ("http: server gave HTTP response to HTTPS client", RegistryError, "insecure-registries"),
        ("manifest invalid: manifest invalid", RegistryError, ""),
    ],
)
def test_engine_push_errors_have_the_registry_kinds(
    engine: FakeEngine, api: EngineApi, text: str, kind: type[RegistryError], remedy: str
) -> None:
    """What the registry said to the Engine is kept, and typed as if it had been said to us."""

    def answer(request: Request) -> None:
        request.begin()
        request.say(b'{"status":"Preparing","id":"aaa"}', failed(text))
        request.end()

    engine.answer = answer
    model = BuildModel()
    with pytest.raises(kind) as caught:
        push_image(api, IMAGE, on_status=model.apply)

    assert type(caught.value) is kind
    assert text in caught.value.message
    assert str(IMAGE) in caught.value.message
    assert caught.value.reference == str(IMAGE)
    assert remedy in caught.value.remedy
    assert [(step.state, text in step.error) for step in model.steps] == [("failed", True)]


def test_engine_push_that_is_refused_at_once_says_why(engine: FakeEngine, api: EngineApi) -> None:
    """An Engine that answers with another status says why in its own way."""

    def answer(request: Request) -> None:
        request.begin(404)
        request.say(b'{"message":"An image does not exist locally with the tag: x"}')
        request.end()

    engine.answer = answer
    with pytest.raises(RegistryError, match="does not exist locally"):
        push_image(api, IMAGE)


def test_engine_push_that_is_refused_without_a_word_names_the_status(
    engine: FakeEngine, api: EngineApi
) -> None:
    """A proxy's page says nothing that helps; its status does."""

    def answer(request: Request) -> None:
        request.begin(502)
        request.say(b"<html>")
        request.end()

    engine.answer = answer
    with pytest.raises(RegistryError, match="status 502"):
        push_image(api, IMAGE)


def test_engine_push_does_not_show_a_login(engine: FakeEngine, api: EngineApi) -> None:
    """A login in what the Engine says is taken out."""

    def answer(request: Request) -> None:
        request.begin()
        request.say(failed("Get https://ada:hush@registry.example:5000/v2/: EOF"))
        request.end()

    engine.answer = answer
    with pytest.raises(RegistryError) as caught:
        push_image(api, IMAGE, credentials=Credentials("ada", "hush"))

    assert "hush" not in str(caught.value)


@pytest.mark.parametrize("is_ended", [True, False])
def test_engine_push_that_breaks_off_is_no_success(
    engine: FakeEngine, api: EngineApi, is_ended: bool
) -> None:
    """Without a digest nothing is known to be in the registry, however the answer ends."""

    def answer(request: Request) -> None:
        request.begin()
        request.say(b'{"status":"Preparing","id":"aaa"}')
        if is_ended:
            request.end()

    engine.answer = answer
    with pytest.raises(ConnectionFailedError, match="broke"):
        push_image(api, IMAGE)


def test_engine_push_ends_when_it_is_cancelled(engine: FakeEngine, api: EngineApi) -> None:
    """Closing the API ends a push that waits, and the Engine is hung up on."""
    is_left = threading.Event()

    def answer(request: Request) -> None:
        request.begin()
        request.say(b'{"status":"Pushing","progressDetail":{"current":1},"id":"aaa"}')
        if request.is_left():
            is_left.set()

    engine.answer = answer
    model = BuildModel()

    def on_status(update: StatusUpdate) -> None:
        model.apply(update)
        if update.transfers:
            threading.Thread(target=api.close).start()

    with pytest.raises(SolveCanceledError):
        push_image(api, IMAGE, on_status=on_status)

    assert is_left.wait(10)
    assert [step.state for step in model.steps] == ["cancelled"]
    with pytest.raises(SolveCanceledError):
        push_image(api, IMAGE)


def test_engine_push_ends_with_what_its_callback_raises(engine: FakeEngine, api: EngineApi) -> None:
    """What the status callback raises ends the push, as it was, and the Engine stops."""
    is_left = threading.Event()

    def answer(request: Request) -> None:
        request.begin()
        request.say(b'{"status":"Pushing","progressDetail":{"current":1},"id":"aaa"}')
        if request.is_left():
            is_left.set()

    def on_status(update: StatusUpdate) -> None:
        if update.transfers:
            raise ConnectionResetError("the terminal is gone")

    engine.answer = answer
    with pytest.raises(ConnectionResetError, match="the terminal is gone"):
        push_image(api, IMAGE, on_status=on_status)

    assert is_left.wait(10)


def test_engine_push_needs_an_engine(daemon: FakeDaemon, client: Client) -> None:
    """A BuildKit daemon of its own pushes from its exporters: there is no Engine to ask."""
    assert client.has_image_exporter()
    with pytest.raises(UnsupportedCapabilityError):
        client.push_image(IMAGE)


def refuse(exporter: Exporter, engine: FakeEngine, **asked: object) -> BuildkitSpecError:
    with pytest.raises(UnsupportedCapabilityError) as caught:
        engine_exporter(exporter, engine.address, **asked)  # type: ignore[arg-type]
    return caught.value


def test_engine_exporter_keeps_the_names(engine: FakeEngine) -> None:
    """The image gets the names it would have had; the Engine's exporter knows nothing of pushes."""
    compression = {"compression": "gzip", "compression-level": "4"}
    image = image_exporter([IMAGE], push=True, insecure=True, compression=compression)
    made = engine_exporter(image, engine.address)

    assert made == Exporter("moby", {"name": str(IMAGE)})


def test_engine_is_not_asked_for_what_ends_it(engine: FakeEngine) -> None:
    """Estargz makes some Engines panic, and with them everybody's containers end."""
    for kind in ("gzip", "zstd", "uncompressed"):
        refuse_deadly(
            image_exporter([IMAGE], push=True, compression={"compression": kind}), engine.address
        )
    with pytest.raises(UnsupportedCapabilityError, match="estargz") as caught:
        refuse_deadly(
            image_exporter([IMAGE], push=True, compression={"compression": "estargz"}),
            engine.address,
        )
    assert "buildkitd" in caught.value.remedy


def test_engine_exporter_refuses_all_at_once_what_an_engine_cannot_make(
    engine: FakeEngine,
) -> None:
    """What needs the containerd image store is told in one error, with what helps."""
    plain = image_exporter([IMAGE], push=True)
    fancy = Exporter(
        plain.kind,
        {**plain.attrs, "compression": "zstd", "annotation-manifest[linux/amd64].a": "b"},
    )
    error = refuse(
        fancy,
        engine,
        platform_count=2,
        frontend_attrs={"attest:sbom": ""},
        cache_exports=[CacheEntry("registry", {"ref": "x"})],
    )

    for what in ("several platforms", "attestations", "with zstd", "annotations", "a cache"):
        assert what in error.message
    assert "containerd-snapshotter" in error.remedy
    assert "buildkitd" in error.remedy
