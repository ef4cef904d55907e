"""What a failed gRPC call says, taken apart.

BuildKit sends its typed errors as JSON inside the ``Any`` details of a ``google.rpc.Status``.
Source: ``util/grpcerrors/grpcerrors.go``, ``solver/errdefs``, ``frontend/gateway/pb/exit.go``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, cast

import grpc
from google.protobuf.message import DecodeError

from buildkit_spec._pb import rpc

_DETAILS = "grpc-status-details-bin"
_JSON = "+json"
# What the executor says where a daemon sends no details; the second form before 0.9.
# Source: executor/runcexecutor.
_EXIT_CODE = re.compile(
    r"(?:did not complete successfully|executor failed running \[.*\]): exit code: (\d+)", re.S
)
_MAX_TEXT = 3000
_LOGIN = re.compile(r"//[^/\s@]+@")
_TOKEN = re.compile(
    r"([?&][^=&\s]*(?:token|sig|secret|password|credential)[^=&\s]*=)[^&\s\"]+", re.I
)


@dataclass(frozen=True, slots=True)
class Failure:
    """One failed call.

    Attributes:
        code: Name of its gRPC status code.
        message: The daemon's text, one line, logins and tokens taken out.
        vertex: Digest of the vertex that failed, or empty.
        exit_code: Of the command that failed, or None.
        source: ``file:line`` that the failed vertex comes from, or empty.
    """

    code: str
    message: str
    vertex: str = ""
    exit_code: int | None = None
    source: str = ""


def take_apart(error: Exception) -> Failure:
    """Return what a failed call says.

    Args:
        error: A `grpc.RpcError` or `grpc.FutureCancelledError`.
    """
    if not isinstance(error, grpc.Call):
        return Failure("CANCELLED", "the call was cancelled")
    text = error.details() or ""
    details = _details(status_of(error))
    exit_code = details.get("gatewayapi.ExitMessage", {}).get("Code")
    if exit_code is None and (found := _EXIT_CODE.search(text)):
        exit_code = found[1]
    return Failure(
        error.code().name,
        one_line(text),
        vertex=str(details.get("errdefs.Vertex", {}).get("digest", "")),
        exit_code=None if exit_code is None else int(exit_code),
        source=_place(details.get("errdefs.Source", {})),
    )


def status_of(error: object) -> rpc.Status | None:
    """Return the whole status that a daemon ended a call with, details included; else None."""
    if not isinstance(error, grpc.Call):
        return None
    metadata = cast("Iterable[tuple[str, bytes]]", error.trailing_metadata() or ())
    for key, value in metadata:
        if key == _DETAILS:
            try:
                return rpc.Status.FromString(value)
            except DecodeError:
                return None
    return None


def one_line(text: str) -> str:
    """Return the text on one line, without logins and tokens; of a long one head and tail."""
    line = _TOKEN.sub(r"\1***", _LOGIN.sub("//***@", " ".join(text.split())))
    if len(line) <= _MAX_TEXT:
        return line
    half = _MAX_TEXT // 2
    return f"{line[:half]} … {line[-half:]}"


def _details(status: rpc.Status | None) -> dict[str, dict[str, Any]]:
    """Return the typed errors by name; of several with one name the innermost, which is last."""
    found = {}
    for detail in status.details if status is not None else ():
        name = detail.type_url.rpartition("/")[2]
        if not name.endswith(_JSON):
            continue
        try:
            document = json.loads(detail.value)
        except ValueError:
            continue
        if isinstance(document, dict):
            found[name.removesuffix(_JSON)] = document
    return found


def _place(source: dict[str, Any]) -> str:
    try:
        line = source["ranges"][0]["start"]["line"]
        return f"{source['info']['filename']}:{line}"
    except (KeyError, IndexError, TypeError):
        return ""
