"""Registries that have faults while a real BuildKit pulls from them and pushes to them."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from failing import digest_of, unique
from registries import (
    Asked,
    Fault,
    FaultyRegistry,
    Reply,
    RunningRegistry,
    faulty_registry,
    push_image,
)

from buildkit_spec import BuildkitBuilder, ImageSpec
from buildkit_spec.errors import (
    BuildkitSpecError,
    ExportError,
    RegistryUnavailableError,
    SolveError,
)
from buildkit_spec.values import Reference

FAULTS: dict[str, Reply] = {
    "too many requests": Reply(429, {"Retry-After": "1"}),
    "its own fault": Reply(500),
    "not there now": Reply(503),
    "connection cut": Reply(0),
}
WORDS = {
    "too many requests": "is overloaded or limits you: try again later",
    "its own fault": "is overloaded or limits you: try again later",
    "not there now": "is overloaded or limits you: try again later",
    "connection cut": "cut the connection: try again",
}

_LAYER_BYTES = 1 << 20

MakePlain = Callable[..., ImageSpec]


@pytest.fixture(name="faulty")
def _faulty(registry: str) -> Iterator[FaultyRegistry]:
    with faulty_registry(registry) as running:
        yield running


@pytest.fixture(name="plain")
def _plain(
    faulty: FaultyRegistry, registry: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> MakePlain:
    """Make specs of a file on a base with a layer that no daemon has, both in fresh repositories.

    Either is behind the proxy: `pulls` the base, else the image.
    """
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("copied")

    def make(*, pulls: bool) -> ImageSpec:
        behind, name = RunningRegistry(registry, tmp_path), f"e2e-{unique()}"
        push_image(behind, f"{name}/base", "1", layer=_layer())
        spec = ImageSpec(
            name="image",
            registry=f"{registry if pulls else faulty.host}/{name}",
            base_image=f"{faulty.host if pulls else registry}/{name}/base:1",
            copy=["file"],
        )
        reference = Reference.parse(spec.image_name())
        push_image(behind, reference.repository, str(reference.tag), labels={"v": unique()})
        return spec

    return make


def _layer() -> bytes:
    """A layer of 1 MiB with a file that no other has."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as archive:
        member = tarfile.TarInfo("random")
        member.size = _LAYER_BYTES
        archive.addfile(member, io.BytesIO(unique().encode().ljust(member.size)))
    return made.getvalue()


def fails(
    builder: BuildkitBuilder, spec: ImageSpec, faulty: FaultyRegistry, fault: Fault
) -> BuildkitSpecError:
    """Build with a fault, which must fail and leave the old image in place."""
    reference = Reference.parse(spec.image_name())
    behind = replace(reference, registry=faulty.behind)
    before = digest_of(behind)
    assert before is not None
    faulty.fault = fault
    with pytest.raises(BuildkitSpecError) as caught:
        builder.build(spec, force=True)

    assert faulty.faults
    assert digest_of(behind) == before
    assert "\n" not in caught.value.message
    return caught.value


def at(part: str, reply: Reply, methods: str = "GET HEAD") -> Fault:
    """A fault of one kind of request."""
    return lambda asked: reply if part in asked.path and asked.method in methods.split() else None


@pytest.mark.parametrize("name", FAULTS)
def test_base_that_cannot_be_looked_up_is_told(
    builder: BuildkitBuilder, plain: MakePlain, faulty: FaultyRegistry, name: str
) -> None:
    """The name is asked for: whether it is there is not known, and nothing was built."""
    error = fails(builder, plain(pulls=True), faulty, at("/manifests/", FAULTS[name]))

    assert isinstance(error, RegistryUnavailableError)
    assert f"the image {faulty.host}/" in error.message
    assert WORDS[name] in error.remedy


@pytest.mark.parametrize("name", FAULTS)
def test_base_that_cannot_be_pulled_is_told(
    builder: BuildkitBuilder, plain: MakePlain, faulty: FaultyRegistry, name: str
) -> None:
    """Its config is there, and its layer does not come."""

    def fault(asked: Asked) -> Reply | None:
        is_layer = "/blobs/" in asked.path and asked.path not in configs
        if is_layer and not configs:
            configs.append(asked.path)
            return None
        return FAULTS[name] if is_layer else None

    configs: list[str] = []
    error = fails(builder, plain(pulls=True), faulty, fault)

    assert isinstance(error, SolveError)
    assert f"a layer of {faulty.host}/" in error.message
    assert WORDS[name] in error.remedy


def test_layer_that_ends_early_is_no_layer(
    builder: BuildkitBuilder, plain: MakePlain, faulty: FaultyRegistry
) -> None:
    """However often it is asked for, not all of it comes."""

    def shortened(reply: Reply) -> Reply:
        is_layer = int(reply.headers.get("Content-Range", "/0").rpartition("/")[2]) >= _LAYER_BYTES
        is_layer |= len(reply.body) >= _LAYER_BYTES
        return replace(reply, cut=min(len(reply.body), 1000)) if is_layer else reply

    error = fails(
        builder,
        plain(pulls=True),
        faulty,
        lambda asked: shortened if "/blobs/" in asked.path else None,
    )

    assert isinstance(error, SolveError)
    assert WORDS["connection cut"] in error.remedy


def test_layer_that_comes_in_halves_is_whole(
    builder: BuildkitBuilder, plain: MakePlain, faulty: FaultyRegistry
) -> None:
    """The daemon goes on where the connection broke."""

    def halved(reply: Reply) -> Reply:
        return replace(reply, cut=len(reply.body) // 2) if len(reply.body) > 1 << 16 else reply

    faulty.fault = lambda asked: halved if "/blobs/" in asked.path else None

    assert builder.build(plain(pulls=True), force=True).digest


@pytest.mark.parametrize("name", FAULTS)
@pytest.mark.parametrize("part", ["/blobs/uploads/", "/manifests/"])
def test_push_that_is_not_taken_is_told(
    builder: BuildkitBuilder, plain: MakePlain, faulty: FaultyRegistry, part: str, name: str
) -> None:
    """What was built is said to be built; a blob or the manifest was not taken."""
    error = fails(builder, plain(pulls=False), faulty, at(part, FAULTS[name], "POST PUT PATCH"))

    assert isinstance(error, ExportError)
    assert "the image was built but not pushed" in error.message
    assert WORDS[name] in error.remedy


@pytest.mark.parametrize("pulls", [True, False])
def test_passing_fault_is_not_seen(
    builder: BuildkitBuilder, plain: MakePlain, faulty: FaultyRegistry, pulls: bool
) -> None:
    """Of every kind of request the first one goes wrong; the daemon tries again."""
    seen: set[str] = set()

    def fault(asked: Asked) -> Reply | None:
        kind = f"{asked.method} {asked.path.partition('?')[0].split('/')[-2]}"
        if kind in seen:
            return None
        seen.add(kind)
        return FAULTS["not there now"]

    faulty.fault = fault

    assert builder.build(plain(pulls=pulls), force=True).digest


@pytest.mark.parametrize("pulls", [True, False])
def test_slow_registry_is_waited_for(
    builder: BuildkitBuilder, plain: MakePlain, faulty: FaultyRegistry, pulls: bool
) -> None:
    """Every answer takes its time, and the image is right."""
    faulty.fault = lambda _: lambda reply: replace(reply, delay_s=0.5)

    assert builder.build(plain(pulls=pulls), force=True).digest
