"""Options about what comes out of a build: compression, attestations, annotations, caches."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from buildkit_spec.spec.frozen import FrozenDict
from buildkit_spec.spec.images import image_reference
from buildkit_spec.spec.problems import Problems, Refusal
from buildkit_spec.spec.scalars import Unquoted, any_text, kind_of, line, list_of
from buildkit_spec.values import Platform

if TYPE_CHECKING:
    from buildkit_spec.spec.options import BuilderOptions

COMPRESSION_LEVELS: Mapping[str, int] = {"gzip": 9, "zstd": 22, "estargz": 9, "uncompressed": -1}
"""Kinds of layer, and their highest level. Source: ``util/compression``."""

_CACHES: Mapping[str, tuple[str, ...]] = {
    "registry": ("ref",),
    "inline": (),
    "local": (),
    "gha": (),
    "s3": ("bucket", "region"),
    "azblob": ("account_url",),
}
"""Attributes without which a cache cannot be found, by its type."""

CACHE_LOGINS: Mapping[str, Mapping[str, str]] = {
    "gha": {
        "token": "ACTIONS_RUNTIME_TOKEN",
        "url": "ACTIONS_CACHE_URL",
        "url_v2": "ACTIONS_RESULTS_URL",
    },
    "s3": {
        "access_key_id": "AWS_ACCESS_KEY_ID",
        "secret_access_key": "AWS_SECRET_ACCESS_KEY",
        "session_token": "AWS_SESSION_TOKEN",
    },
    "azblob": {"secret_access_key": "AZURE_STORAGE_KEY"},
}
"""Variables that hold what a spec must not, by type of cache and attribute.

Source: ``cache/remotecache``; the variables are those of the runner, the AWS and the Azure tools.
"""

_SECRETS = frozenset({"token", "ghtoken", "access_key_id", "secret_access_key", "session_token"})
_ANNOTATION = re.compile(r"^(?:(?:manifest|index)(?:-descriptor)?:)?[^\s:]+$")
_TEXT_PAIR = re.compile(r"^[a-z0-9_.-]+=")


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


def cache_source(value: object) -> FrozenDict[str, str]:
    """Return where caches come from: see `cache_target`.

    Raises:
        Refusal: Nothing can be read from there, likewise.
    """
    entry = _cache(value, "src")
    if entry["type"] == "inline":
        raise Refusal(
            "an inline cache is in an image, and is found there", "write the image's name"
        )
    return entry


def cache_target(value: object) -> FrozenDict[str, str]:
    """Return where caches go to, as attributes with their ``type``.

    Args:
        value: A mapping, a text such as ``type=registry,ref=ghcr.io/me/cache``, or a reference.

    Raises:
        Refusal: The type is unknown, or lacks an attribute it needs, or a login is written there.
    """
    return _cache(value, "dest")


def _cache(value: object, place: str) -> FrozenDict[str, str]:
    attributes = _attributes(value)
    kind = attributes.get("type", "registry")
    if kind not in _CACHES:
        raise Refusal(f"{kind!r} is no type of cache", f"one of: {', '.join(_CACHES)}")
    needed = (place,) if kind == "local" else _CACHES[kind]
    missing = [name for name in needed if not attributes.get(name)]
    if missing:
        raise Refusal(f"a cache of type {kind} needs {missing[0]}", f"{missing[0]}=…")
    for name in sorted(_SECRETS.intersection(attributes)):
        variable = CACHE_LOGINS.get(kind, {}).get(name)
        raise Refusal(
            f"{name} is a secret, which a spec does not keep",
            f"set {variable} where the build is started" if variable else "leave it out",
        )
    if kind == "registry":
        image_reference(attributes["ref"])
    mode = attributes.get("mode", "min")
    if mode not in ("min", "max"):
        raise Refusal(f"mode {mode!r} is neither min nor max", "mode=max keeps every step")
    return FrozenDict({**attributes, "type": kind})


cache_sources, cache_targets = list_of(cache_source), list_of(cache_target)


def caches_with_logins(
    entries: Iterable[Mapping[str, str]], env: Mapping[str, str]
) -> Iterator[dict[str, str]]:
    """Yield caches with the logins that the environment has for them.

    Caches of GitHub's are left out elsewhere than on its runners, so that the same spec can be
    built there and on a desk.

    Args:
        entries: Attributes with their ``type``.
        env: The environment.
    """
    for entry in entries:
        names = CACHE_LOGINS.get(entry["type"], {}).items()
        logins = {name: env[variable] for name, variable in names if env.get(variable)}
        if entry["type"] != "gha" or "token" in logins:
            yield {**logins, **entry}


def _attributes(value: object) -> dict[str, str]:
    if isinstance(value, Mapping):
        problems, found = Problems(), {}
        for key, one in value.items():
            with problems.under(str(key)):
                found[line(key)] = _scalar(one)
        problems.refuse()
        return found
    written = line(value)
    if not _TEXT_PAIR.match(written):
        return {"type": "registry", "ref": written}
    pairs = [part.partition("=") for part in written.split(",")]
    if not all(sign for _, sign, _ in pairs):
        raise Refusal("is no list of key=value, parted by commas", "type=registry,ref=…,mode=max")
    return {key.strip(): one.strip() for key, _, one in pairs}


def _scalar(value: object) -> str:
    if isinstance(value, Unquoted):
        return value.text
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int) else any_text(value)


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
