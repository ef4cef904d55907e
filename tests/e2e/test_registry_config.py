"""`registry_config`: http, own authorities, client certificates and mirrors, as a spec's file says.

To a daemon and to us, a registry on ``127.0.0.1`` is one that may speak plain http. The same one by
the name ``0.0.0.0`` is not, so that is what these tests call theirs.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from failing import cli, unique, write_yaml
from making import MakeSpec
from registries import (
    Asked,
    Certificate,
    Reply,
    RunningRegistry,
    free_port,
    make_certificate,
    odd_server,
    push_image,
    running_registry,
)

from buildkit_spec import BuildkitBuilder, BuildResult
from buildkit_spec.errors import (
    ExportError,
    RegistryError,
    RegistryUnavailableError,
    SpecValidationError,
)
from buildkit_spec.registry import Logins, Registry
from buildkit_spec.values import Reference, RegistryConfig, RegistrySettings, StatusUpdate

CERTIFICATES = Path("/etc/docker/certs.d")


@pytest.fixture(scope="module", name="plain")
def _plain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningRegistry]:
    """A registry over http, with the image ``team/app:1``."""
    with running_registry(tmp_path_factory.mktemp("plain")) as running:
        push_image(running, "team/app", "1")
        yield running


@pytest.fixture(scope="module", name="certificate")
def _certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    """Certificate of a server, and of a client, of an authority that nobody else knows."""
    ips = ("0.0.0.0", "127.0.0.1")
    return make_certificate(tmp_path_factory.mktemp("certificate"), "localhost", ips=ips)


@pytest.fixture(scope="module", name="closed")
def _closed(
    tmp_path_factory: pytest.TempPathFactory, certificate: Certificate
) -> Iterator[RunningRegistry]:
    """A registry over TLS that lets nobody in without a client certificate; has two images."""
    home = tmp_path_factory.mktemp("closed")
    with running_registry(home, tls=certificate, clients=certificate.authority) as running:
        for repository in ("team/app", "team/other"):
            push_image(running, repository, "1")
        yield running


def named(registry: RunningRegistry) -> str:
    """Host and port of a registry by the name that is not one of loopback."""
    return registry.host.replace("127.0.0.1", "0.0.0.0")


def origin(builder: BuildkitBuilder, result: BuildResult) -> str:
    """Where the base image of an image came from, as its label says."""
    return builder.registry.labels(result.reference, result.platforms[0])["from"]


def settings(folder: Path, *registries: dict[str, object]) -> str:
    """Write a file of settings for registries; return its path."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "registries.json"
    file.write_text(json.dumps({"registries": registries}))
    return str(file)


def certified(host: str, certificate: Certificate) -> dict[str, object]:
    """The settings of a registry that wants a client certificate."""
    return {
        "name": host,
        "ca": str(certificate.authority),
        "cert": str(certificate.chain),
        "key": str(certificate.key),
    }


# --- plain http -----------------------------------------------------------------------------------


def test_http_registry_is_asked_and_pushed_to_as_the_file_says(
    builder: BuildkitBuilder, spec: MakeSpec, plain: RunningRegistry, tmp_path: Path
) -> None:
    """Without the file it is refused for want of TLS; with it, checked, pushed to, and found."""
    made = spec(base_image="scratch", registry=f"{named(plain)}/{unique()}", env={"A": "1"})
    with pytest.raises(RegistryError, match="does not speak TLS") as caught:
        builder.build(made)
    assert "use_http in the spec's registry_config" in caught.value.remedy

    told = made.replace(
        registry_config=settings(tmp_path, {"name": named(plain), "use_http": True})
    )

    assert told.tag == made.tag
    assert builder.exists(told) is False
    result = builder.build(told)
    assert result.was_built
    assert builder.exists(told) is True
    assert not builder.build(told).was_built
    by_loopback = Reference.parse(str(result.reference).replace("0.0.0.0", "127.0.0.1"))
    assert builder.registry.digest(by_loopback) == result.digest


def test_command_line_asks_a_registry_as_the_file_says(
    spec: MakeSpec, plain: RunningRegistry, tmp_path: Path
) -> None:
    """`exists` answers for specs with settings and for bare names in one call."""
    config = settings(tmp_path, {"name": named(plain), "use_http": True})
    made = spec(base_image="scratch", registry=f"{named(plain)}/{unique()}", registry_config=config)
    file = write_yaml(tmp_path / "image.yaml", made)

    done = cli("exists", file, f"{plain.host}/team/app:1")

    assert done.stdout.splitlines() == [
        f"{made.image_name()} is not there",
        f"{plain.host}/team/app:1 is there",
    ]
    assert done.returncode == 1


def test_base_image_from_an_http_registry_names_the_daemon_s_setting(
    builder: BuildkitBuilder, spec: MakeSpec, plain: RunningRegistry, tmp_path: Path
) -> None:
    """A daemon cannot be told by us to pull over http: the error names where it is told."""
    config = settings(tmp_path, {"name": named(plain), "use_http": True})
    made = spec(base_image=f"{named(plain)}/team/app:1", registry_config=config)

    with pytest.raises(RegistryError) as caught:
        builder.build(made)

    assert f'[registry."{named(plain)}"] http = true in buildkitd.toml' in caught.value.remedy
    assert "insecure-registries" in caught.value.remedy


# --- certificates ---------------------------------------------------------------------------------


def test_own_authority_and_client_certificate_open_a_registry(
    closed: RunningRegistry, certificate: Certificate
) -> None:
    """Each of them is needed, and both are enough."""
    reference = Reference.parse(f"{named(closed)}/team/app:1")
    whole = RegistrySettings(
        named(closed),
        ca_file=str(certificate.authority),
        cert_file=str(certificate.chain),
        key_file=str(certificate.key),
    )
    blind = RegistrySettings(named(closed), ca_file=str(certificate.authority))
    unknown = RegistrySettings(
        named(closed), cert_file=str(certificate.chain), key_file=str(certificate.key)
    )

    def ask(one: RegistrySettings) -> bool:
        config = RegistryConfig((one,))
        with Registry(Logins(), env={}, config=config, retry_delays_s=()) as client:
            return client.exists(reference)

    assert ask(whole) is True
    with pytest.raises(RegistryUnavailableError, match=r"ALERT (BAD )?CERTIFICATE"):
        ask(blind)
    with pytest.raises(RegistryError, match="is not trusted") as caught:
        ask(unknown)
    assert "as ca in the spec's registry_config" in caught.value.remedy


def test_authority_of_one_registry_is_trusted_for_no_other(
    closed: RunningRegistry, certificate: Certificate
) -> None:
    """What is told of one registry holds for that one only."""
    own = RegistrySettings("other.tests", ca_file=str(certificate.authority))
    with (
        Registry(Logins(), env={}, config=RegistryConfig((own,))) as client,
        pytest.raises(RegistryError, match="is not trusted"),
    ):
        client.exists(Reference.parse(f"{named(closed)}/team/app:1"))


def test_token_server_of_a_registry_is_trusted_like_the_registry(certificate: Certificate) -> None:
    """A company's token server has the company's certificate, as its registry has."""

    def answer(asked: Asked) -> Reply:
        if asked.headers.get("authorization") == "Bearer good":
            return Reply(200, {"Docker-Content-Digest": "sha256:" + "ab" * 32, "Content-Type": OCI})
        return Reply(401, {"WWW-Authenticate": f'Bearer realm="https://{tokens.host}/token"'})

    with (
        odd_server(lambda _: Reply(200, {}, b'{"token": "good"}'), tls=certificate) as tokens,
        odd_server(answer, tls=certificate) as server,
    ):
        own = RegistrySettings(server.host, ca_file=str(certificate.authority))
        reference = Reference.parse(f"{server.host}/team/app:1")
        with Registry(Logins(), env={}, config=RegistryConfig((own,))) as client:
            assert client.exists(reference) is True

    assert len(tokens.asked) == 1


OCI = "application/vnd.oci.image.manifest.v1+json"


@pytest.mark.parametrize("content", ["", "not PEM"])
def test_certificates_that_cannot_be_used_are_named(tmp_path: Path, content: str) -> None:
    """A file that holds no certificate is an error with its name, and asks for no password."""
    bad = tmp_path / "bad.pem"
    bad.write_text(content)
    reference = Reference.parse("127.0.0.1:1/team/app:1")
    for own, message in (
        (RegistrySettings(reference.registry, ca_file=str(bad)), r"certificates to trust: .*bad"),
        (
            RegistrySettings(reference.registry, cert_file=str(bad), key_file=str(bad)),
            r"client certificate .*bad\.pem",
        ),
    ):
        with (
            Registry(Logins(), env={}, config=RegistryConfig((own,))) as client,
            pytest.raises(RegistryError, match=message),
        ):
            client.exists(reference)


@contextmanager
def given_to_the_daemon(host: str, certificate: Certificate) -> Iterator[None]:
    """Put certificates where a Docker Engine looks for them, as the remedy says."""
    missing = [folder for folder in (CERTIFICATES, CERTIFICATES.parent) if not folder.exists()]
    folder = CERTIFICATES / host
    folder.mkdir(parents=True)
    try:
        shutil.copy(certificate.authority, folder / "ca.crt")
        shutil.copy(certificate.chain, folder / "client.cert")
        shutil.copy(certificate.key, folder / "client.key")
        yield
    finally:
        shutil.rmtree(folder)
        for made in missing:
            made.rmdir()


def test_daemon_without_the_certificates_is_told_which(
    builder: BuildkitBuilder,
    spec: MakeSpec,
    closed: RunningRegistry,
    certificate: Certificate,
    tmp_path: Path,
) -> None:
    """Pushing and pulling fail with the files and where they belong; that done, both succeed."""
    host = named(closed)
    config = settings(tmp_path, certified(host, certificate))
    pushing = spec(base_image="scratch", registry=f"{host}/{unique()}", registry_config=config)
    pulling = spec(base_image=f"{host}/team/app:1", registry_config=config)

    assert builder.exists(pushing) is False
    with pytest.raises(ExportError, match="built but not pushed") as pushed:
        builder.build(pushing)
    with pytest.raises(RegistryError, match="x509") as pulled:
        builder.build(pulling)

    for error in (pushed.value, pulled.value):
        assert (
            f"for Docker ca.crt, client.cert, client.key in {CERTIFICATES}/{host}" in error.remedy
        )
        assert f'ca = ["{certificate.authority}"]' in error.remedy
        assert f'below [registry."{host}"] in buildkitd.toml' in error.remedy
    with given_to_the_daemon(host, certificate):
        assert builder.build(pushing).was_pushed
        # A daemon keeps for five minutes how it failed to reach this very repository.
        assert builder.build(pulling.replace(base_image=f"{host}/team/other:1")).was_pushed


# --- mirrors --------------------------------------------------------------------------------------


def test_base_image_comes_from_the_mirror(
    builder: BuildkitBuilder, spec: MakeSpec, plain: RunningRegistry, tmp_path: Path
) -> None:
    """The registry itself need not even exist; the mirror's path goes before the repository."""
    push_image(plain, "hub/team/base", "1", labels={"from": "the mirror"})
    mirror = {"name": "registry.invalid", "mirror": f"{plain.host}/hub"}
    made = spec(
        base_image="registry.invalid/team/base:1", registry_config=settings(tmp_path, mirror)
    )

    result = builder.build(made)

    assert origin(builder, result) == "the mirror"


def test_base_image_that_the_mirror_lacks_comes_from_its_registry(
    builder: BuildkitBuilder, spec: MakeSpec, plain: RunningRegistry, tmp_path: Path
) -> None:
    """A mirror is asked first, and not in place of the registry."""
    name = f"{unique()}/base"
    push_image(plain, name, "1", labels={"from": "the registry"})
    for mirror in (f"{plain.host}/empty", f"127.0.0.1:{free_port()}"):
        config = settings(tmp_path / mirror, {"name": plain.host, "mirror": mirror})
        made = spec(base_image=f"{plain.host}/{name}:1", registry_config=config, env={"M": mirror})

        result = builder.build(made)

        assert origin(builder, result) == "the registry"


def test_base_image_that_nobody_has_names_registry_and_mirror(
    builder: BuildkitBuilder, spec: MakeSpec, plain: RunningRegistry, tmp_path: Path
) -> None:
    """Both were asked, and both answers are told."""
    config = settings(tmp_path, {"name": plain.host, "mirror": f"{plain.host}/empty"})
    made = spec(base_image=f"{plain.host}/no/such:1", registry_config=config)

    with pytest.raises(RegistryError) as caught:
        builder.build(made)

    assert f"there is no image {plain.host}/no/such:1" in caught.value.message
    assert (
        f"from its mirror: there is no image {plain.host}/empty/no/such:1" in caught.value.message
    )


def test_settings_of_a_base_spec_hold_for_its_own_base_image(
    builder: BuildkitBuilder, spec: MakeSpec, plain: RunningRegistry, tmp_path: Path
) -> None:
    """A base spec in the same graph brings its mirror along."""
    push_image(plain, "hub/team/inner", "1", labels={"from": "the inner mirror"})
    mirror = {"name": "registry.invalid", "mirror": f"{plain.host}/hub"}
    inner = spec(
        base_image="registry.invalid/team/inner:1",
        registry=None,
        registry_config=settings(tmp_path, mirror),
    )

    result = builder.build(spec(base_image=inner, env={"B": "1"}))

    assert origin(builder, result) == "the inner mirror"


def test_tools_come_from_the_mirror(
    builder: BuildkitBuilder, spec: MakeSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The image that uv is in is found as a base image is; what its tag stands for is used."""
    monkeypatch.chdir(tmp_path)
    shutil.copy(shutil.which("uv") or "", tmp_path / "uv")
    holder = builder.build(
        spec(base_image="scratch", name="uv", copy=["uv"], builder_options={"copy_to": "/uv"})
    ).reference
    mirror = {"name": "registry.invalid", "mirror": f"{holder.registry}/{holder.repository[:-3]}"}
    made = spec(
        packages=["six"],
        builder_config={"uv_image": f"registry.invalid/uv:{holder.tag}"},
        registry_config=settings(tmp_path, mirror),
    )
    told: set[str] = set()

    def listen(update: StatusUpdate) -> None:
        told.update(vertex.name for vertex in update.vertices)

    builder.build(made, on_status=listen)

    assert f"[uv] uv from {holder}" in told


def test_image_is_looked_for_where_it_is_pushed_and_not_in_a_mirror(
    builder: BuildkitBuilder, spec: MakeSpec, registry: str, plain: RunningRegistry, tmp_path: Path
) -> None:
    """A mirror that has the image says nothing about the registry, nor does one that lacks it."""
    config = settings(tmp_path, {"name": registry, "mirror": plain.host})
    made = spec(base_image="scratch", registry_config=config, env={"C": "1"})
    reference = Reference.parse(made.image_name())
    push_image(plain, reference.repository, reference.tag)

    assert builder.exists(made) is False
    assert builder.build(made).was_built
    assert builder.exists(made) is True


# --- what is wrong with a file --------------------------------------------------------------------


def test_everything_wrong_with_the_file_is_told_before_a_build(
    builder: BuildkitBuilder, spec: MakeSpec, tmp_path: Path
) -> None:
    """Each problem with the file's name and the place in it."""
    config = settings(tmp_path, {"name": "a.tests", "ca": "no.pem"}, {"mirror": "b.tests"})

    with pytest.raises(SpecValidationError) as caught:
        builder.build(spec(registry_config=config))

    assert [problem.field for problem in caught.value.problems] == ["registry_config"] * 2
    assert "registries.json: registries[0].ca: 'no.pem' does not exist" in str(caught.value)
    assert "registries.json: registries[1].name: is missing" in str(caught.value)
