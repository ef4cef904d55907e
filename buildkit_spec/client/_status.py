"""The status stream, decoded into values."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import TYPE_CHECKING

from buildkit_spec.values import (
    BuildWarning,
    Digest,
    LogChunk,
    StatusUpdate,
    TransferStatus,
    VertexStatus,
)

if TYPE_CHECKING:
    from buildkit_spec._pb import control
    from buildkit_spec._pb.timestamp import Timestamp


def decode(response: control.StatusResponse) -> StatusUpdate:
    """Return one message of the stream as values."""
    return StatusUpdate(
        vertices=tuple(_vertex(one) for one in response.vertexes),
        transfers=tuple(_transfer(one) for one in response.statuses),
        logs=tuple(
            LogChunk(Digest(one.vertex), one.stream, one.msg, _time(one, "timestamp"))
            for one in response.logs
        ),
        warnings=tuple(
            BuildWarning(
                Digest(one.vertex),
                one.short.decode(errors="replace"),
                tuple(line.decode(errors="replace") for line in one.detail),
                one.url,
            )
            for one in response.warnings
        ),
    )


def _vertex(one: control.Vertex) -> VertexStatus:
    return VertexStatus(
        Digest(one.digest),
        one.name,
        tuple(map(Digest, one.inputs)),
        _time(one, "started"),
        _time(one, "completed"),
        one.cached,
        one.error,
        one.progressGroup.name,
    )


def _transfer(one: control.VertexStatus) -> TransferStatus:
    return TransferStatus(
        one.ID,
        Digest(one.vertex),
        one.name,
        one.current,
        one.total,
        _time(one, "started"),
        _time(one, "completed"),
    )


def _time(
    message: control.Vertex | control.VertexStatus | control.VertexLog, field: str
) -> datetime | None:
    if not message.HasField(field):  # type: ignore[arg-type]
        return None
    value: Timestamp = getattr(message, field)
    return datetime.fromtimestamp(value.seconds + value.nanos / 1e9, tz=timezone.utc)
