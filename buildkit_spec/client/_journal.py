"""What a build has told so far, kept so that a failure can be explained."""

from __future__ import annotations

import threading
from collections import deque

from buildkit_spec._pb import ops
from buildkit_spec.client._errors import image_error
from buildkit_spec.errors import ExecError, InvalidReferenceError, SolveError
from buildkit_spec.llb import Definition
from buildkit_spec.values import Digest, Reference, StatusUpdate

_MAX_LINES = 60
_MAX_LINE_BYTES = 2000
_MAX_NAME = 100
_IMAGE = "docker-image://"


class _Log:
    """The last lines of one step; of a line that is rewritten in place, as it stood last."""

    def __init__(self) -> None:
        self._lines: deque[bytes] = deque(maxlen=_MAX_LINES)
        # Chunks of standard output and error come in turn, cut anywhere.
        self._unfinished: dict[int, bytes] = {}

    def add(self, stream: int, data: bytes) -> None:
        *ended, rest = (self._unfinished.pop(stream, b"") + data).split(b"\n")
        self._lines.extend(line[-_MAX_LINE_BYTES:] for line in ended)
        if rest:
            self._unfinished[stream] = rest[-_MAX_LINE_BYTES:]

    def tail(self) -> tuple[str, ...]:
        every = [*self._lines, *self._unfinished.values()][-_MAX_LINES:]
        lines = (_last_state(line).decode(errors="replace") for line in every)
        return tuple(line.rstrip() for line in lines if line.strip())


class Journal:
    """Names, last log lines and graphs of a build; safe from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._names: dict[str, str] = {}
        self._logs: dict[str, _Log] = {}
        self._failed: dict[str, str] = {}
        self._definitions: list[Definition] = []

    def learn(self, update: StatusUpdate) -> None:
        """Take in one message of the status stream."""
        with self._lock:
            for vertex in update.vertices:
                self._names[str(vertex.digest)] = vertex.name
                if vertex.error:
                    self._failed.setdefault(str(vertex.digest), vertex.error)
            for chunk in update.logs:
                self._logs.setdefault(str(chunk.vertex), _Log()).add(chunk.stream, chunk.data)

    def learn_definition(self, definition: Definition) -> None:
        """Take in a graph that is about to be solved."""
        with self._lock:
            self._definitions.append(definition)

    def explain(self, error: SolveError) -> None:
        """Fill in what a failure's own message does not hold: step, command, last lines, remedy.

        Args:
            error: The failure; its empty members are filled. Without a vertex it is taken to be
                the first one that failed by itself.
        """
        with self._lock:
            digest = error.vertex_digest or self._first_failed()
            if not digest:
                return
            error.vertex_digest = digest
            error.vertex = error.vertex or self._names.get(digest, "")
            if not error.log_tail and digest in self._logs:
                error.log_tail = self._logs[digest].tail()
            op = self._op(digest)
        if isinstance(error, ExecError):
            error.command = error.command or tuple(op.exec.meta.args)
            if error.vertex:
                name = " ".join(error.vertex.split())
                short = name if len(name) <= _MAX_NAME else name[: _MAX_NAME - 1] + "…"
                error.message = f"step {short!r} ended with exit code {error.exit_code}"
        elif op.source.identifier.startswith(_IMAGE) and not error.remedy:
            error.remedy = _image_remedy(op.source.identifier, error.message)

    def _first_failed(self) -> str:
        # What fails because something else did says only this.
        alone = (digest for digest, said in self._failed.items() if "context canceled" not in said)
        return next(alone, "")

    def _op(self, digest: str) -> ops.Op:
        wanted = Digest(digest)
        for definition in self._definitions:
            for op in definition.ops:
                if Digest.of(op) == wanted:
                    return ops.Op.FromString(op)
        return ops.Op()


def _last_state(line: bytes) -> bytes:
    """Return what a terminal would show of a line: what follows the last carriage return."""
    return line.rstrip(b"\r").rpartition(b"\r")[2]


def _image_remedy(identifier: str, said: str) -> str:
    try:
        return image_error(said, Reference.parse(identifier.removeprefix(_IMAGE))).remedy
    except InvalidReferenceError:
        return ""
