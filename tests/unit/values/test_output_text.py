"""Outputs are read as users of buildctl and buildx write them."""

from __future__ import annotations

from pathlib import Path

import pytest

from buildkit_spec.errors import InvalidReferenceError, InvalidValueError
from buildkit_spec.values import (
    ArchiveOutput,
    ImageOutput,
    LoadOutput,
    LocalOutput,
    Output,
    Reference,
    parse_output,
)

ONE, TWO = Reference.parse("ghcr.io/me/one:1"), Reference.parse("two")


@pytest.mark.parametrize(
    ("text", "output"),
    [
        ("type=oci,dest=a.tar", ArchiveOutput("oci", Path("a.tar"))),
        ("type=oci", ArchiveOutput("oci", None)),
        ("type=docker,dest=-", ArchiveOutput("docker", None)),
        ("type=tar,dest=/a,b", None),
        ('type=tar,"dest=/a,b"', ArchiveOutput("tar", Path("/a,b"))),
        ("-", ArchiveOutput("tar", None)),
        ("out", LocalOutput(Path("out"))),
        ("./out/x", LocalOutput(Path("out/x"))),
        (
            "type=local,dest=out,platform-split=false",
            LocalOutput(Path("out"), {"platform-split": "false"}),
        ),
        ("type=image", ImageOutput()),
        ("TYPE=image,PUSH=true", ImageOutput(is_pushed=True)),
        ("type=registry", ImageOutput(is_pushed=True)),
        ("type=image,push=", ImageOutput(is_pushed=True)),
        ("type=image,push=0,unpack=1", ImageOutput(is_unpacked=True)),
        ("type=image,name=ghcr.io/me/one:1,name=two", ImageOutput((ONE, TWO))),
        ('type=image,"name=ghcr.io/me/one:1,two"', ImageOutput((ONE, TWO))),
        (
            "type=registry,name=two,push-by-digest=true,registry.insecure=true",
            ImageOutput((TWO,), is_pushed=True, is_by_digest=True, is_insecure=True),
        ),
        (
            "type=oci,dest=x,compression=zstd,annotation.a.b=c=d",
            ArchiveOutput("oci", Path("x"), attrs={"compression": "zstd", "annotation.a.b": "c=d"}),
        ),
        ("type=load,name=two", LoadOutput((TWO,))),
    ],
)
def test_output_is_read(text: str, output: Output | None) -> None:
    """Pairs parted by commas; a directory alone and a dash mean what they do in buildx."""
    if output is None:
        with pytest.raises(InvalidValueError, match="no key=value"):
            parse_output(text)
    else:
        assert parse_output(text) == output


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no type"),
        ("dest=x", "no type"),
        ("type=cacheonly", "no type is called 'cacheonly'"),
        ("type=oci,dest=a,dest=b", "dest twice"),
        ("type=oci,dst=x", "did you mean dest"),
        ("type=oci,dest=x,push=true", "oci output has no push"),
        ("type=tar,dest=x,compression=zstd", "tar output has no compression"),
        ("type=tar,dest=x,name=a", "tar output has no name"),
        ("type=local", "directory"),
        ("type=local,dest=-", "directory"),
        ("type=image,dest=x", "image output has no dest"),
        ("type=image,push=maybe", "neither true nor false"),
        ("type=image,push-by-digest=true", "needs push=true"),
        ("type=oci,dest=x,tar=false", "archive"),
        ("type=image,nonsense", "'nonsense' is no key=value"),
    ],
)
def test_output_of_another_form_is_refused(text: str, said: str) -> None:
    """A daemon passes over what it does not know: a typing error would go unseen."""
    with pytest.raises(InvalidValueError) as caught:
        parse_output(text)

    assert said in str(caught.value)


@pytest.mark.parametrize("name", ["a/UPPER", "a@sha256:" + "0" * 64])
def test_output_with_a_name_that_is_none_is_refused(name: str) -> None:
    """Also one with a digest: nobody knows it before."""
    with pytest.raises(InvalidReferenceError):
        parse_output(f"type=image,name={name}")


def test_only_pushes_need_no_build_when_the_image_is_there() -> None:
    """Anything that leaves something on this machine or the daemon's does."""
    outputs = [
        "type=registry",
        "type=image",
        "type=image,push=true,unpack=true",
        "type=registry,push-by-digest=true",
    ]
    images = [parse_output(text) for text in outputs]

    assert [isinstance(one, ImageOutput) and one.is_only_pushed for one in images] == [
        True,
        False,
        False,
        False,
    ]
