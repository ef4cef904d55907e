"""The log for CI, as text."""

from __future__ import annotations

import io
from datetime import datetime, timedelta, timezone

from buildkit_spec.progress import open_display
from buildkit_spec.values import (
    BuildWarning,
    Digest,
    LogChunk,
    StatusUpdate,
    TransferStatus,
    VertexStatus,
)

BEGIN = datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone.utc)


def at(seconds):
    return BEGIN + timedelta(seconds=seconds)


def digest(name):
    return Digest.of(name.encode())


def test_plain_tells_of_a_build_line_by_line():
    """Each step has its header, its lines and its end; a cached one says so."""
    apt, pip = digest("apt"), digest("pip")
    stream = io.StringIO()
    with open_display("plain", stream, clock=lambda: 0.0) as display:
        build = display.for_build("")
        build.update(StatusUpdate((VertexStatus(apt, "[apt] install jq", started=at(0)),)))
        build.update(StatusUpdate(logs=(LogChunk(apt, 1, b"Get:1 jq\nhal", at(0.412)),)))
        build.update(StatusUpdate(logs=(LogChunk(apt, 1, b"f\n", at(0.5)),)))
        build.update(
            StatusUpdate(
                (
                    VertexStatus(apt, "[apt] install jq", started=at(0), completed=at(0.6)),
                    VertexStatus(
                        pip, "[pip] install x", started=at(1), completed=at(1), is_cached=True
                    ),
                )
            )
        )

    assert stream.getvalue() == (
        "#1 [apt] install jq\n"
        "#1 0.412 Get:1 jq\n"
        "#1 0.500 half\n"
        "#1 DONE 0.6s\n"
        "#2 [pip] install x\n"
        "#2 CACHED\n"
    )
