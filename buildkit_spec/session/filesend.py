"""Results of a build that come back to us: archives as streams of bytes, and directories.

Source: ``session/filesync/filesync.go`` ``SyncTarget``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Any, Protocol

from buildkit_spec._pb import filesync as pb
from buildkit_spec._pb._method import Method
from buildkit_spec.errors import SessionError
from buildkit_spec.session._call import NOT_FOUND, Call, Handler, StatusError
from buildkit_spec.session.receive import ReceivedDirectory

_EXPORTER_HEADER = "buildkit-attachable-exporter-id"
_METADATA_PREFIX = "exporter-md-"


class Sink(Protocol):
    """Takes the bytes of a result."""

    def write(self, data: bytes, /) -> object:
        """Take the next ones, all of them."""


Target = Callable[[Mapping[str, str]], AbstractContextManager[Sink]]
"""Opens what a result goes to, such as a buffered file, given what the exporter says of it, such as
``containerimage.digest``. Raises OSError when it cannot be opened."""


class FileSend:
    """Answers ``moby.filesync.v1.FileSend``.

    Each file is closed when its stream ends. It is complete only if the build then succeeds.

    Args:
        targets: What opens the file of each exporter, by the exporter's index in the build; or the
            directory of one that sends a tree.
    """

    def __init__(self, targets: Mapping[int, Target | ReceivedDirectory]) -> None:
        self._targets = {str(index): target for index, target in targets.items()}

    def methods(self) -> Mapping[Method[Any, Any], Handler]:
        """See `Attachable.methods`."""
        return {pb.FileSend.DiffCopy: self._write}

    def _write(self, call: Call[Any, Any]) -> None:
        # Daemons that know one exporter only do not number it.
        index = call.metadata.get(_EXPORTER_HEADER, ("0",))[0]
        target = self._targets.get(index)
        if target is None:
            raise StatusError(NOT_FOUND, f"nothing takes the result of exporter {index}")
        if isinstance(target, ReceivedDirectory):
            target.receive(call)
            return
        said = {
            name.removeprefix(_METADATA_PREFIX): ",".join(values)
            for name, values in call.metadata.items()
            if name.startswith(_METADATA_PREFIX)
        }
        try:
            with target(said) as file:
                for message in call.messages():
                    file.write(message.data)
        except OSError as error:
            why = (error.strerror or type(error).__name__).lower()
            where = f" to {error.filename}" if error.filename else ""
            raise SessionError(
                f"cannot write the result of exporter {index}{where}: {why}",
                remedy="check the path, who may write it, and the space that is left",
            ) from error
