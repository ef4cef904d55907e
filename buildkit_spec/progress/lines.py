"""Log bytes made into lines, and any text of a daemon made safe to print."""

from __future__ import annotations

import re

LINE_LIMIT_BYTES = 32 * 1024
"""What of one line is kept: a step that never ends its line must not fill our memory."""

_ESCAPE = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]"  # CSI: colours, cursor movement
    r"|\x1b[\]PX^_].*?(?:\x07|\x1b\\|$)"  # OSC and its kin: titles, links
    r"|\x1b[ -/]*[0-~]?"  # the short ones, and one cut off
)
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f]")


def clean(text: str) -> str:
    """Return *text* without escape sequences and control characters; tabs stay.

    Nothing that a step or a daemon says can then move the cursor or colour the terminal.
    """
    if "\x1b" in text:
        text = _ESCAPE.sub("", text)
    return _CONTROL.sub("", text)


def one_line(text: str) -> str:
    """Return *text* cleaned and on one line, each run of white space as one space."""
    return clean(" ".join(text.split()))


class LineSplitter:
    """One stream of one step, cut into lines wherever its chunks were cut.

    A carriage return that no newline follows starts the line over, as a terminal shows progress
    bars: only the last text of such a line is told.
    """

    __slots__ = ("_line", "_overwritten")

    def __init__(self) -> None:
        self._line = bytearray()
        self._overwritten = ""

    def feed(self, data: bytes) -> list[str]:
        """Take the next bytes and return the lines they end, cleaned.

        Args:
            data: UTF-8 as the daemon sent it; may end within a character. What is not UTF-8 is
                shown as replacement characters.
        """
        *ended, rest = data.split(b"\n")
        lines = []
        for part in ended:
            self._add(part)
            lines.append(self.partial)
            self._line.clear()
            self._overwritten = ""
        self._add(rest)
        return lines

    @property
    def partial(self) -> str:
        """The line that has not ended yet, cleaned; empty when there is none."""
        return self._text() or self._overwritten

    def _add(self, data: bytes) -> None:
        *overwritten, last = data.split(b"\r")
        for piece in overwritten:
            self._append(piece)
            self._overwritten = self._text() or self._overwritten
            self._line.clear()
        self._append(last)

    def _append(self, data: bytes) -> None:
        self._line += data[: LINE_LIMIT_BYTES - len(self._line)]

    def _text(self) -> str:
        return clean(self._line.decode("utf-8", "replace"))
