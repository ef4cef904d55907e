"""The command line as a whole process: what it prints, where, and its exit code."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest

PINNED = re.compile(r"^\S+:\w+@sha256:[0-9a-f]{64}$")

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(name="project")
def _project(tmp_path: Path, registry: str, base_image: str) -> Path:
    """Two YAML specs, a Python file with two more, a wrong one; in a repository of their own."""
    where = f"{registry}/e2e-cli-{uuid.uuid4().hex[:8]}"
    head = f"registry: {where}\nbase_image: {base_image}\n"
    (tmp_path / "one.yaml").write_text(f"name: one\n{head}env:\n  A: a\n")
    (tmp_path / "two.yaml").write_text(f"name: two\n{head}commands:\n  - echo two > /two\n")
    (tmp_path / "bad.yaml").write_text("nmae: x\npackages: pandas\nenv:\n  Debug: true\n")
    (tmp_path / "fails.yaml").write_text(f"name: fails\n{head}commands:\n  - echo oops; exit 7\n")
    (tmp_path / "pipeline.py").write_text(
        "from buildkit_spec import ImageSpec\n"
        f"first = ImageSpec(name='first', registry={where!r}, base_image={base_image!r})\n"
        "second = first.with_env({'B': 'b'})\n"
    )
    return tmp_path


@pytest.fixture(name="cli")
def _cli(project: Path, buildkit_host: str) -> Run:
    """Run the command in the project's folder."""

    def run(*args: str, **env: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "buildkit_spec", *args],
            cwd=project,
            env={**os.environ, "CI": "true", **env},
            capture_output=True,
            text=True,
            check=False,
        )

    return run


def test_build_prints_pinned_names_on_stdout_and_the_rest_on_stderr(cli: Run) -> None:
    """Several files at once: one name each, in order."""
    done = cli("build", "one.yaml", "two.yaml")
    names = done.stdout.splitlines()

    assert done.returncode == 0, done.stderr
    assert [name.rpartition("/")[2].partition(":")[0] for name in names] == ["one", "two"]
    assert all(PINNED.match(name) for name in names)
    assert "built and pushed" in done.stderr


def test_build_again_says_that_the_image_is_there(cli: Run) -> None:
    """Nothing is done, and the same name is printed."""
    first, second = cli("build", "one.yaml"), cli("build", "one.yaml")

    assert second.stdout == first.stdout
    assert "is there already" in second.stderr


def test_forced_build_says_that_everything_was_cached(cli: Run) -> None:
    """All steps, by number."""
    cli("build", "two.yaml")

    assert "all 1 steps cached" in cli("build", "two.yaml", "--force").stderr


def test_build_of_a_python_file_takes_every_spec_or_the_one_named(cli: Run) -> None:
    """``file.py`` is all of them, ``file.py:name`` one."""
    every, one = cli("build", "pipeline.py"), cli("build", "pipeline.py:second")

    assert len(every.stdout.splitlines()) == 2
    assert one.stdout.splitlines() == every.stdout.splitlines()[1:]


def test_set_changes_fields_of_the_spec(cli: Run) -> None:
    """Another name and another variable give another image."""
    done = cli("build", "one.yaml", "--set", "name=other", "--set", "env.A=b")

    assert "/other:" in done.stdout
    assert cli("exists", "one.yaml").returncode == 1


def test_build_without_push_leaves_the_registry_alone(cli: Run) -> None:
    """The image is built, and stays with the daemon."""
    done = cli("build", "one.yaml", "--no-push")

    assert done.returncode == 0, done.stderr
    assert cli("exists", "one.yaml").returncode == 1


@pytest.mark.parametrize("mode", ["plain", "json", "quiet"])
def test_progress_goes_to_stderr_in_its_form(cli: Run, mode: str) -> None:
    """plain is a log, json one object a line, quiet nothing."""
    done = cli("build", "two.yaml", "--force", "--progress", mode)
    lines = done.stderr.splitlines()

    assert PINNED.match(done.stdout.strip())
    if mode == "plain":
        assert any(line.startswith("#") and "[commands[0]] echo two" in line for line in lines)
    elif mode == "json":
        objects = [json.loads(line) for line in lines if line.startswith("{")]
        assert {"step", "summary"} <= {one["type"] for one in objects}
    else:
        assert lines == []


def test_wrong_spec_is_told_whole_with_lines_and_exit_code_2(cli: Run) -> None:
    """Every problem with its line and column; no traceback."""
    done = cli("build", "bad.yaml")

    assert done.returncode == 2
    assert "did you mean name" in done.stderr
    for place in ("bad.yaml:1:1", "bad.yaml:2:", "bad.yaml:4:"):
        assert place in done.stderr
    assert "Traceback" not in done.stderr


def test_failed_build_shows_the_step_and_ends_with_exit_code_1(cli: Run) -> None:
    """Command, output, exit code and the spec's field; the good image beside it is built."""
    done = cli("build", "fails.yaml", "one.yaml")

    assert done.returncode == 1
    for said in ("echo oops; exit 7", "oops", "exit code 7", "commands[0]"):
        assert said in done.stderr
    assert "/one:" in done.stdout


def test_unreachable_daemon_is_exit_code_3_with_what_to_do(cli: Run) -> None:
    """A wrong address names the address; no address at all names three ways out."""
    wrong = cli("build", "one.yaml", "--addr", "unix:///nowhere/buildkitd.sock")
    none = cli("info", BUILDKIT_HOST="", DOCKER_HOST="", XDG_RUNTIME_DIR="/nowhere")

    assert (wrong.returncode, none.returncode) == (3, 3)
    assert "/nowhere/buildkitd.sock" in wrong.stderr
    assert "BUILDKIT_HOST=" in none.stderr


def test_wrong_use_is_exit_code_2(cli: Run) -> None:
    """An unknown file, address or option is input, not a failed build."""
    codes = [
        cli("build", "nothing.yaml").returncode,
        cli("build", "one.yaml", "--addr", "ftp://x").returncode,
        cli("build", "--nonsense").returncode,
    ]

    assert codes == [2, 2, 2]


@pytest.mark.parametrize("form", ["text", "json", "dot"])
def test_plan_shows_the_graph_and_builds_nothing(cli: Run, form: str) -> None:
    """In each form the command's step is there, and the image is not."""
    done = cli("plan", "two.yaml", "--format", form)

    assert done.returncode == 0, done.stderr
    assert "echo two" in done.stdout
    if form == "json":
        assert json.loads(done.stdout)["platforms"]["linux/amd64"]["graph"]["vertices"]
    assert cli("exists", "two.yaml").returncode == 1


def test_exists_answers_for_specs_and_names(cli: Run) -> None:
    """0 when all are there, 1 when one is not; a name works like a spec."""
    name = cli("build", "one.yaml").stdout.strip().partition("@")[0]

    assert cli("exists", "one.yaml", name).returncode == 0
    assert cli("exists", "one.yaml", f"{name}-not").returncode == 1


def test_daemon_commands_show_and_free_its_cache(cli: Run) -> None:
    """info, du and prune speak of the real daemon."""
    info, usage = cli("info"), cli("du")
    pruned = cli("prune", "--filter", "id==no-record-has-this-id")

    assert "linux/amd64" in info.stdout
    assert "total" in usage.stdout
    assert pruned.stdout.startswith("removed 0 records")


@pytest.mark.parametrize(
    "command",
    ["", "build", "plan", "exists", "info", "du", "prune"],
    ids=lambda name: name or "all",
)
def test_help_explains_each_command(cli: Run, command: str) -> None:
    """With the arguments it takes."""
    done = cli(*filter(None, [command]), "--help")

    assert done.returncode == 0
    assert "Usage:" in done.stdout


def test_interrupt_ends_the_build_with_130_and_on_the_daemon(
    cli: Run, project: Path, registry: str, base_image: str
) -> None:
    """Ctrl-C: the step's process is gone, nothing is pushed."""
    mark = f"77{uuid.uuid4().int % 10**6}"
    (project / "slow.yaml").write_text(
        f"name: slow\nregistry: {registry}/e2e\nbase_image: {base_image}\n"
        f"commands:\n  - sleep {mark}\n"
    )
    command = [sys.executable, "-m", "buildkit_spec", "build", "slow.yaml", "--progress", "plain"]
    with subprocess.Popen(command, cwd=project, stderr=subprocess.PIPE, text=True) as process:
        _until(lambda: _is_running(mark))
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=30)

    assert process.returncode == 130
    assert "Traceback" not in said
    _until(lambda: not _is_running(mark))
    assert cli("exists", "slow.yaml").returncode == 1


def _is_running(mark: str) -> bool:
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().split(b"\0")
        except OSError:
            continue
        if words[:2] == [b"sleep", mark.encode()]:
            return True
    return False


def _until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.05)
