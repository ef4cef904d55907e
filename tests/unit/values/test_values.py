"""Digests, platforms and references: parsed once, checked, and written as people know them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from buildkit_spec.errors import (
    InvalidDigestError,
    InvalidPlatformError,
    InvalidReferenceError,
    InvalidValueError,
)
from buildkit_spec.values import BytesSecret, Credentials, Digest, Platform, Reference

SHA = "sha256:" + "a" * 64


def test_digest_of_bytes_is_their_sha256() -> None:
    """A digest is the algorithm and the lower-case hex of the bytes."""
    empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

    assert str(Digest.of(b"")) == f"sha256:{empty}"
    assert Digest.of(b"").short == empty[:12]


@pytest.mark.parametrize("text", ["", "sha256:", "sha256:" + "A" * 64, "md5:" + "a" * 32, "a" * 64])
def test_digest_of_another_form_is_refused(text: str) -> None:
    """Upper case, unknown algorithms and missing parts are errors that hold the text."""
    with pytest.raises(InvalidDigestError) as caught:
        Digest(text)

    assert caught.value.value == text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("linux/amd64", "linux/amd64"),
        ("amd64", "linux/amd64"),
        ("x86_64", "linux/amd64"),
        ("linux/arm64/v8", "linux/arm64"),
        ("aarch64", "linux/arm64"),
        ("linux/arm", "linux/arm/v7"),
        ("linux/arm/v6", "linux/arm/v6"),
        ("Linux/AMD64", "linux/amd64"),
    ],
)
def test_platform_is_normalised(text: str, expected: str) -> None:
    """Names of one architecture become one name, as containerd has it."""
    assert str(Platform.parse(text)) == expected


@pytest.mark.parametrize("text", ["", "linux/", "linux/amd64/v1/x", "lin ux/amd64"])
def test_platform_of_another_form_is_refused(text: str) -> None:
    """What is not os/architecture[/variant] is an error."""
    with pytest.raises(InvalidPlatformError):
        Platform.parse(text)


@pytest.mark.parametrize(
    ("text", "full", "familiar"),
    [
        ("debian", "docker.io/library/debian:latest", "debian:latest"),
        ("user/app:1", "docker.io/user/app:1", "user/app:1"),
        ("ghcr.io/me/app", "ghcr.io/me/app:latest", "ghcr.io/me/app:latest"),
        ("localhost:30000/app:x", "localhost:30000/app:x", "localhost:30000/app:x"),
        ("localhost/app", "localhost/app:latest", "localhost/app:latest"),
        ("[::1]:5000/app:1", "[::1]:5000/app:1", "[::1]:5000/app:1"),
        (f"a.b/c@{SHA}", f"a.b/c@{SHA}", f"a.b/c@{SHA}"),
        (f"a.b/c:1@{SHA}", f"a.b/c:1@{SHA}", f"a.b/c:1@{SHA}"),
        ("index.docker.io/x", "docker.io/library/x:latest", "x:latest"),
    ],
)
def test_reference_is_parsed_and_written(text: str, full: str, familiar: str) -> None:
    """Docker Hub, ``library`` and ``latest`` are filled in, and left out for people."""
    reference = Reference.parse(text)

    assert str(reference) == full
    assert reference.familiar == familiar
    assert Reference.parse(str(reference)) == reference


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a.b/Upper",
        "a.b/",
        "a.b/c:",
        "a.b/c:-x",
        "a.b/c@sha256:12",
        "https://a.b/c",
        "a b/c",
        "a.b/c//d",
        "a.b/c:" + "x" * 129,
        "a.b/" + "c" * 260,
        ":1",
        "@",
        "a.b:123456/c",
    ],
)
def test_reference_of_another_form_is_refused(text: str) -> None:
    """Each broken rule is an error that names the text."""
    with pytest.raises(InvalidReferenceError) as caught:
        Reference.parse(text)

    assert caught.value.value == text


def test_reference_with_a_scheme_says_what_to_write() -> None:
    """The remedy is the same name without its scheme."""
    with pytest.raises(InvalidReferenceError) as caught:
        Reference.parse("https://ghcr.io/me/app")

    assert "'ghcr.io/me/app'" in caught.value.remedy


@given(st.text(max_size=80))
def test_reference_of_any_text_is_parsed_or_refused(text: str) -> None:
    """No text raises anything else, and what is parsed parses again to the same."""
    try:
        reference = Reference.parse(text)
    except InvalidValueError:
        return

    assert Reference.parse(str(reference)) == reference


def test_secrets_are_not_in_the_text_form() -> None:
    """Printing a value that holds a secret does not show it."""
    texts = [
        repr(Credentials("me", "hunter2", "token2")),
        repr(BytesSecret(b"hunter2")),
    ]

    assert not any(word in text for text in texts for word in ("hunter2", "token2"))
