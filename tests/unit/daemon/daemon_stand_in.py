"""A stand-in ``buildkitd``: it answers who greets it, and leaves behind what it can."""

from __future__ import annotations

import stat
import sys
from pathlib import Path

_BUILDKITD = """
import os, signal, socket, subprocess, sys, time
address = sys.argv[sys.argv.index("--addr") + 1].removeprefix("unix://")
folder = os.path.dirname(address)
print("hello from", sys.argv[0], flush=True)
if os.path.exists({broken!r}):
    sys.exit("no kernel for this")
open({pids!r}, "a").write(f"{{os.getpid()}}\\n")
if os.geteuid() == 0:  # of another user it is rootlesskit that ends what is left
    subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"],
                     start_new_session=True)
open({seen!r}, "w").write("\\n".join(sorted(os.environ)))
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
with socket.socket(socket.AF_UNIX) as server:
    server.bind(address)
    server.listen()
    while True:
        one = server.accept()[0]
        if one.recv(64):
            one.sendall(b"x")
        one.close()
"""

_ROOTLESSKIT = """
import os, sys
words = sys.argv[1:]
os.execv(words[3], words[3:])
"""


class StandIn:
    """A folder of programs for ``PATH``, and what they tell.

    Attributes:
        programs: The folder.
        broken: While this file is there, the daemon ends at once.
    """

    def __init__(self, folder: Path) -> None:
        self.programs = folder / "programs"
        self.programs.mkdir()
        self.broken = folder / "broken"
        self._pids = folder / "pids"
        self._seen = folder / "seen"
        text = _BUILDKITD.format(
            broken=str(self.broken), pids=str(self._pids), seen=str(self._seen)
        )
        for name, body in (("buildkitd", text), ("rootlesskit", _ROOTLESSKIT)):
            program = self.programs / name
            program.write_text(f"#!{sys.executable}\n{body}", "utf-8")
            program.chmod(program.stat().st_mode | stat.S_IXUSR)

    @property
    def start_count(self) -> int:
        """How often the daemon was started."""
        return len(self._pids.read_text("utf-8").splitlines()) if self._pids.exists() else 0

    @property
    def variables(self) -> list[str]:
        """Names of the environment that the daemon got."""
        return self._seen.read_text("utf-8").splitlines()


def processes_of(folder: Path) -> list[str]:
    """Command lines of all processes that name a folder."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            line = (entry / "cmdline").read_bytes() if entry.name.isdigit() else b""
            line += (entry / "environ").read_bytes() if line else b""
        except OSError:
            continue
        if str(folder).encode() in line:
            found.append(line.replace(b"\0", b" ").decode(errors="replace"))
    return found
