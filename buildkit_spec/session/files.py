"""`FileSync`: sends shared directories to the daemon, which asks for them by name."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote_plus

from buildkit_spec._pb import filesync
from buildkit_spec._pb._method import Method
from buildkit_spec._pb.fsutil import Packet
from buildkit_spec.errors import BuildkitSpecError
from buildkit_spec.session._call import NOT_FOUND, Call, CallCancelledError, Handler, StatusError
from buildkit_spec.session._selection import narrowed, selection
from buildkit_spec.session._transfer import Transfer
from buildkit_spec.session._walk import Choice, Tree
from buildkit_spec.values.entry import Entry


@dataclass(frozen=True, slots=True)
class SharedDir:
    """A directory that the daemon may read.

    Attributes:
        root: The directory.
        accepts: Asked about each entry, by its path from the root with ``/`` and whether it is a
            directory; what it refuses is not sent, nor entered. None accepts everything. Called
            from a thread of the session's.
        mode_mask: Permission bits that are sent, symlinks' aside; the others are cleared.
        listing: Yields what there is, in the protocol's order, when that was found before: then
            the directory is not walked, and nothing else of it is ever sent. The daemon does not
            ask for a file whose size and time it has seen.
    """

    root: Path
    accepts: Callable[[str, bool], bool] | None = None
    mode_mask: int = 0o7777
    listing: Callable[[], Iterable[Entry]] | None = None


class FileSync:
    """Answers ``moby.filesync.v1.FileSync/DiffCopy``.

    Args:
        directories: What is shared, by the name of its ``local`` source.
    """

    def __init__(self, directories: Mapping[str, SharedDir]) -> None:
        self._directories = dict(directories)

    def methods(self) -> Mapping[Method[Any, Any], Handler]:
        """See `Attachable.methods`."""
        return {filesync.FileSync.DiffCopy: self._diff_copy}

    def _diff_copy(self, call: Call[Packet, Packet]) -> None:
        name = next(iter(_values(call.metadata, "dir-name")), "")
        shared = self._directories.get(name)
        if shared is None:
            raise StatusError(NOT_FOUND, f"no directory {name!r} is shared")
        try:
            with Tree(shared.root) as tree:
                entries = _entries(call, tree, shared)
                Transfer(call, tree, shared.mode_mask).run(entries)
        except BuildkitSpecError as error:
            # What the daemon shows; the status of the call comes too late for it.
            data = error.message.encode(errors="replace")
            call.send(Packet(type=Packet.PACKET_ERR, data=data))
            raise


def _entries(call: Call[Packet, Packet], tree: Tree, shared: SharedDir) -> Iterable[Entry]:
    """Return what the daemon is told of."""
    patterns = {
        "includes": _values(call.metadata, "include-patterns"),
        "excludes": _values(call.metadata, "exclude-patterns"),
        "follow": _values(call.metadata, "followpaths"),
    }
    if shared.listing is not None and shared.accepts is None and not any(patterns.values()):
        return shared.listing()
    choose = selection(tree, shared.accepts, **patterns)

    def choice(path: str, is_dir: bool, memory: object) -> Choice:
        if call.is_cancelled:  # a walk that finds nothing to send would not see it
            raise CallCancelledError
        return choose(path, is_dir, memory)

    return tree.walk(choice) if shared.listing is None else narrowed(shared.listing(), choice)


def _values(metadata: Mapping[str, tuple[str, ...]], key: str) -> tuple[str, ...]:
    """Return a key's values. Source: ``session/filesync/filesync.go``, ``decodeOpts``."""
    values = metadata.get(key, ())
    if metadata.get(f"{key}-encoded", ("",))[0].lower() in ("1", "t", "true"):
        return tuple(unquote_plus(value) for value in values)
    return values
