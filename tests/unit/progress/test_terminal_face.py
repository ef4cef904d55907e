"""The live terminal: what a frame shows, that it fits, and once a real terminal."""

from __future__ import annotations

import contextlib
import fcntl
import io
import os
import struct
import termios
import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from progress_streams import log, recorded, told, transfer, vertex
from rich.cells import cell_len
from rich.console import Console

from buildkit_spec.progress import BuildModel, open_display
from buildkit_spec.progress.lines import clean
from buildkit_spec.progress.output import Output
from buildkit_spec.progress.tty import TerminalFace

HIDE_CURSOR, SHOW_CURSOR = "\x1b[?25l", "\x1b[?25h"


class Clock:
    """A clock that stands until it is moved."""

    now = 0.0

    def __call__(self):
        return self.now


class Screen:
    """A face on a console of a fixed size, drawn when asked."""

    def __init__(self, width=60, height=12):
        self.clock = Clock()
        self.stream = io.StringIO()
        self.console = Console(
            file=self.stream, force_terminal=True, width=width, height=height, color_system=None
        )
        self.face = TerminalFace(
            Output(self.stream),
            threading.RLock(),
            self.clock,
            console=self.console,
            is_animated=False,
        )
        self.models = {}

    def tell(self, *items, build=""):
        model = self.models.setdefault(build, BuildModel(self.clock))
        self.face.show(build, model, model.apply(told(*items)))

    def frame(self):
        """What is drawn now, line by line."""
        lines = self.console.render_lines(self.face, pad=False)
        return ["".join(segment.text for segment in line).rstrip() for line in lines]

    def close(self):
        """Close, and return what is left behind."""
        for build, model in self.models.items():
            self.face.end(build, model, model.finish())
        self.face.close()
        return left_behind(self.stream.getvalue())


def left_behind(shown):
    """What stands on a terminal once the live part, which ends with the cursor shown, is gone."""
    lines = shown.split(SHOW_CURSOR)[-1].split("\n")
    return [line for line in (clean(line).rstrip() for line in lines) if line]


def test_a_frame_shows_what_runs_with_its_last_lines():
    """Ended steps, then running ones with elapsed time, bytes and output; internal ones folded."""
    screen = Screen()
    screen.tell(
        vertex("[internal] load", 0, 1),
        vertex("image", 0, 1, is_cached=True),
        vertex("[apt] install jq", 1),
        vertex("waiting"),
        log("[apt] install jq", b"one\ntwo\n10%\r20%"),
        transfer("layer", "[apt] install jq", 5_000_000, 10_000_000),
    )
    screen.clock.now = 2.25

    assert screen.frame() == [
        "  building: 1 of 3 steps, 1 cached                      2.2s",
        "✓ image                                               CACHED",
        "● [apt] install jq                    5.0 MB / 10.0 MB  2.2s",
        "    one",
        "    two",
        "    20%",
    ]
    screen.close()


def test_a_running_step_without_output_says_what_it_is_at():
    """Exports have no log: their open transfers stand for it."""
    screen = Screen()
    screen.tell(
        vertex("exporting", 0),
        transfer("exporting layers", "exporting", completed=1),
        transfer("pushing layers", "exporting"),
        transfer("sha256:00", "exporting"),
    )

    assert screen.frame()[2:] == ["    pushing layers"]
    screen.close()


def test_what_is_left_behind_is_every_step_and_the_figures():
    """After the end: one line a step, failures with their error, and a summary."""
    screen = Screen(width=70)
    screen.tell(
        vertex("[internal] load", 0, 1),
        vertex("a", 0, 1, is_cached=True),
        vertex("b", 1, 4),
        vertex("c", 4, 5, error="exit code: 2"),
        vertex("d", 4.5),
    )

    assert screen.close() == [
        "✓ a" + " " * 61 + "CACHED",
        "✓ b" + " " * 63 + "3.0s",
        "✗ c: exit code: 2" + " " * 49 + "1.0s",
        "◌ d" + " " * 59 + "CANCELED",
        "  4 steps, 1 cached, 1 failed, 1 cancelled, slowest b 3.0s" + " " * 8 + "5.0s",
    ]


def test_two_builds_have_a_section_each():
    """With several builds each has its name above its steps."""
    screen = Screen()
    screen.tell(vertex("a", 0), build="web")
    screen.tell(vertex("b", 0, 1), build="batch")

    assert [line.split("  ")[0] or line.split("  ")[1] for line in screen.frame()] == [
        "building: 1 of 2 steps",
        "web",
        "● a",
        "batch",
        "✓ b",
    ]
    screen.close()


def test_a_small_screen_keeps_what_runs():
    """When not all fits, output and ended steps give way to running steps."""
    screen = Screen(height=5)
    screen.tell(
        *(vertex(f"ended {number}", number, number + 1) for number in range(9)),
        *(vertex(f"runs {number}", 10 + number) for number in range(3)),
        log("runs 1", b"output\n"),
    )

    assert [line.split("  ")[0] for line in screen.frame()[1:]] == [
        "● runs 0",
        "● runs 1",
        "● runs 2",
    ]

    screen.tell(*(vertex(f"more {number}", 20) for number in range(5)))

    assert len(screen.frame()) == 4
    assert screen.frame()[-1].strip() == "… 6 more"
    screen.close()


words = st.text(st.characters(codec="utf-8"), max_size=80)
steps = st.lists(
    st.tuples(words, st.integers(0, 5), st.one_of(st.none(), st.integers(5, 9)), words), max_size=12
)


@settings(deadline=None)
@given(steps, st.integers(3, 90), st.integers(2, 20), st.sampled_from([("",), ("web", "batch")]))
def test_a_frame_always_fits_its_screen(many, width, height, builds):
    """No step's name, output or number of steps makes a frame higher or wider than the screen."""
    screen = Screen(width, height)
    for build in builds:
        for name, started, completed, output in many:
            screen.tell(
                vertex(name, started, completed),
                log(name, output.encode()),
                transfer("layer", name, 123_456, 999_999),
                build=build,
            )
    frame = screen.frame()

    assert len(frame) < height
    assert all(cell_len(line) <= width for line in frame)
    screen.close()


def open_terminal():
    """Return both ends of a pseudo-terminal. Where a bare machine has none, say what is missing."""
    try:
        return os.openpty()
    except OSError as error:
        pytest.fail(f"no pseudo-terminal ({error.strerror}): mount -t devpts devpts /dev/pts")


@pytest.fixture(name="terminal")
def _terminal():
    """A pseudo-terminal of 50 by 10: its stream, and what was shown on it so far."""
    controller, device = open_terminal()
    fcntl.ioctl(device, termios.TIOCSWINSZ, struct.pack("HHHH", 10, 50, 0, 0))
    shown = bytearray()

    def read():
        while True:
            try:
                data = os.read(controller, 4096)
            except OSError:
                return
            if not data:
                return
            shown.extend(data)

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    stream = os.fdopen(device, "w", encoding="utf-8")

    def finish():
        stream.close()
        reader.join(10)
        return shown.decode()

    yield stream, finish
    stream.close()
    os.close(controller)


def test_a_real_terminal_shows_a_recorded_build(terminal):
    """On a pseudo-terminal: live by itself, in its width, cursor back, steps left behind."""
    stream, finish = terminal
    with open_display("auto", stream, env={"TERM": "xterm"}) as display:
        build = display.for_build("")
        for update in recorded("recorded_failure"):
            build.update(update)
            display.face.refresh()
    text = finish()

    assert text.count(HIDE_CURSOR) == text.count(SHOW_CURSOR) == 1
    lines = left_behind(text)
    assert any(line.startswith("✗ [commands] boom") for line in lines)
    assert max(cell_len(line) for line in lines) <= 50
    assert any("1 failed" in line for line in lines)


def test_a_terminal_that_hangs_up_does_not_end_a_build():
    """A closed window is a stream that broke."""
    controller, device = open_terminal()
    stream = os.fdopen(device, "w", encoding="utf-8")
    with open_display("tty", stream) as display:
        build = display.for_build("")
        build.update(told(vertex("a", 0)))
        os.close(controller)
        build.update(told(vertex("a", 0, 1)))
        display.face.refresh()
    with contextlib.suppress(OSError):
        stream.close()
