"""Sources: what is refused, and what tells local sources of different builds apart."""

from __future__ import annotations

import pytest

from buildkit_spec import llb
from buildkit_spec.errors import InvalidReferenceError, InvalidVertexError
from buildkit_spec.llb import constants

PASSWORD = "hunter2"


@pytest.mark.parametrize(
    "url", [f"https://user:{PASSWORD}@example.com/x", f"http://:{PASSWORD}@example.com/x"]
)
@pytest.mark.parametrize("source", [llb.git, llb.http])
def test_url_with_a_password_is_refused_without_telling_it(source: object, url: str) -> None:
    """A password never gets into the graph, nor into the message that says so."""
    with pytest.raises(InvalidVertexError) as caught:
        source(url)  # type: ignore[operator]

    assert PASSWORD not in str(caught.value)
    assert "auth_header_secret" in caught.value.remedy


@pytest.mark.parametrize(
    ("remote", "message"),
    [
        ("https://example.com/r.git#main:sub", "query or a fragment"),
        ("https://example.com/r.git?ref=main", "query or a fragment"),
        ("ftp://example.com/r.git", "must be a URL of scheme"),
        ("https://", "must be a URL of scheme"),
        ("https://[bad/r.git", "cannot be read"),
    ],
)
def test_git_remote_of_another_form_is_refused(remote: str, message: str) -> None:
    """What git could not fetch, or what would be lost without a word, is refused."""
    with pytest.raises(InvalidVertexError, match=message):
        llb.git(remote)


def test_http_refuses_other_schemes_and_modes() -> None:
    """The identifier of an http source is its URL, so the scheme decides what it is."""
    with pytest.raises(InvalidVertexError, match="must begin with http"):
        llb.http("docker-image://busybox")
    with pytest.raises(InvalidVertexError, match="mode 0o1000"):
        llb.http("https://example.com/x", mode=0o1000)


def test_image_reference_is_checked_when_the_source_is_made() -> None:
    """A bad reference is an error where it is written, not at the daemon."""
    with pytest.raises(InvalidReferenceError):
        llb.image("Not/A Reference")
    with pytest.raises(InvalidVertexError, match="negative layer limit"):
        llb.image("busybox", layer_limit=-1)


def test_oci_layout_needs_a_digest() -> None:
    """An OCI layout is read by digest alone."""
    with pytest.raises(InvalidVertexError, match="has no digest"):
        llb.oci_layout("app:1.0")


def test_local_refuses_an_empty_name_and_patterns_that_are_one_text() -> None:
    """A text where a list belongs would be taken letter by letter."""
    with pytest.raises(InvalidVertexError, match="no name"):
        llb.local("")
    with pytest.raises(InvalidVertexError, match="not a list"):
        llb.local("context", include="*.py")


def test_local_of_two_builds_are_two_vertices() -> None:
    """The marshal call's id tells local sources of builds that run at once apart."""
    state = llb.local("context")

    assert state.marshal(local_unique_id="a").head != state.marshal(local_unique_id="b").head
    assert state.marshal(local_unique_id="a").head == state.marshal(local_unique_id="a").head


@pytest.mark.parametrize("options", [{"session_id": "s"}, {"unique_id": "u"}])
def test_local_with_an_id_of_its_own_keeps_it(options: dict[str, str]) -> None:
    """The marshal call's id is for sources that have none."""
    state = llb.local("context", **options)

    assert state.marshal(local_unique_id="a").head == state.marshal().head


def test_attributes_never_begin_one_another() -> None:
    """No attribute's name begins another's.

    protobuf's Python library (upb 7.36) sorts such a pair the other way round than Go does, and the
    digest with it.
    """
    attrs = [value for name, value in vars(constants).items() if name.startswith("ATTR_")]

    assert len(attrs) == len(set(attrs)) > 20
    assert not [(a, b) for a in attrs for b in attrs if a != b and b.startswith(a)]
