"""``pyflyte build`` as a whole process: our builder against flytekit's own, on the same daemon."""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
import time
import uuid
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from _bench import depot, flyte, images, launch, scenario
from _bench.scenario import State, Step
from _bench.scenarios import existing, say
from _bench.table import Figures, Measured, show
from _bench.tidy import tidy

ABOUT = """\
Both are `pyflyte build FILE wf` in one environment, the import of flytekit included; the workflow's
spec names the builder. Same daemon, registry, base and source files; the peer's frontend is the
daemon's own, as there is no public registry here."""

MANY = 10
"""Specs in the file of one workflow."""

_SMALL = (
    "idna",
    "six",
    "toml",
    "colorama",
    "iniconfig",
    "pluggy",
    "zipp",
    "attrs",
    "tomli",
    "wrapt",
)
_IMAGE = re.compile(r"^Image (\S+) (?:not found|found)", re.MULTILINE)


def measure(file: Path | None, *, rounds: int, many: int = MANY) -> None:
    """Go through the scenarios, then build many specs of one workflow, and again nothing changed.

    Args:
        file: The scenarios; by default those of the shared folder beside the repository.
        rounds: How often; the figures are medians.
        many: Specs of the workflow with many.
    """
    steps = scenario.read(existing(file, "scenarios.json", "--scenarios"))
    python = _environment()
    print(ABOUT, flush=True)
    titles = [f"{many} specs, cold", f"{many} specs, unchanged"]
    figures = Figures()
    with tempfile.TemporaryDirectory(prefix="bench-") as place:
        warming = [Step("", state) for state in scenario.warm_up(steps)]
        say("warm-up, not timed")
        _round(python, Path(place) / "warm-up", warming, [], many, 0, None)
        for number in range(rounds):
            say(f"round {number + 1} of {rounds}")
            folder = Path(place) / f"round-{number}"
            _round(python, folder, steps, titles, many, number, figures)
    show(figures, [*(step.name for step in steps), *titles], has_goals=False)


def _round(
    python: str,
    folder: Path,
    steps: Sequence[Step],
    titles: Sequence[str],
    many: int,
    number: int,
    figures: Figures | None,
) -> None:
    salt = uuid.uuid4().hex[:12]
    folder.mkdir()
    turns = ("ours", "peer") if number % 2 == 0 else ("peer", "ours")
    with ExitStack() as stack:
        place = stack.enter_context(depot.running(folder))
        stack.callback(tidy, place.host, salt)
        images.push_tools(place)
        base = f"{place.host}/{images.push_base(place, salt)}"
        env = stack.enter_context(flyte.docker_environment(folder))
        todo = [(step.name, [step.state]) for step in steps]
        if titles:
            first = steps[0].state
            states = [
                {**first, "packages": [_SMALL[i % 10]], "env": {"N": str(i)}} for i in range(many)
            ]
            todo += [(title, states) for title in titles]
        for name, states in todo:
            for who in turns:
                project = folder / who
                _write(project, who, states, place.host, base)
                before = place.stored()
                seconds, reference = _pyflyte(python, project, env)
                pushed = depot.new_bytes(before, place.stored())
                if figures is not None:
                    size = place.image_bytes(reference)
                    figures.add(name, who, Measured(seconds, seconds, pushed, size))
                    say(f"  {name}: {who} {seconds:.2f} s")


def _write(project: Path, who: str, states: Sequence[State], host: str, base: str) -> None:
    """Write the workflow: a task for each state, with an image of its own."""
    project.mkdir(exist_ok=True)
    lines = ["from flytekit import ImageSpec, task, workflow"]
    for index, state in enumerate(states):
        for name, text in state["source"].items():
            (project / name).write_text(text, "utf-8")
        fields: dict[str, Any] = {
            "name": f"{who}{index}",
            "builder": "buildkit" if who == "ours" else "default",
            "registry": f"{host}/bench",
            "base_image": base,
            **{key: value for key, value in state.items() if key != "source"},
        }
        if who == "peer":
            tools = {"uv_image": images.UV, "micromamba_image": images.MICROMAMBA}
            fields["python_exec"] = "/usr/bin/python3"
            fields["builder_config"] = {key: f"{host}/{tool}" for key, tool in tools.items()}
        lines += [
            f"image{index} = ImageSpec(**{fields!r})",
            f"@task(container_image=image{index})",
            f"def task{index}() -> int:",
            f"    return {index}",
        ]
    lines += [f"import {Path(name).stem}" for name in states[0]["source"]]
    calls = [f"    task{index}()" for index in range(len(states))]
    (project / "flow.py").write_text(
        "\n".join([*lines, "@workflow", "def wf():", *calls, ""]), "utf-8"
    )


def _pyflyte(python: str, project: Path, env: Mapping[str, str]) -> tuple[float, str]:
    """Run ``pyflyte build``; returns seconds and the name of an image it made or found."""
    os.sync()
    started = time.perf_counter()
    done = subprocess.run(
        [python, launch.__file__, "build", "flow.py", "wf"],
        cwd=project,
        env={**os.environ, **env, "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    seconds = time.perf_counter() - started
    found = _IMAGE.findall(done.stdout)
    if done.returncode != 0 or not found:
        raise SystemExit(f"pyflyte build in {project}\n{done.stdout[-3000:]}{done.stderr[-3000:]}")
    return seconds, found[0]


def _environment() -> str:
    """Return the Python of an environment with flytekit and this tree."""
    python = str(flyte.python("pyflyte"))
    repository = str(Path(__file__).resolve().parents[2])
    install = [python, "-m", "pip", "install", "--quiet", "--editable", repository]
    subprocess.run(install, check=True)
    return python
