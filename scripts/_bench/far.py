"""Runs as a process: a relay that makes a TCP server of this machine seem to be elsewhere.

It prints its port. A connection costs one round trip to open, and one for a request and its answer:
each piece waits for half of one. That is true of traffic in which one side waits for the other.

Usage: far.py HOST:PORT ROUND_TRIP_MS
"""

from __future__ import annotations

import contextlib
import socket
import sys
import threading
import time


def _pump(source: socket.socket, sink: socket.socket, delay_s: float) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            time.sleep(delay_s)
            sink.sendall(data)
    with contextlib.suppress(OSError):
        sink.shutdown(socket.SHUT_WR)


def _serve(near: socket.socket, target: tuple[str, int], delay_s: float) -> None:
    time.sleep(2 * delay_s)
    with near, socket.create_connection(target) as far:
        for one in (near, far):
            one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        back = threading.Thread(target=_pump, args=(far, near, delay_s), daemon=True)
        back.start()
        _pump(near, far, delay_s)
        back.join()


def _main(target: str, round_trip_ms: str) -> None:
    host, _, port = target.rpartition(":")
    delay_s = float(round_trip_ms) / 2000
    with socket.create_server(("127.0.0.1", 0), backlog=128) as listener:
        print(listener.getsockname()[1], flush=True)
        while True:
            near, _ = listener.accept()
            arguments = (near, (host, int(port)), delay_s)
            threading.Thread(target=_serve, args=arguments, daemon=True).start()


if __name__ == "__main__":
    _main(*sys.argv[1:])
