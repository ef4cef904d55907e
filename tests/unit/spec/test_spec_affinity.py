"""What of a spec decides on the builder of a pool."""

from __future__ import annotations

import pytest

from buildkit_spec import ImageSpec
from buildkit_spec.spec.affinity import affinity_key

SPEC = ImageSpec(name="train", registry="ghcr.io/me", base_image="python:3.11-slim")


@pytest.mark.parametrize(
    "change",
    [
        {"packages": ["pandas"]},
        {"apt_packages": ["git"]},
        {"commands": ["echo hello"]},
        {"env": {"MODE": "test"}},
        {"base_image": "python:3.11.9-slim"},
        {"base_image": "docker.io/library/python@sha256:" + "ab" * 32},
    ],
)
def test_affinity_stays_when_an_image_is_worked_on(change: dict[str, object]) -> None:
    """What changes from build to build does not send it to another builder."""
    assert affinity_key(SPEC.replace(**change)) == affinity_key(SPEC)


@pytest.mark.parametrize(
    "change",
    [
        {"name": "serve"},
        {"registry": "ghcr.io/you"},
        {"base_image": "debian:12"},
        {"base_image": SPEC},
        {"base_image": None},
        {"python_version": "3.12"},
        {"cuda": "12.4"},
        {"platform": "linux/arm64"},
    ],
)
def test_affinity_differs_between_images(change: dict[str, object]) -> None:
    """Images that share no layer are spread."""
    assert affinity_key(SPEC.replace(**change)) != affinity_key(SPEC)


def test_affinity_does_not_depend_on_the_order_of_platforms() -> None:
    """They are a set."""
    one, other = "linux/amd64,linux/arm64", "linux/arm64,linux/amd64"
    assert affinity_key(SPEC.replace(platform=one)) == affinity_key(SPEC.replace(platform=other))
