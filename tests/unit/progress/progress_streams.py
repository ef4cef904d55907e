"""Status streams for the tests: short words for made ones, and a reader of recorded ones."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from pathlib import Path

from buildkit_spec.values import (
    Digest,
    LogChunk,
    StatusUpdate,
    TransferStatus,
    VertexStatus,
)

BEGIN = datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone.utc)


def at(seconds):
    """The moment this many seconds into the build."""
    return None if seconds is None else BEGIN + timedelta(seconds=seconds)


def digest(name):
    return Digest.of(name.encode())


def vertex(name, started=None, completed=None, **more):
    return VertexStatus(digest(name), name, started=at(started), completed=at(completed), **more)


def log(name, data, seconds=None, stream=1):
    return LogChunk(digest(name), stream, data, at(seconds))


def transfer(id, name, current=0, total=0, started=0, completed=None):
    return TransferStatus(id, digest(name), "", current, total, at(started), at(completed))


def told(*items):
    """One update of vertices, transfers and log chunks, in whatever order they are given."""
    kinds = {VertexStatus: "vertices", TransferStatus: "transfers", LogChunk: "logs"}
    fields = {}
    for item in items:
        kind = kinds.get(type(item), "warnings")
        fields[kind] = (*fields.get(kind, ()), item)
    return StatusUpdate(**fields)


def recorded(name):
    """The updates of a stream recorded from a real daemon."""
    text = (Path(__file__).parent / f"{name}.jsonl").read_text()
    return [_update(json.loads(line)) for line in text.splitlines()]


def _update(entry):
    return StatusUpdate(
        tuple(
            VertexStatus(
                Digest(value),
                name,
                tuple(map(Digest, inputs)),
                _time(started),
                _time(completed),
                is_cached,
                error,
                group,
            )
            for value, name, inputs, started, completed, is_cached, error, group in entry.get(
                "vertices", ()
            )
        ),
        tuple(
            TransferStatus(id, Digest(value), name, current, total, _time(begun), _time(ended))
            for id, value, name, current, total, begun, ended in entry.get("transfers", ())
        ),
        tuple(
            LogChunk(Digest(value), stream, data.encode("latin-1"), _time(moment))
            for value, stream, data, moment in entry.get("logs", ())
        ),
    )


def _time(text):
    return None if text is None else datetime.fromisoformat(text)
