"""Manifests and indexes, as registries give them."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from buildkit_spec.errors import RegistryError
from buildkit_spec.registry.manifests import (
    INDEX_TYPES,
    MANIFEST_TYPES,
    is_content_of,
    parse_manifest,
)
from buildkit_spec.values import Digest, Platform

A, B, C = (Digest("sha256:" + letter * 64) for letter in "abc")


def test_index_lists_platforms_without_attestations() -> None:
    """An index tells the manifest of each platform in its normal form, attestations left out."""
    body = json.dumps(
        {
            "manifests": [
                {"digest": str(A), "platform": {"os": "linux", "architecture": "amd64"}},
                {
                    "digest": str(B),
                    "platform": {"os": "linux", "architecture": "arm64", "variant": "v8"},
                },
                {"digest": str(C), "platform": {"os": "unknown", "architecture": "unknown"}},
                {"digest": str(C)},
            ]
        }
    ).encode()
    index = parse_manifest(body, INDEX_TYPES[0], name="x")

    assert index.descriptor.is_index
    assert index.platforms == {Platform("linux", "amd64"): A, Platform("linux", "arm64"): B}
    assert index.config is None


@pytest.mark.parametrize("content_type", ["", "application/json", *MANIFEST_TYPES])
def test_manifest_names_its_config(content_type: str) -> None:
    """A manifest is known by what it holds where its type is not told."""
    body = json.dumps({"config": {"digest": str(A)}, "layers": []}).encode()
    manifest = parse_manifest(body, content_type, name="x")

    assert manifest.config == A
    assert manifest.descriptor.digest == Digest.of(body)
    assert manifest.descriptor.media_type in MANIFEST_TYPES


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"<html>", "is no registry: it gave a web page"),
        (b"[]", "is no registry"),
        (b'{"schemaVersion":1,"fsLayers":[]}', "of a kind that cannot be used"),
        (b'{"config":{"digest":"md5:0"},"layers":[]}', "breaks the image spec"),
        (b'{"config":[],"layers":[]}', "breaks the image spec"),
        (b'{"manifests":[1]}', "breaks the image spec"),
        (b'{"manifests":[{"platform":{"os":"linux","architecture":"amd64"}}]}', "breaks the image"),
    ],
)
def test_what_is_no_manifest_is_told(body: bytes, message: str) -> None:
    """Anything else is one clear error."""
    with pytest.raises(RegistryError, match=message):
        parse_manifest(body, "text/html", name="x")


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: (
        st.lists(inner)
        | st.dictionaries(
            st.sampled_from(["manifests", "config", "layers", "digest", "platform", "mediaType"])
            | st.text(),
            inner,
        )
    ),
)


@given(_JSON)
def test_any_json_is_a_manifest_or_one_clear_error(data: object) -> None:
    """Whatever JSON a registry gives, the outcome is a manifest or a `RegistryError`."""
    try:
        parse_manifest(json.dumps(data).encode(), "application/json", name="x")
    except RegistryError:
        return


def test_content_is_checked_with_the_digest_s_own_algorithm() -> None:
    """Digests of other algorithms than sha256 are computed too."""
    sha512_of_empty = Digest(
        "sha512:cf83e1357eefb8bdf1542850d66d8007d620e4050b5715dc83f4a921d36ce9ce"
        "47d0d13c5d85f2b0ff8318d2877eec2f63b931bd47417a81a538327af927da3e"
    )

    assert is_content_of(sha512_of_empty, b"")
    assert not is_content_of(sha512_of_empty, b" ")
