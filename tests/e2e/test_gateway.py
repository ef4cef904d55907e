"""The gateway of a real build: capabilities, images, files of results."""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import pytest
from graphs import AMD64, nothing, step
from registries import (
    Reply,
    basic,
    htpasswd_auth,
    make_certificate,
    odd_server,
    push_image,
    running_registry,
)

from buildkit_spec import llb
from buildkit_spec.client import (
    Address,
    BuildOutput,
    CacheEntry,
    Capabilities,
    Client,
    Gateway,
    image_exporter,
)
from buildkit_spec.errors import (
    ImageNotFoundError,
    RegistryAuthError,
    RegistryUnavailableError,
    SolveError,
    UnsupportedCapabilityError,
)
from buildkit_spec.registry import Logins, Registry
from buildkit_spec.session import Auth, Health, Session
from buildkit_spec.values import Platform, Reference, ResolvedImage

T = TypeVar("T")
Ask = Callable[[Callable[[Gateway], T]], T]


@pytest.fixture(scope="module", name="client")
def _client(buildkit_host: str) -> Iterator[Client]:
    with Client(Address.parse(buildkit_host)) as client:
        yield client


@pytest.fixture(name="ask")
def _ask(client: Client) -> Ask[object]:
    """Answer a question within a build of nothing."""

    def ask(question: Callable[[Gateway], T]) -> T:
        answers: list[T] = []

        def run(gateway: Gateway) -> BuildOutput:
            answers.append(question(gateway))
            return nothing(gateway)

        with Session([Auth(Logins()), Health()]) as session:
            client.build(run, session=session)
        return answers[0]

    return ask


def test_capabilities_are_told(ask: Ask[tuple[Capabilities, Capabilities]]) -> None:
    """A daemon lists what its gateway and its graphs can do, and a stranger is unknown to it."""
    frontend, graphs = ask(lambda gateway: (gateway.frontend_caps, gateway.llb_caps))

    assert frontend.supports("readfile")
    assert graphs.supports("exec.meta.base")
    assert graphs.reason("exec.meta.base") == ""
    assert not graphs.supports("no.such")
    assert graphs.reason("no.such") == "the daemon does not know it"


def test_image_is_resolved(ask: Ask[ResolvedImage], base_image: str) -> None:
    """Digest and platform of an image are those that its registry has."""
    reference = Reference.parse(base_image)

    found = ask(lambda gateway: gateway.resolve_image(reference, AMD64))

    with Registry(Logins(), env={}) as registry:
        assert found.digest == registry.digest(reference)
    assert found.reference == reference.with_digest(found.digest)
    assert json.loads(found.config)["architecture"] == "amd64"


def test_image_is_resolved_the_old_way(ask: Ask[object], base_image: str) -> None:
    """A daemon without source metadata answers the older question just so."""
    reference = Reference.parse(base_image)

    def both(gateway: Gateway) -> tuple[object, object]:
        assert gateway.frontend_caps.supports("source.metaresolver")
        new = gateway.resolve_image(reference, AMD64)
        gateway.frontend_caps = Capabilities()
        return new, gateway.resolve_image(reference, AMD64)

    new, old = ask(both)

    assert new == old


def test_absent_image_is_not_found(ask: Ask[object], registry: str) -> None:
    """An image that its registry does not have is surely absent."""
    name = f"{registry}/absent/{uuid.uuid4().hex}:1"

    with pytest.raises(ImageNotFoundError, match="there is no image") as caught:
        ask(lambda gateway: gateway.resolve_image(Reference.parse(name), AMD64))

    assert caught.value.reference == name
    assert caught.value.message.count(name) == 1


def test_image_for_another_machine_is_not_found(ask: Ask[object], base_image: str) -> None:
    """An image that exists for another platform only is refused, with both platforms."""
    other = Platform.parse("linux/s390x")

    with pytest.raises(ImageNotFoundError, match="for linux/s390x: it is for linux/amd64"):
        ask(lambda gateway: gateway.resolve_image(Reference.parse(base_image), other))


def test_guarded_image_is_an_auth_error(ask: Ask[object], tmp_path: Path) -> None:
    """A registry that wants a login is told apart from an absent image."""
    pushing = {"Authorization": basic()}
    with running_registry(tmp_path, auth=htpasswd_auth(tmp_path), pushing=pushing) as guarded:
        push_image(guarded, "team/app", "1")
        reference = Reference.parse(f"{guarded.host}/team/app:1")

        with pytest.raises(RegistryAuthError, match="refuses the image") as caught:
            ask(lambda gateway: gateway.resolve_image(reference, AMD64))

    assert caught.value.remedy.startswith(f"docker login {guarded.host}")


def test_dead_registry_cannot_tell(ask: Ask[object]) -> None:
    """A registry that nobody answers for leaves the question open."""
    with pytest.raises(RegistryUnavailableError, match="connection refused") as caught:
        ask(lambda gateway: gateway.resolve_image(Reference.parse("127.0.0.1:9/a/b:1"), AMD64))

    assert caught.value.remedy.startswith("is 127.0.0.1:9 up")
    assert caught.value.is_temporary


@pytest.mark.parametrize("status", [429, 500, 503])
def test_failing_registry_cannot_tell(ask: Ask[object], status: int, tmp_path: Path) -> None:
    """A registry that fails leaves the question open, and the daemon is not blamed."""
    said = []
    # Docker Engine speaks TLS to loopback first, buildkitd plain http.
    for certificate in (make_certificate(tmp_path, ips=("127.0.0.1",)), None):
        with odd_server(lambda asked: Reply(status), tls=certificate) as server:
            reference = Reference.parse(f"{server.host}/a/b:1")
            with pytest.raises(RegistryUnavailableError) as caught:
                ask(lambda gateway: gateway.resolve_image(reference, AMD64))  # noqa: B023
        said.append(caught.value.message)

    assert any(str(status) in message for message in said)


def test_files_of_a_result_are_read(ask: Ask[object], base_image: str) -> None:
    """A result's files come back byte for byte, whole or in part, also past a message's limit."""
    script = "mkdir /d && yes 0123456789 | head -c 20000000 > /d/big && ln -s big /d/link"
    size = 20_000_000
    expected = (b"0123456789\n" * (size // 11 + 1))[:size]

    def read(gateway: Gateway) -> tuple[object, ...]:
        ref = gateway.solve(step(base_image, script))
        ref.evaluate()
        return (
            hashlib.sha256(ref.read_file("/d/big")).digest(),
            ref.read_file("/d/big", offset=5, length=10),
            ref.read_file("/d/big", offset=size - 3),
            ref.read_file("/d/big", length=0),
            ref.read_dir("/d"),
            ref.read_dir("/d", pattern="b*"),
            ref.stat_file("/d"),
        )

    digest, part, end, none, entries, matching, directory = ask(read)

    assert digest == hashlib.sha256(expected).digest()
    assert part == expected[5:15]
    assert end == expected[-3:]
    assert none == b""
    assert [(one.path, one.link_target) for one in entries] == [("big", ""), ("link", "big")]
    assert [(one.path, one.size_bytes) for one in matching] == [("big", size)]
    assert directory.is_dir
    assert not entries[0].is_dir


def test_missing_file_is_named(ask: Ask[object], base_image: str) -> None:
    """A file that a result does not have is named in the error."""
    with pytest.raises(SolveError, match="/no/such"):
        ask(lambda gateway: gateway.solve(step(base_image, "true")).read_file("/no/such"))


def test_scratch_is_an_empty_result(ask: Ask[object]) -> None:
    """Scratch can be solved and evaluated; it has no id."""

    def solve(gateway: Gateway) -> str:
        ref = gateway.solve(llb.scratch().marshal(platform=AMD64), evaluate=True)
        ref.evaluate()
        return ref.id

    assert ask(solve) == ""


def test_evaluating_works_without_its_capability(ask: Ask[object], base_image: str) -> None:
    """A daemon that cannot evaluate is asked for a file instead: the step fails all the same."""

    def evaluate(gateway: Gateway) -> None:
        gateway.frontend_caps = Capabilities()
        gateway.solve(step(base_image, f"exit 4 # {uuid.uuid4()}")).evaluate()

    with pytest.raises(SolveError, match="exit code 4"):
        ask(evaluate)


def test_cache_import_needs_its_capability(ask: Ask[object], base_image: str) -> None:
    """Caches are not silently left out where a daemon cannot import them."""

    def solve(gateway: Gateway) -> None:
        gateway.frontend_caps = Capabilities()
        gateway.solve(
            step(base_image, "true"), cache_imports=[CacheEntry("registry", {"ref": "a/b"})]
        )

    with pytest.raises(UnsupportedCapabilityError, match="cannot import caches"):
        ask(solve)


def test_result_of_two_platforms_becomes_an_index(
    client: Client, registry: str, base_image: str
) -> None:
    """Refs by platform, one of them scratch, are pushed as an index of both."""
    arm64 = Platform("linux", "arm64")
    reference = Reference.parse(f"{registry}/e2e-{uuid.uuid4().hex[:12]}/two:1")

    def run(gateway: Gateway) -> BuildOutput:
        ref = gateway.solve(step(base_image, "echo two > /two"))
        configs = {
            f"containerimage.config/{one}": json.dumps(
                {"os": one.os, "architecture": one.architecture}
            ).encode()
            for one in (AMD64, arm64)
        }
        return BuildOutput({AMD64: ref, arm64: None}, configs)

    result = client.build(run, exporters=[image_exporter([reference], push=True)])

    with pytest.raises(ImageNotFoundError):
        _ask_for(client, reference, Platform.parse("linux/s390x"))
    assert _ask_for(client, reference, AMD64) != _ask_for(client, reference, arm64)
    assert result.digest is not None
    assert result.exporter_response["containerimage.digest"] == result.digest.value


def _ask_for(client: Client, reference: Reference, platform: Platform) -> bytes:
    configs: list[bytes] = []

    def run(gateway: Gateway) -> BuildOutput:
        configs.append(gateway.resolve_image(reference, platform).config)
        return nothing(gateway)

    client.build(run)
    return configs[0]
