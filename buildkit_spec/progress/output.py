"""A stream that may go away: what is written to it must never end a build."""

from __future__ import annotations

from typing import TextIO


class Output:
    """Writes to a text stream until it breaks, then drops everything.

    A reader that has enough (``| head``) closes its end; the build goes on. Characters that the
    stream cannot encode are replaced.

    Args:
        stream: Where to write; not closed by us.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.is_broken = False

    @property
    def encoding(self) -> str:
        """The stream's encoding."""
        return getattr(self._stream, "encoding", None) or "utf-8"

    def write(self, text: str) -> int:
        """Write *text* if the stream still takes it."""
        if not self.is_broken:
            try:
                self._write(text)
            except (OSError, ValueError):  # ValueError: the stream was closed
                self.is_broken = True
        return len(text)

    def write_line(self, text: str) -> None:
        """Write one line, and have it out."""
        self.write(text + "\n")
        self.flush()

    def flush(self) -> None:
        """Have everything written out."""
        if not self.is_broken:
            try:
                self._stream.flush()
            except (OSError, ValueError):
                self.is_broken = True

    def isatty(self) -> bool:
        """Whether the stream is a terminal."""
        try:
            return self._stream.isatty()
        except (AttributeError, OSError, ValueError):
            return False

    def fileno(self) -> int:
        """The stream's descriptor.

        Raises:
            OSError: It has none.
        """
        return self._stream.fileno()

    def _write(self, text: str) -> None:
        try:
            self._stream.write(text)
        except UnicodeEncodeError:
            encoding = self.encoding
            self._stream.write(text.encode(encoding, "replace").decode(encoding))
