"""gRPC errors, translated once into ours."""

from __future__ import annotations

import re

from buildkit_spec.client._failure import Failure, take_apart
from buildkit_spec.client._registry_words import Trouble, diagnose, remedy
from buildkit_spec.client.address import Address
from buildkit_spec.client.engine_store import STORE_REMEDY
from buildkit_spec.errors import (
    BuildkitSpecError,
    ConnectionFailedError,
    DeadlineExceededError,
    ExecError,
    ExportError,
    ImageNotFoundError,
    RegistryAuthError,
    RegistryError,
    RegistryUnavailableError,
    SolveCanceledError,
    SolveError,
    UnsupportedCapabilityError,
)
from buildkit_spec.values import Reference

_KILLED = 137
# A daemon answers UNAVAILABLE too, when a registry does: then it says so in HTTP's words.
_DAEMON_SPEAKS = re.compile(r"unexpected status|https?://|failed to (?!connect to all)|dial tcp")
# Source: containerd, core/remotes/docker/fetcher.go and httpreadseeker.go.
_PULLED = re.compile(
    r"failed to (?:copy|fetch).*?https?://([^/\s]+)/v2/(\S+)/blobs/[^\s:]+:[^\s:]+: (.*)"
)
_SHORT = re.compile(r"short read: expected \d+ bytes.*")
_UNKNOWN_CAP = re.compile(r"unknown API capability (\S+)")

_SETTINGS: tuple[tuple[str, str, str], ...] = (
    (
        r"network\.host is not allowed",
        "the daemon does not allow steps with the host's network",
        "buildkitd --allow-insecure-entitlement network.host",
    ),
    (
        r"security\.insecure is not allowed",
        "the daemon does not allow privileged steps",
        "buildkitd --allow-insecure-entitlement security.insecure",
    ),
    (
        r"no space left on device",
        "the daemon's disk is full",
        "buildkit-spec prune",
    ),
)
"""What a daemon refuses by its settings: its text, ours, what to do."""


def translate(
    error: Exception, address: Address, *, timeout_s: float | None = None
) -> BuildkitSpecError:
    """Return our error for a failed call that is not about one image.

    Args:
        error: What gRPC raised.
        address: The daemon called.
        timeout_s: How long the call might take, in seconds, where it was limited.
    """
    failure = take_apart(error)
    said = failure.message
    if failure.code == "UNAVAILABLE" and not _DAEMON_SPEAKS.search(said):
        return ConnectionFailedError(
            f"the connection to {address} broke: {connection_reason(said)}",
            address=str(address),
            remedy="is the daemon still running? Its log says why it stopped",
        )
    if failure.code == "DEADLINE_EXCEEDED" and timeout_s is not None:
        return DeadlineExceededError(
            f"{address} was not done within {timeout_s:g} s",
            timeout_s=timeout_s,
            address=str(address),
        )
    if failure.code == "UNIMPLEMENTED":
        return UnsupportedCapabilityError(
            f"{address} cannot do this: {said}", capability=said, remedy="update the daemon"
        )
    if found := _UNKNOWN_CAP.search(said):
        return UnsupportedCapabilityError(
            f"{address} does not know {found[1]}, which the graph needs",
            capability=found[1],
            remedy="update the daemon",
        )
    solve_error = _solve_error(failure)
    solve_error.vertex_digest = failure.vertex
    solve_error.source = failure.source
    return solve_error


def connection_reason(said: str) -> str:
    """Return why gRPC has no connection, without its words around it."""
    found = re.search(r"last error: (?:[A-Z_]+: )?(.*)|^Stream removed \((.*)\)$", said)
    return next(filter(None, found.groups()), said) if found else said


def _solve_error(failure: Failure) -> SolveError:
    said, code = failure.message, failure.code
    if code == "CANCELLED":
        return SolveCanceledError("the build was cancelled", code=code)
    if failure.exit_code is not None:
        is_killed = failure.exit_code == _KILLED
        return ExecError(
            f"a step ended with exit code {failure.exit_code}",
            exit_code=failure.exit_code,
            code=code,
            remedy="it was killed: give the builder more memory" if is_killed else "",
        )
    for pattern, message, remedy_ in _SETTINGS:
        if re.search(pattern, said):
            return SolveError(message, code=code, remedy=remedy_)
    if re.search(r'exporter "?image"? could not be found', said):
        return SolveError(
            "this Docker Engine has no image exporter: it has no containerd image store",
            code=code,
            remedy="export with engine_exporter() and push with Client.push_image(), as"
            f" BuildkitBuilder does; or {STORE_REMEDY}",
        )
    if "failed to push" in said:
        return _export_error(failure)
    if found := _PULLED.search(said):
        host, repository, reason = found.groups()
        return SolveError(
            f"a layer of {host}/{repository} cannot be pulled: {reason}",
            code=code,
            remedy=remedy(diagnose(reason), host, is_push=False),
        )
    if found := _SHORT.search(said):
        return SolveError(
            f"a layer cannot be pulled: {found[0]}",
            code=code,
            remedy=remedy(Trouble.CUT, "", is_push=False),
        )
    return SolveError(said, code=code)


def _export_error(failure: Failure) -> ExportError:
    """Return the error of a push. Source: ``util/push/push.go``."""
    said = failure.message
    reference, _, reason = said.partition("failed to push ")[2].partition(": ")
    return ExportError(
        f"the image was built but not pushed: {reason or said}",
        reference=reference,
        code=failure.code,
        remedy=remedy(diagnose(reason), reference.partition("/")[0], is_push=True),
    )


def translate_image(error: Exception, reference: Reference, address: Address) -> BuildkitSpecError:
    """Return our error for an image that could not be resolved.

    Args:
        error: What gRPC raised.
        reference: The image, as it was asked for.
        address: The daemon that was to resolve it.
    """
    failure = take_apart(error)
    said = failure.message
    is_ours = failure.code in {"UNAVAILABLE", "DEADLINE_EXCEEDED"} and not _DAEMON_SPEAKS.search(
        said
    )
    if is_ours or failure.code in {"CANCELLED", "UNIMPLEMENTED"}:
        return translate(error, address)
    return image_error(said, reference)


def image_error(said: str, reference: Reference) -> RegistryError:
    """Return the error of an image that a daemon could not get.

    Args:
        said: What the daemon said about it.
        reference: The image, as it was asked for.
    """
    name, trouble = reference.familiar, diagnose(said)
    what_to_do = remedy(trouble, reference.registry, is_push=False)
    said = said.removeprefix(f"{reference}: ")
    if trouble is Trouble.AUTH:
        return RegistryAuthError(
            f"the registry refuses the image {name}: {said}", reference=name, remedy=what_to_do
        )
    if trouble is Trouble.MISSING:
        return ImageNotFoundError(
            f"there is no image {name}: {said}", reference=name, status=404, remedy=what_to_do
        )
    return RegistryUnavailableError(
        f"the image {name} cannot be read: {said}", reference=name, remedy=what_to_do
    )
