"""One display for several builds and threads, on streams that may go away."""

from __future__ import annotations

import contextlib
import io
import json
import os
import subprocess
import sys
import threading

import pytest
from progress_streams import log, told, vertex

from buildkit_spec.progress import open_display
from buildkit_spec.progress.plain import PlainFace

MODES = ["tty", "plain", "json", "quiet"]


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self):
        return True


@pytest.mark.parametrize(
    ("stream", "env", "is_live"),
    [
        (Terminal(), {"TERM": "xterm"}, True),
        (io.StringIO(), {"TERM": "xterm"}, False),
        (Terminal(), {"TERM": "dumb"}, False),
        (Terminal(), {}, False),
        (Terminal(), {"TERM": "xterm", "CI": "true"}, False),
    ],
)
def test_auto_is_live_only_on_a_terminal_that_can(stream, env, is_live):
    """A pipe, a dumb terminal and CI get the plain log."""
    with open_display("auto", stream, env=env) as display:
        assert isinstance(display.face, PlainFace) != is_live


def test_an_unknown_mode_is_refused():
    """The modes are named."""
    with pytest.raises(ValueError, match="auto, tty, plain, json or quiet"):
        open_display("loud", io.StringIO())


def test_quiet_writes_nothing():
    """Not a byte."""
    stream = io.StringIO()
    with open_display("quiet", stream) as display:
        display.for_build("").update(told(vertex("a", 0, 1)))

    assert stream.getvalue() == ""


@pytest.mark.parametrize("mode", MODES)
def test_a_closed_stream_does_not_end_a_build(mode):
    """Writing to a stream that was closed is dropped, at every point."""
    stream = io.StringIO()
    with open_display(mode, stream) as display:
        build = display.for_build("")
        build.update(told(vertex("a", 0)))
        stream.close()
        build.update(told(vertex("a", 0, 1), vertex("b", 0)))
    build.update(told(vertex("b", 0, 1)))


@pytest.mark.parametrize("mode", MODES)
def test_a_broken_pipe_does_not_end_a_build(mode):
    """A reader that went away is not an error of the build."""
    reading, writing = os.pipe()
    stream = os.fdopen(writing, "w")
    os.close(reading)
    with open_display(mode, stream) as display:
        for number in range(3):
            display.for_build("").update(told(vertex(f"step {number}", number, number + 1)))
    with contextlib.suppress(BrokenPipeError):
        stream.close()


@pytest.mark.parametrize("mode", MODES)
def test_a_stream_of_another_encoding_gets_what_it_can_take(mode):
    """Characters that it does not have are replaced."""
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    with open_display(mode, stream) as display:
        display.for_build("").update(told(vertex("café ☕", 0), log("café ☕", "é\n".encode())))
    stream.flush()

    assert b"caf" in stream.buffer.getvalue() or mode == "quiet"


@pytest.mark.parametrize("mode", MODES)
def test_nothing_comes_after_close(mode):
    """Late updates and a second close change nothing."""
    stream = io.StringIO()
    display = open_display(mode, stream)
    build = display.for_build("")
    build.update(told(vertex("a", 0, 1)))
    display.close()
    text = stream.getvalue()
    build.update(told(vertex("b", 0, 1)))
    build.close()
    display.close()

    assert stream.getvalue() == text


def test_the_same_name_is_the_same_build():
    """Asking twice does not begin another one."""
    with open_display("quiet", io.StringIO()) as display:
        assert display.for_build("a") is display.for_build("a")


def test_threads_do_not_tear_lines():
    """Builds that tell at once each keep whole lines, in their order."""
    stream = io.StringIO()
    names = ["a", "b", "c", "d"]

    def tell(build):
        for number in range(50):
            build.update(told(vertex("step", 0), log("step", f"{number}\n".encode(), 1)))

    with open_display("json", stream) as display:
        threads = [threading.Thread(target=tell, args=(display.for_build(name),)) for name in names]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    events = [json.loads(line) for line in stream.getvalue().splitlines()]

    for name in names:
        lines = [event["log"] for event in events if event["build"] == name and "log" in event]
        assert lines == [str(number) for number in range(50)]


def test_only_the_live_terminal_loads_rich():
    """A build in CI does not pay for it."""
    code = (
        "import sys, io; from buildkit_spec.progress import open_display;"
        "open_display('plain', io.StringIO()).close(); print('rich' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout == "False\n"
