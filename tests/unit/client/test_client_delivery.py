"""What a daemon is asked for, by what is wanted, and what it can."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from fake_engine import FakeEngine, Request

from buildkit_spec.client import Address, Delivery, Exporter, Order, needed_capabilities
from buildkit_spec.client.engine_api import EngineApi
from buildkit_spec.client.sockets import connect
from buildkit_spec.errors import (
    ConnectionFailedError,
    ExportError,
    InvalidValueError,
    SessionError,
    UnsupportedCapabilityError,
)
from buildkit_spec.values import Reference, parse_output

NAME = Reference.parse("h.io/me/app:1")
BUILDKITD = {"has_image_exporter": True, "is_docker_engine": False}
ENGINE = {"has_image_exporter": True, "is_docker_engine": True}
GRAPH_ENGINE = {"has_image_exporter": False, "is_docker_engine": True}


def delivery(daemon: Mapping[str, bool], *texts: str, **fields: Any) -> Delivery:
    outputs = [parse_output(text) for text in texts]
    order = Order(
        outputs,
        NAME,
        fields.pop("platform_count", 1),
        fields.pop("is_insecure", lambda host: host.endswith(".local")),
        **fields,
    )
    with Delivery(order, Address("unix", "/run/x"), **daemon) as made:
        return made


def asked(
    daemon: Mapping[str, bool], *texts: str, **fields: Any
) -> list[tuple[str, dict[str, str]]]:
    exporters = delivery(daemon, *texts, **fields).exporters
    return [
        (one.kind, {k: v for k, v in one.attrs.items() if k != "oci-mediatypes"})
        for one in exporters
    ]


def test_outputs_become_exporters(tmp_path: Path) -> None:
    """In their order, which numbers them; images have the spec's name unless the output has one."""
    out = tmp_path / "out"
    texts = [
        f"type=oci,dest={tmp_path}/a",
        f"type=tar,dest={tmp_path}/b",
        str(out),
        "type=registry",
    ]

    assert asked(BUILDKITD, *texts, epoch_s=5) == [
        ("oci", {"name": "h.io/me/app:1", "source-date-epoch": "5"}),
        ("tar", {}),
        ("local", {}),
        ("image", {"name": "h.io/me/app:1", "push": "true", "source-date-epoch": "5"}),
    ]
    assert list(tmp_path.iterdir()) == []


def test_what_an_output_says_is_the_last_word() -> None:
    """Over what the spec says of all images."""
    (one,) = asked(
        BUILDKITD,
        "type=image,compression=zstd,name=a,name=b:2",
        compression={"compression": "gzip", "compression-level": "4"},
    )

    assert one == (
        "image",
        {
            "name": "docker.io/library/a:latest,docker.io/library/b:2",
            "compression": "zstd",
            "compression-level": "4",
        },
    )


def test_push_by_digest_has_no_tags() -> None:
    """Neither in the name that the daemon gets, nor in what was pushed."""
    made = delivery(BUILDKITD, "type=registry,push-by-digest=true")

    assert made.exporters[0].attrs["name"] == "h.io/me/app"
    assert [str(one) for one in made.pushed] == ["h.io/me/app"]


def test_plain_http_is_for_all_names_or_none() -> None:
    """A registry that has TLS is never spoken to without because of another."""
    (one,) = asked(BUILDKITD, "type=registry,name=x.local/a")
    assert one[1]["registry.insecure"] == "true"
    with pytest.raises(InvalidValueError, match="plain http"):
        delivery(BUILDKITD, "type=registry,name=x.local/a,name=h.io/a")


def test_push_and_load_on_an_engine_are_one_image() -> None:
    """One exporter does both: not every daemon does several."""
    (one,) = asked(ENGINE, "type=load", "type=registry")

    assert one == ("image", {"name": "h.io/me/app:1", "push": "true", "unpack": "true"})


def test_engine_without_the_store_gets_one_image_with_all_names(tmp_path: Path) -> None:
    """Pushed are those that are to be, by the Engine itself."""
    made = delivery(
        GRAPH_ENGINE, "type=load,name=a", "type=registry", f"type=tar,dest={tmp_path}/x"
    )

    assert made.exporters == (
        Exporter("moby", {"name": "docker.io/library/a:latest,h.io/me/app:1"}),
        Exporter("tar"),
    )
    assert made.pushed == (NAME,)
    assert made.is_left_to_engine


@pytest.mark.parametrize(
    ("daemon", "text", "fields"),
    [
        (GRAPH_ENGINE, "type=oci,dest={}", {}),
        (GRAPH_ENGINE, "type=docker,dest={}", {}),
        (GRAPH_ENGINE, "type=image,rewrite-timestamp=true", {}),
        (GRAPH_ENGINE, "type=registry,push-by-digest=true", {}),
        (GRAPH_ENGINE, "type=image", {"platform_count": 2}),
        (BUILDKITD, "type=docker,dest={}", {"platform_count": 2}),
        (ENGINE, "type=image,compression=estargz", {}),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_a_daemon_cannot_make_is_refused(
    daemon: Mapping[str, bool], text: str, fields: dict[str, Any], tmp_path: Path
) -> None:
    """With what to do, before it is asked, and without a trace."""
    with pytest.raises(UnsupportedCapabilityError) as caught:
        delivery(daemon, text.format(tmp_path / "x"), **fields)

    assert caught.value.remedy
    assert list(tmp_path.iterdir()) == []


def test_several_outputs_need_a_daemon_that_does_several(tmp_path: Path) -> None:
    """An older one would do the first, and say nothing."""
    one = delivery(BUILDKITD, "type=image").exporters
    two = delivery(BUILDKITD, "type=image", str(tmp_path / "out")).exporters

    assert needed_capabilities(one) == {}
    assert list(needed_capabilities(two)) == ["exporter.multiple"]


def test_places_opened_before_one_that_cannot_be_are_left_as_they_were(tmp_path: Path) -> None:
    """Nothing half-made stays when the second of two is a mistake."""
    (tmp_path / "file").write_text("")
    with pytest.raises(SessionError):
        delivery(BUILDKITD, f"type=oci,dest={tmp_path}/a", f"{tmp_path}/file")

    assert [one.name for one in tmp_path.iterdir()] == ["file"]


@pytest.fixture(name="engine")
def _engine() -> Iterator[FakeEngine]:
    with (
        tempfile.TemporaryDirectory(dir="/tmp") as home,  # short enough for a socket
        FakeEngine(f"{home}/docker.sock") as engine,
    ):
        yield engine


@pytest.fixture(name="api")
def _api(engine: FakeEngine) -> EngineApi:
    return EngineApi(engine.address, partial(connect, engine.address, 5))


def body(request: Request) -> bytes:
    """Read a body that comes in chunks."""
    data = b""
    while size := int(request.rfile.readline(), 16):
        data += request.rfile.read(size)
        assert request.rfile.readline() == b"\r\n"
    assert request.rfile.readline() == b"\r\n"
    return data


def test_image_is_loaded_as_it_comes(engine: FakeEngine, api: EngineApi) -> None:
    """In chunks, and the answer is waited for."""
    came: list[bytes] = []

    def answer(request: Request) -> None:
        came.append(body(request))
        request.begin()
        request.say(b'{"stream":"Loaded image: app:1"}')
        request.end()

    engine.answer = answer
    with api.upload("/images/load?quiet=1") as send:
        send(b"first")
        send(b"")
        send(b"x" * 100_000)

    assert came == [b"first" + b"x" * 100_000]
    ((path, headers),) = engine.requests
    assert path == "/images/load?quiet=1"
    assert headers["Content-Type"] == "application/x-tar"


def test_image_that_the_engine_refuses_is_an_error(engine: FakeEngine, api: EngineApi) -> None:
    """In its own words, whether it says so at once or in the end."""
    statuses = iter([200, 500])

    def answer(request: Request) -> None:
        body(request)
        status = next(statuses)
        request.begin(status)
        request.say(b'{"error":"no space"}' if status == 200 else b'{"message":"no space"}')
        request.end()

    engine.answer = answer
    for _ in range(2):
        with pytest.raises(ExportError, match="did not load the image: no space"), api.upload("/x"):
            pass


def test_engine_that_goes_away_is_told(engine: FakeEngine, api: EngineApi) -> None:
    """Not a bug, and no endless wait."""
    engine.answer = lambda request: None

    def load() -> None:
        with api.upload("/images/load") as send:
            for _ in range(1000):
                send(b"x" * 100_000)

    with pytest.raises(ConnectionFailedError):
        load()
