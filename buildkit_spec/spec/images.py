"""References of images, as a spec names them."""

from __future__ import annotations

from buildkit_spec.errors import InvalidReferenceError
from buildkit_spec.spec.problems import Refusal
from buildkit_spec.spec.scalars import line
from buildkit_spec.values import Reference


def image_reference(value: object) -> str:
    """Return the reference of an image as it was written.

    Raises:
        Refusal: It is not one.
    """
    written = line(value)
    try:
        Reference.parse(written)
    except InvalidReferenceError as error:
        _, at, digest = written.rpartition("@")
        if at and not digest.startswith("sha256:"):
            raise Refusal("holds a login", "write the image's name only; docker login") from error
        bare = written.partition("://")[2]
        raise Refusal(
            f"{written!r} is no image: {error.rule}", f"write {bare}" if bare else ""
        ) from error
    return written
