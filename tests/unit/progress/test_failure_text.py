"""Failures as people read them."""

from __future__ import annotations

import pytest

from buildkit_spec.errors import (
    ConnectionFailedError,
    ExecError,
    ExportError,
    Problem,
    SolveError,
    SpecValidationError,
)
from buildkit_spec.progress import failure_text
from buildkit_spec.progress.failure import COMMAND_LIMIT, LOG_LINES, command_text


def test_a_failed_command_is_told_whole():
    """Message, step, what of the spec, command, last lines, exit code, remedy."""
    error = ExecError(
        "step [apt] install failed with exit code 100",
        command=["sh", "-c", "apt-get install -y nope && echo 'done'"],
        exit_code=100,
        vertex="[apt] install nope",
        source="apt_packages[0]",
        log_tail=[
            "Reading package lists...",
            "\x1b[31mE: Unable to locate package nope\x1b[0m",
            "",
        ],
        remedy="look the package up with apt-cache search",
    )

    assert failure_text(error) == (
        "step [apt] install failed with exit code 100\n"
        "  step:      [apt] install nope\n"
        "  from:      apt_packages[0]\n"
        "  command:   sh -c 'apt-get install -y nope && echo '\"'\"'done'\"'\"''\n"
        "  last lines:\n"
        "    Reading package lists...\n"
        "    E: Unable to locate package nope\n"
        "\n"
        "  exit code: 100\n"
        "  → look the package up with apt-cache search"
    )


def test_only_the_last_lines_are_shown():
    """Their number and length are bounded, and what is left out is counted."""
    error = SolveError("failed", log_tail=[*(str(n) for n in range(99)), "x" * 9999])
    lines = failure_text(error).splitlines()

    assert lines[1] == "  last lines (80 more before):"
    assert len(lines) == 2 + LOG_LINES
    assert all(len(line) < 420 for line in lines)


def test_a_long_command_gives_way_in_its_middle():
    """Head and tail are kept on one line."""
    text = command_text(["sh", "-c", "begin\n" + "x " * 1000 + "end"])

    assert len(text) == COMMAND_LIMIT
    assert text.startswith("sh -c 'begin x")
    assert text.endswith("x end'")
    assert " … " in text


def test_a_failed_push_names_the_image():
    """An export has no step but an image."""
    error = ExportError("push failed: denied", reference="host/app:1", remedy="docker login host")

    assert failure_text(error) == (
        "push failed: denied\n  image:     host/app:1\n  → docker login host"
    )


@pytest.mark.parametrize(
    "error",
    [
        SpecValidationError([Problem("packages[2]", "bad", "write x", 3, 5)], source="image.yaml"),
        ConnectionFailedError("nobody answers", remedy="scripts/engine up"),
        SolveError("failed"),
    ],
)
def test_other_errors_read_as_they_print(error):
    """What is not a step's failure has nothing to add."""
    assert failure_text(error) == str(error)
