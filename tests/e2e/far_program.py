"""What is run on the other side of a tool, in place of `buildctl` and `docker`.

Debian has no buildctl, and here it is the BuildKit of the Engine that answers.
"""

from __future__ import annotations

from pathlib import Path

_PROGRAM = """\
#!/usr/bin/env -S python3 -IS
import os, socket, sys, threading
is_docker = os.path.basename(sys.argv[0]) == "docker"
words = sys.argv[1:]
path = {socket!r}
if words[0] == ("--host" if is_docker else "--addr"):
    path = words[1].removeprefix("unix://")
    words = words[2:]
assert words == (["system", "dial-stdio"] if is_docker else ["dial-stdio"]), words
far = socket.socket(socket.AF_UNIX)
try:
    far.connect(path)
except OSError as error:
    sys.exit(f"error: dial unix {{path}}: connect: {{os.strerror(error.errno).lower()}}")
if not is_docker:
    head = ("POST /grpc HTTP/1.1", "Host: d", "Connection: Upgrade", "Upgrade: h2c", "", "")
    far.sendall("\\r\\n".join(head).encode())
    head = b""
    while not head.endswith(b"\\r\\n\\r\\n"):
        head += far.recv(1)
def back():
    while data := far.recv(1 << 18):
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
    os._exit(0)
threading.Thread(target=back, daemon=True).start()
while data := os.read(0, 1 << 18):
    far.sendall(data)
far.shutdown(socket.SHUT_WR)
threading.Event().wait(30)
"""


def write_far_program(path: Path, engine_socket: str) -> None:
    """Write a program that does what `buildctl dial-stdio` does, or `docker system dial-stdio`.

    Args:
        path: Where to; its name says which of them.
        engine_socket: Where it finds the Engine, unless its arguments say.
    """
    path.write_text(_PROGRAM.format(socket=engine_socket))
    path.chmod(0o755)
