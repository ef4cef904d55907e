"""What the graphs share: their registry and the states they begin with."""

from __future__ import annotations

from collections.abc import Callable

from buildkit_spec import llb
from buildkit_spec.llb import State
from buildkit_spec.values import Digest, Platform

A = Digest("sha256:" + "a" * 64)
ARM64 = Platform("linux", "arm64")
ARM64_V8 = Platform("linux", "arm64", "v8")
REPO = "https://git.example.com/team/repo.git"
NS = 1700000000123456789

GRAPHS: dict[str, Callable[[], State]] = {}
"""What makes each graph, by the vector's name."""


def graph(make: Callable[[], State]) -> Callable[[], State]:
    GRAPHS[make.__name__] = make
    return make


def busybox() -> State:
    return llb.image("busybox")


def alpine() -> State:
    return llb.image("alpine:3.20")


def context() -> State:
    return llb.local("context", session_id="session-1")


def made(path: str) -> State:
    return llb.scratch().file(llb.mkfile(path, path, mode=0o644))


def true(*mounts: llb.Mount, **options: object) -> llb.Run:
    return busybox().run(["true"], mounts=mounts, **options)
