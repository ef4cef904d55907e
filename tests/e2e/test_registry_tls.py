"""Registries behind TLS: whom we trust, and the words when we do not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from registries import (
    Certificate,
    Reply,
    RunningRegistry,
    make_certificate,
    odd_server,
    push_image,
    running_registry,
    tunnel,
)

from buildkit_spec.errors import RegistryError
from buildkit_spec.registry import Logins, Registry
from buildkit_spec.registry.connections import Connections, Origin
from buildkit_spec.registry.proxies import Proxies
from buildkit_spec.registry.tls import Trusts
from buildkit_spec.values import Reference, RegistryConfig


@pytest.fixture(scope="module", name="certificate")
def _certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    home = tmp_path_factory.mktemp("certificate")
    return make_certificate(home, "localhost", ips=("127.0.0.1",))


@pytest.fixture(scope="module", name="secured")
def _secured(
    tmp_path_factory: pytest.TempPathFactory, certificate: Certificate
) -> Iterator[RunningRegistry]:
    with running_registry(tmp_path_factory.mktemp("secured"), tls=certificate) as registry:
        push_image(registry, "team/app", "1")
        yield registry


def reference_in(registry: RunningRegistry) -> Reference:
    return Reference.parse(f"{registry.host}/team/app:1")


def test_loopback_registry_behind_tls_is_found_out(
    secured: RunningRegistry, certificate: Certificate
) -> None:
    """A loopback registry that speaks TLS is asked over TLS without being told so."""
    with Registry(Logins(), ca_file=certificate.authority, env={}) as client:
        assert client.exists(reference_in(secured)) is True


def test_ssl_cert_file_is_trusted(secured: RunningRegistry, certificate: Certificate) -> None:
    """`SSL_CERT_FILE` names whom to trust."""
    with Registry(Logins(), env={"SSL_CERT_FILE": str(certificate.authority)}) as client:
        assert client.exists(reference_in(secured)) is True


def test_unknown_authority_is_told_with_the_variable_to_set(secured: RunningRegistry) -> None:
    """A certificate of an authority that nobody knows is an error, and says what to set."""
    with Registry(Logins(), env={}) as client, pytest.raises(RegistryError) as caught:
        client.exists(reference_in(secured))

    assert f"TLS certificate of {secured.host} is not trusted" in caught.value.message
    assert "SSL_CERT_FILE" in caught.value.remedy
    assert not caught.value.is_temporary


def test_insecure_host_is_asked_without_checking(secured: RunningRegistry) -> None:
    """A host allowed by name may have any certificate."""
    with Registry(Logins(), insecure_hosts=[secured.host], env={}) as client:
        assert client.exists(reference_in(secured)) is True


def test_insecure_host_may_speak_plain_http(tmp_path: Path) -> None:
    """A host allowed by name may speak no TLS at all."""
    with running_registry(tmp_path) as registry:
        push_image(registry, "team/app", "1")
        with Registry(Logins(), insecure_hosts=[registry.host], env={}) as client:
            assert client.exists(reference_in(registry)) is True


@pytest.mark.parametrize(
    ("names", "age_days", "message"),
    [(("localhost",), 60, "has expired"), (("other.tests",), 0, "is for another name")],
)
def test_bad_certificate_is_told(
    tmp_path: Path, names: tuple[str, ...], age_days: int, message: str
) -> None:
    """A certificate that has expired or is for another name is told as such."""
    certificate = make_certificate(tmp_path / "tls", *names, age_days=age_days)
    with odd_server(lambda _: Reply(404), tls=certificate) as server:
        port = server.host.partition(":")[2]
        with (
            Registry(Logins(), ca_file=certificate.authority, env={}) as client,
            pytest.raises(RegistryError, match=f"of localhost:{port} {message}"),
        ):
            client.exists(Reference.parse(f"localhost:{port}/team/app:1"))


def test_plain_http_behind_a_name_is_told(tmp_path: Path) -> None:
    """A host that is not loopback must speak TLS; the flag that allows http is named."""
    with odd_server(lambda _: Reply(404)) as server, tunnel(server.host) as proxy:
        env = {"https_proxy": f"http://{proxy.host}"}
        with (
            Registry(Logins(), env=env) as client,
            pytest.raises(RegistryError, match=r"registry\.tests does not speak TLS") as caught,
        ):
            client.exists(Reference.parse("registry.tests/team/app:1"))

    assert "--insecure-registry registry.tests" in caught.value.remedy


@pytest.mark.parametrize("content", [None, "not PEM"])
def test_unreadable_certificates_are_told(
    tmp_path: Path, secured: RunningRegistry, content: str | None
) -> None:
    """A file of certificates that is not there, or holds none, is named."""
    file = tmp_path / "ca.pem"
    if content:
        file.write_text(content)
    with (
        Registry(Logins(), ca_file=file, env={}) as client,
        pytest.raises(RegistryError, match=r"cannot read the certificates to trust: .*ca\.pem"),
    ):
        client.exists(reference_in(secured))


def test_certificate_only_in_the_bundle_is_trusted(
    tmp_path: Path, secured: RunningRegistry, certificate: Certificate
) -> None:
    """Where the certificates by hash do not do, the bundle beside them is read."""
    bundle = tmp_path / "bundle.crt"
    bundle.write_bytes(certificate.authority.read_bytes())
    (tmp_path / "0123abcd.0").write_text("")
    trusts = Trusts(None, {}, RegistryConfig(), bundles=[str(bundle)])
    connections = Connections(trusts, Proxies({}), (), (), timeout_s=5)

    assert trusts.of(secured.host).is_partial
    connections.open(Origin.of(f"https://{secured.host}", secured.host)).close()
