"""What to do about a step that failed, told from what it printed."""

from __future__ import annotations

import re
from collections.abc import Sequence

_PATTERNS: tuple[tuple[str, str], ...] = (
    (
        r"unable to locate package (?P<what>\S+)",
        "check the spelling of {what!r}{place}; the base image's distribution may not have it",
    ),
    (
        r"version '[^']+' for '(?P<what>[^']+)' was not found",
        "the base image's distribution has another version of {what!r}: ask for that, or for none",
    ),
    (
        r"because (?P<what>\S+) was not found in the package registry",
        "check the spelling of {what!r}{place}, or name the index that has it in pip_index",
    ),
    (
        r"because there is no version of (?P<what>\S+)",
        "the index has no {what}: ask for a version that it has",
    ),
    (
        r"because only (?P<what>\S+) (?:is|are) available",
        "the index has {what} only: ask for one of these",
    ),
    (
        r"no solution found when resolving dependencies",
        "the versions asked for do not go together: loosen one of those the resolver names",
    ),
    (
        r"git executable not found",
        "add git to apt_packages: a package comes from a git repository",
    ),
    (
        r"certificate verify failed|invalid peer certificate|unknownissuer",
        "set SSL_CERT_FILE to your company's CA bundle, so that build steps trust it",
    ),
    (
        r"(?s)(?:localhost|127\.0\.0\.1|\[::1\]).*connection refused",
        "in a build step localhost is the step itself: name the host, or set"
        " builder_options: {{network: host}}",
    ),
    (
        r"temporary failure (?:in name resolution|resolving)|could not resolve host|dns error"
        r"|failed to lookup address",
        "build steps have no network: set builder_options: {{network: host}}, or check the"
        " builder's DNS and proxies",
    ),
    (
        r"no space left on device",
        "the builder's disk is full: buildkit-spec prune",
    ),
    (
        r"401 unauthorized|403 forbidden",
        "the package index refuses the login: check pip_index and pip_secret_mounts",
    ),
    (
        r'exec: "/bin/sh": .*(?:no such file|not found)',
        "the base image has no shell, which packages and commands need: name another in base_image",
    ),
    (
        r"exec format error",
        "the builder cannot run programs for this platform: install QEMU's binfmt handlers there",
    ),
    (
        r"(?:sh|bash): \d*:? ?(?P<what>[\w./-]+): (?:command )?not found",
        "{what!r} is not in the image: add the package that has it to apt_packages",
    ),
)


def advice(field: str, log_tail: Sequence[str]) -> str:
    """Return what to do about a failed step; empty when nothing better than its log is known.

    Args:
        field: The spec's field the step comes from; may be empty.
        log_tail: The step's last lines.
    """
    text = "\n".join(log_tail)
    place = f" in {field}" if field else ""
    for pattern, remedy in _PATTERNS:
        found = re.search(pattern, text, re.IGNORECASE)
        if found:
            return remedy.format(place=place, **found.groupdict())
    return f"the step comes from the spec's {field}" if field else ""
