"""What a build has told so far, kept so that a failure can be explained."""

from __future__ import annotations

import threading
from collections import deque

from buildkit_spec._pb import ops
from buildkit_spec.errors import ExecError, SolveError
from buildkit_spec.llb import Definition
from buildkit_spec.values import Digest, StatusUpdate

_MAX_LINES = 60


class Journal:
    """Names, last log lines and commands of a build's vertices; safe from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._names: dict[str, str] = {}
        self._logs: dict[str, deque[bytes]] = {}
        self._failed: list[str] = []
        self._definitions: list[Definition] = []

    def learn(self, update: StatusUpdate) -> None:
        """Take in one message of the status stream."""
        with self._lock:
            for vertex in update.vertices:
                self._names[str(vertex.digest)] = vertex.name
                if vertex.error:
                    self._failed.append(str(vertex.digest))
            for chunk in update.logs:
                log = self._logs.setdefault(str(chunk.vertex), deque(maxlen=_MAX_LINES))
                pieces = chunk.data.split(b"\n")
                if log:
                    log[-1] += pieces.pop(0)
                log.extend(pieces)

    def learn_definition(self, definition: Definition) -> None:
        """Take in a graph that is about to be solved."""
        with self._lock:
            self._definitions.append(definition)

    def explain(self, error: SolveError, digest: str) -> None:
        """Fill in what a failure's own message does not hold: step, command, last lines.

        Args:
            error: The failure; its empty members are filled.
            digest: Of the vertex that failed, or empty: then the first one that told an error.
        """
        with self._lock:
            digest = digest or next(iter(self._failed), "")
            if not digest:
                return
            error.vertex = error.vertex or self._names.get(digest, "")
            if not error.log_tail:
                lines = (line.decode(errors="replace") for line in self._logs.get(digest, ()))
                error.log_tail = tuple(line.rstrip() for line in lines if line.strip())
            if isinstance(error, ExecError) and not error.command:
                error.command = self._command(digest)

    def _command(self, digest: str) -> tuple[str, ...]:
        wanted = Digest(digest)
        for definition in self._definitions:
            for known, op in zip(definition.digests(), definition.ops, strict=True):
                if known == wanted:
                    return tuple(ops.Op.FromString(op).exec.meta.args)
        return ()
