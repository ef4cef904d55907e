"""How registries are reached: looked up by host, merged, and what a mirror calls an image."""

from __future__ import annotations

import pytest

from buildkit_spec.values import Reference, RegistryConfig, RegistrySettings


def config(*registries: RegistrySettings) -> RegistryConfig:
    return RegistryConfig(registries)


def test_registry_that_nothing_is_told_of_is_reached_by_its_name() -> None:
    """Over TLS, with the system's certificates, without a mirror."""
    assert config().of("Ghcr.io") == RegistrySettings("ghcr.io")
    assert not config().of("ghcr.io").has_certificates


@pytest.mark.parametrize(
    ("mirror", "image", "expected"),
    [
        ("m.tests", "debian:12", "m.tests/library/debian:12"),
        ("m.tests:5000/hub", "me/app", "m.tests:5000/hub/me/app:latest"),
        (
            "m.tests/a/b",
            f"debian@sha256:{'a' * 64}",
            f"m.tests/a/b/library/debian@sha256:{'a' * 64}",
        ),
        ("m.tests", "ghcr.io/me/app:1", "ghcr.io/me/app:1"),
    ],
)
def test_mirror_has_an_image_under_the_same_name(mirror: str, image: str, expected: str) -> None:
    """Its host in place of the registry's, its path before the repository, tag and digest kept."""
    mirrored = config(RegistrySettings("docker.io", mirror=mirror)).mirrored(Reference.parse(image))

    assert str(mirrored) == expected
    assert Reference.parse(str(mirrored)) == mirrored


def test_settings_of_the_outer_spec_go_first() -> None:
    """Of a registry that both tell of, only one telling holds; the others add up."""
    outer = config(RegistrySettings("a.tests", is_http=True))
    inner = config(RegistrySettings("a.tests", mirror="m.tests"), RegistrySettings("b.tests"))

    merged = outer.over(inner)

    assert merged.of("a.tests") == RegistrySettings("a.tests", is_http=True)
    assert [one.host for one in merged.registries] == ["a.tests", "b.tests"]


def test_remedy_names_only_what_there_is() -> None:
    """An authority without a client certificate: one file, one line."""
    told = config(RegistrySettings("a.tests:5000", ca_file="/x/ca.pem"))

    remedy = told.daemon_remedy("a.tests:5000")

    assert "for Docker ca.crt in /etc/docker/certs.d/a.tests:5000" in remedy
    assert 'ca = ["/x/ca.pem"] below [registry."a.tests:5000"]' in remedy
    assert "client" not in remedy
    assert "keypair" not in remedy
