"""gRPC errors, translated once into ours.

BuildKit sends its typed errors as JSON inside the ``Any`` details of a ``google.rpc.Status``.
Source: ``util/grpcerrors/grpcerrors.go``, ``solver/errdefs``, ``frontend/gateway/pb/exit.go``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from buildkit_spec._pb import rpc
from buildkit_spec.client.address import Address
from buildkit_spec.errors import (
    BuildkitSpecError,
    ConnectionFailedError,
    DeadlineExceededError,
    ExecError,
    ExportError,
    ImageNotFoundError,
    RegistryAuthError,
    RegistryUnavailableError,
    SolveCanceledError,
    SolveError,
    UnsupportedCapabilityError,
)

if TYPE_CHECKING:
    import grpc

_DETAILS = "grpc-status-details-bin"
_EXIT_CODE = re.compile(r"did not complete successfully: exit code: (\d+)")
_LOGIN = re.compile(r"//[^/\s:@]+:[^/\s@]+@")


@dataclass(frozen=True, slots=True)
class Failure:
    """One failed call, taken apart.

    Attributes:
        code: gRPC status code name.
        message: The daemon's text, one line, logins taken out.
        vertex: Digest of the vertex that failed, or empty.
        exit_code: Of the command that failed, or None.
    """

    code: str
    message: str
    vertex: str = ""
    exit_code: int | None = None


def take_apart(error: grpc.RpcError) -> Failure:
    """Return what a gRPC error says."""
    code = error.code().name if hasattr(error, "code") else "UNKNOWN"
    text = error.details() or "" if hasattr(error, "details") else str(error)
    details = dict(_typed_details(error))
    vertex = str(details.get("errdefs.Vertex", {}).get("digest", ""))
    exit_code = details.get("gatewayapi.ExitMessage", {}).get("Code")
    found = _EXIT_CODE.search(text)
    if exit_code is None and found:
        exit_code = found[1]
    line = " ".join(_LOGIN.sub("//***@", text).split())
    return Failure(code, line, vertex, None if exit_code is None else int(exit_code))


def _typed_details(error: grpc.RpcError) -> list[tuple[str, dict[str, Any]]]:
    found = []
    metadata: Iterable[tuple[str, bytes]] = ()
    if hasattr(error, "trailing_metadata"):
        metadata = cast("Iterable[tuple[str, bytes]]", error.trailing_metadata() or ())
    for key, value in metadata:
        if key != _DETAILS:
            continue
        for detail in rpc.Status.FromString(value).details:
            name = detail.type_url.rpartition("/")[2]
            if not name.endswith("+json"):
                continue
            try:
                document = json.loads(detail.value)
            except ValueError:
                continue
            if isinstance(document, dict):
                found.append((name.removesuffix("+json"), document))
    return found


def translate(error: grpc.RpcError, address: Address) -> BuildkitSpecError:
    """Return our error for a failed call that is not about one image.

    Args:
        error: What gRPC raised.
        address: The daemon called.
    """
    failure = take_apart(error)
    said = failure.message
    if failure.code == "UNAVAILABLE":
        return ConnectionFailedError(
            f"the connection to {address} broke: {said}",
            address=str(address),
            remedy="is the daemon still running? Its log says why it stopped",
        )
    if failure.code == "DEADLINE_EXCEEDED":
        return DeadlineExceededError(
            f"{address} did not answer in time", timeout_s=0, address=str(address)
        )
    if failure.code == "UNIMPLEMENTED":
        return UnsupportedCapabilityError(
            f"{address} cannot do this: {said}",
            capability=said,
            remedy="update the daemon",
        )
    if failure.code == "CANCELLED":
        return SolveCanceledError("the build was cancelled", code=failure.code)
    if failure.exit_code is not None:
        return ExecError(
            f"a step ended with exit code {failure.exit_code}",
            exit_code=failure.exit_code,
            code=failure.code,
        )
    return _export_error(failure) or _daemon_setting(failure) or SolveError(said, code=failure.code)


def _export_error(failure: Failure) -> ExportError | None:
    """Return the error of a push, told by the words of ``util/push`` and containerd."""
    said = failure.message
    if "failed to push" not in said and "failed to authorize" not in said:
        return None
    reference = said.partition("failed to push ")[2].partition(": ")[0]
    host = reference.partition("/")[0]
    if re.search(r"40[13] |denied|unauthorized|forbidden|authorization failed", said, re.I):
        remedy = f"docker login {host}".rstrip()
    elif "server gave HTTP response to HTTPS client" in said:
        remedy = f"allow plain http: --insecure-registry {host}"
    elif re.search(r"connection refused|no such host|i/o timeout|dial tcp", said):
        remedy = f"is {host or 'the registry'} up, and can the daemon reach it under this name?"
    else:
        remedy = ""
    message = f"the image was built but not pushed: {said}"
    return ExportError(message, reference=reference, code=failure.code, remedy=remedy)


def _daemon_setting(failure: Failure) -> SolveError | UnsupportedCapabilityError | None:
    said = failure.message
    if "network.host is not allowed" in said:
        return SolveError(
            "the daemon does not allow steps with the host's network",
            code=failure.code,
            remedy="buildkitd --allow-insecure-entitlement network.host",
        )
    if re.search(r'exporter "?image"? could not be found', said):
        return UnsupportedCapabilityError(
            "this Docker Engine cannot push from a build: it has no containerd image store",
            capability="exporter.image",
            remedy='set {"features": {"containerd-snapshotter": true}} in daemon.json',
        )
    return None


def translate_image(error: grpc.RpcError, name: str, address: Address) -> BuildkitSpecError:
    """Return our error for an image that could not be resolved.

    Args:
        error: What gRPC raised.
        name: The image, as it was asked for.
        address: The daemon that was to resolve it.
    """
    failure = take_apart(error)
    said = failure.message
    host = name.partition("/")[0]
    if failure.code in {"UNAVAILABLE", "CANCELLED"} and "docker" not in said.lower():
        return translate(error, address)
    if re.search(r"401|403|unauthorized|denied|forbidden|authorization failed", said, re.I):
        return RegistryAuthError(
            f"the registry refuses {name}: {said}",
            reference=name,
            remedy=f"docker login {host}, or check the spelling: private and absent look the same",
        )
    if re.search(r"not found|no match for platform|manifest unknown", said, re.I):
        return ImageNotFoundError(
            f"the base image {name} does not exist: {said}",
            reference=name,
            status=404,
            remedy="check name, tag and platform of base_image",
        )
    return RegistryUnavailableError(
        f"the base image {name} cannot be read: {said}",
        reference=name,
        remedy=f"can the daemon reach {host}? Try again, or use another base_image",
    )
