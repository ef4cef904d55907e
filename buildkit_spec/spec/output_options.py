"""Options about what comes out of a build: compression, attestations, annotations."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from buildkit_spec.spec.images import image_reference
from buildkit_spec.spec.problems import Refusal
from buildkit_spec.spec.scalars import Unquoted, kind_of, line
from buildkit_spec.values import Platform

if TYPE_CHECKING:
    from buildkit_spec.spec.options import BuilderOptions

COMPRESSION_LEVELS: Mapping[str, int] = {"gzip": 9, "zstd": 22, "estargz": 9, "uncompressed": -1}
"""Kinds of layer, and their highest level. Source: ``util/compression``."""

_ANNOTATION = re.compile(r"^(?:(?:manifest|index)(?:-descriptor)?:)?[^\s:]+$")


def whole_number(low: int, high: int) -> Callable[[object], int]:
    """Return a check of a whole number from *low* to *high*."""

    def check(value: object) -> int:
        if isinstance(value, Unquoted) and re.fullmatch(r"-?\d+", value.text):
            value = int(value.text)
        if isinstance(value, bool) or not isinstance(value, int):
            raise Refusal(f"is {kind_of(value)}, not a whole number", f"write {low}")
        if not low <= value <= high:
            raise Refusal(f"{value} is out of range", f"from {low} to {high}")
        return value

    return check


def number(low: float) -> Callable[[object], float]:
    """Return a check of a number of at least *low*."""

    def check(value: object) -> float:
        given = value.text if isinstance(value, Unquoted) else value
        try:
            found = float("" if isinstance(given, bool) else str(given))
        except ValueError:
            raise Refusal(f"is {kind_of(value)}, not a number", f"write {low:g}") from None
        if not low <= found < 1e9:
            raise Refusal(f"{found:g} is out of range", f"at least {low:g}")
        return found

    return check


def provenance_mode(value: object) -> str:
    """Return how much the provenance attestation tells: ``min``, ``max``, or nothing at all.

    Raises:
        Refusal: It is something else.
    """
    if isinstance(value, Unquoted) and value.kind == "a boolean":
        value = value.is_true
    if isinstance(value, bool):
        return "min" if value else ""
    if value not in ("min", "max"):
        raise Refusal("is none of the choices", "one of: min, max, true, false")
    return str(value)


def annotation_key(value: object) -> str:
    """Return the key of an annotation; what it is of may go before it, as ``index:``.

    Raises:
        Refusal: It has blanks, or is of something that has no annotations.

    Source: ``exporter/containerimage/exptypes/annotations.go``.
    """
    key = line(value)
    if not _ANNOTATION.match(key):
        raise Refusal(
            "is no key of an annotation", "write org.example.team or index:org.example.team"
        )
    return key


def scanner(value: object) -> str:
    """Return the image of the scanner that lists what an image holds; empty for no list.

    Raises:
        Refusal: It is something else.
    """
    if isinstance(value, Unquoted) and value.kind == "a boolean":
        value = value.is_true
    if isinstance(value, bool):
        return DEFAULT_SCANNER if value else ""
    return image_reference(value)


DEFAULT_SCANNER = "docker/buildkit-syft-scanner:stable-1"
"""What BuildKit itself takes. Source: ``frontend/attestations/sbom``."""


def requested(options: BuilderOptions, platforms: Sequence[Platform]) -> dict[str, str]:
    """Return what the daemon checks an image against, and what it attests.

    Args:
        options: The spec's.
        platforms: What is built.

    Source: ``exporter/verifier/opts.go``, ``frontend/attestations/parse.go``.
    """
    asked = {"platform": ",".join(map(str, platforms))}
    if options.sbom:
        asked["attest:sbom"] = f"generator={options.sbom}"
    if options.provenance:
        asked["attest:provenance"] = f"mode={options.provenance}"
    return asked


def annotations_for(options: BuilderOptions, platforms: Sequence[Platform]) -> Mapping[str, str]:
    """Return an image's annotations, and those of its index when there will be one.

    Args:
        options: The spec's.
        platforms: What is built.
    """
    if len(platforms) > 1 or options.sbom or options.provenance:
        return options.annotations
    of_index = ("index:", "index-descriptor:")
    return {key: text for key, text in options.annotations.items() if not key.startswith(of_index)}
