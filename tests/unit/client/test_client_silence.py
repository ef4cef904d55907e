"""`SilenceWatch`: when a daemon counts as gone, and that our own standstill is none of its."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time

from buildkit_spec.client._silence import SilenceWatch

_LIMIT_S = 1.2

_LISTENER = f"""
import sys, threading
from buildkit_spec.client._silence import SilenceWatch
lines = []
watch = SilenceWatch(lambda: len(lines), {_LIMIT_S}, lambda: print("silent", flush=True))
print("ready", flush=True)
for line in sys.stdin:
    lines.append(line)
watch.close()
print(f"end {{watch.is_silent}}", flush=True)
"""


def test_silence_is_told_once() -> None:
    """After the limit, and not while something is heard."""
    told: list[int] = []
    is_silent = threading.Event()

    def tell() -> None:
        told.append(1)
        is_silent.set()

    watch = SilenceWatch(lambda: 7, 0.12, tell)
    assert is_silent.wait(30)
    watch.close()

    assert watch.is_silent
    assert told == [1]


def test_closed_watch_tells_nothing() -> None:
    """Nor does its thread stay."""
    before = set(threading.enumerate())
    watch = SilenceWatch(lambda: 0, 3600, lambda: None)
    watch.close()

    assert not watch.is_silent
    assert set(threading.enumerate()) <= before


def test_our_own_standstill_is_no_silence() -> None:
    """A program that was stopped, as a laptop is, hears first what was said meanwhile."""
    words = [sys.executable, "-c", _LISTENER]
    pipe = subprocess.PIPE
    with subprocess.Popen(words, stdin=pipe, stdout=pipe, text=True) as listener:
        assert listener.stdin is not None
        assert listener.stdout is not None
        assert listener.stdout.readline() == "ready\n"
        os.kill(listener.pid, signal.SIGSTOP)
        for _ in range(10):
            listener.stdin.write("a word\n")
            listener.stdin.flush()
            time.sleep(_LIMIT_S / 4)
        os.kill(listener.pid, signal.SIGCONT)
        listener.stdin.close()

        assert listener.stdout.read() == "end False\n"
