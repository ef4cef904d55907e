"""What to do about a step that failed, told from what it printed."""

from __future__ import annotations

import re
from collections.abc import Sequence

_PATTERNS: tuple[tuple[str, str], ...] = (
    (
        r"unable to locate package (?P<what>\S+)",
        "check the spelling of {what!r} in apt_packages; the base image's distribution may not"
        " have it",
    ),
    (
        r"because (?P<what>\S+) was not found in the package registry",
        "check the spelling of {what!r} in packages, or name the index that has it in pip_index",
    ),
    (
        r"no solution found when resolving dependencies",
        "the versions asked for do not go together: loosen one of those the resolver names",
    ),
    (
        r"certificate verify failed|invalid peer certificate|unknownissuer",
        "set SSL_CERT_FILE to your company's CA bundle, so that build steps trust it",
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
    text = "\n".join(log_tail).lower()
    for pattern, remedy in _PATTERNS:
        found = re.search(pattern, text)
        if found:
            return remedy.format(**found.groupdict())
    return f"the step comes from the spec's {field}" if field else ""
