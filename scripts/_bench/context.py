"""Sending files to the daemon, first and again, against buildx."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from _bench.peer import buildx
from _bench.timing import in_turn, process, report

SPEC = "name: context\nbase_image: scratch\nsource_root: files\nsource_copy_mode: all\n"


def measure() -> None:
    """20 000 files of 2 KiB, then 512 MiB in four files; new ones and unchanged ones."""
    for name, count, size in [("20 000 files", 20_000, 2048), ("512 MiB", 4, 128 << 20)]:
        first: dict[str, float] = {}
        again: dict[str, float] = {}
        for who in ("ours", "buildx"):
            with tempfile.TemporaryDirectory() as folder:
                command = _prepare(who, Path(folder), count, size)
                first[who] = process(command)
                again[who] = in_turn({who: lambda _, c=command: process(c)}, rounds=3)[who]
        report(
            {f"{name}, first, {who}": took for who, took in first.items()}, f"{name}, first, buildx"
        )
        report(
            {f"{name}, again, {who}": took for who, took in again.items()}, f"{name}, again, buildx"
        )


def _prepare(who: str, folder: Path, count: int, size: int) -> list[str]:
    root = folder / "files"
    for number in range(count):
        directory = root / f"d{number % 100}"
        directory.mkdir(parents=True, exist_ok=True)
        content = os.urandom(64) + bytes([number % 256]) * (size - 64)
        (directory / f"f{number}").write_bytes(content)
    if who == "ours":
        (folder / "image.yaml").write_text(SPEC)
        spec = str(folder / "image.yaml")
        return ["buildkit-spec", "build", spec, "--no-push", "--force", "--progress", "quiet"]
    (folder / "Dockerfile").write_text("FROM scratch\nCOPY files /root\n")
    return buildx(
        "build", "--progress", "quiet", "--provenance=false", "--tag", "context", str(folder)
    )
