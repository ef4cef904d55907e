"""What builds and the supervisor say to each other, over the supervisor's socket.

Who connects says one byte. The supervisor answers, once the daemon is ready, with one line of JSON:
what runs, or why nothing does. A build is one of the daemon's users from the answer until its
connection closes; so it cannot forget to leave, whatever ends it.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

KEEP, STOP, ASK, END = b"k", b"s", b"a", b"e"
"""I use it; I use it, and if I am the last to leave, stop it; I only ask; stop it now."""


@dataclass(frozen=True, slots=True)
class Running:
    """A daemon that runs.

    Attributes:
        program: ``buildkitd`` or ``dockerd``.
        address: What a build connects to.
        network: Network of steps that name none; empty for the daemon's default.
        log: File with what the daemon says.
        started_s: Since when, Unix time in seconds.
        user_count: Builds that use it, this one included.
    """

    program: str
    address: str
    network: str
    log: str
    started_s: float
    user_count: int = 0

    def encode(self) -> bytes:
        """Return it as a line."""
        return _line(asdict(self))


def encode_failure(message: str) -> bytes:
    """Return why no daemon runs, as a line."""
    return _line({"failure": message})


def decode(line: bytes) -> Running | str:
    """Return what runs, or why nothing does.

    Raises:
        ValueError: A supervisor of another release says it in another way.
    """
    document = json.loads(line)
    try:
        return str(document["failure"]) if "failure" in document else Running(**document)
    except TypeError as error:
        raise ValueError(str(error)) from error


def _line(document: dict[str, object]) -> bytes:
    return json.dumps(document).encode() + b"\n"
