"""What to do about a step that failed, told from what it printed."""

from __future__ import annotations

import re
from collections.abc import Sequence

from buildkit_spec.errors import ExecError, ResolutionError, SolveError

# Of the shell of a step; a runc of before 1.1 does not name it.
_FOREIGN = r"exec (?:/bin/sh|user process caused): exec format error"

_PATTERNS: tuple[tuple[str, str], ...] = (
    (
        r"failed to (?:install|download) (?P<what>cpython\S+)",
        "name where interpreters come from in builder_config.python_mirror, or a base image that"
        " has the Python you want",
    ),
    (
        r"no download found for request: (?P<what>\S+)",
        "uv knows no {what}: ask for another python_version, or name a list that has it in"
        " builder_config.python_downloads; builder_config.python_mirror names a mirror",
    ),
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
        _FOREIGN,
        "install QEMU's binfmt handlers on the builder's machine (Debian: apt-get install"
        " qemu-user-static), or use a builder of that platform",
    ),
    (
        r"exec format error",
        "a program of another platform was run, or a script without its #! line",
    ),
    (
        r"(?:sh|bash): \d*:? ?(?P<what>[\w./-]+): (?:command )?not found",
        "{what!r} is not in the image: add the package that has it to apt_packages",
    ),
)

_LOCK_STEP = re.compile(r"^\[([^\]]* )?([a-z.]+\.)?lock\] ")


def as_resolution(error: SolveError) -> SolveError:
    """Return a failure of the resolver as such, in its own words; others as they are."""
    if not isinstance(error, ExecError) or not _LOCK_STEP.match(error.vertex):
        return error
    said = [line.removeprefix("error: ") for line in error.log_tail if line.strip()]
    field = "requirements" if " -r " in error.vertex and "==" not in error.vertex else "packages"
    resolution = ResolutionError(
        f"the Python packages cannot be resolved: {said[0][:1].lower()}{said[0][1:]}"
        if said
        else "the Python packages cannot be resolved",
        explanation=said[1:],
        exit_code=error.exit_code,
        vertex=error.vertex,
        source=error.source or field,
        remedy=error.remedy or advice(field, error.log_tail),
    )
    resolution.__cause__ = error.__cause__
    return resolution


def is_foreign(log_tail: Sequence[str]) -> bool:
    """Whether a step failed because the builder cannot run programs of its platform.

    Not told from what the daemon's workers list: ``buildkitd`` brings emulators that are not in it.
    Source: ``solver/llbsolver/ops/exec_binfmt.go``.
    """
    return any(re.search(_FOREIGN, line) for line in log_tail)


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
