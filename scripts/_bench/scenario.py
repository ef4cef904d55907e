"""The scenario file: a base state and steps that change it, and what each is to take at most."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

GOALS = {
    "cold": 0.5,
    "nothing changed": 0.5,
    "env changed": 0.03,
    "one source file changed": 0.4,
    "small package added": 0.05,
    "small package bumped": 0.05,
    "heavy package bumped": 0.2,
    "apt package added": 0.1,
}
"""Our seconds over the peer's, at most, by the name of the step."""

State = dict[str, Any]
"""What an image is to hold: `packages`, `apt_packages`, `env`, and `source` as texts by name."""


@dataclass(frozen=True)
class Step:
    """One step, and the state behind it."""

    name: str
    state: State


def read(file: Path) -> list[Step]:
    """Read a scenario file, and apply each step's change to what the steps before it made."""
    document = json.loads(file.read_text("utf-8"))
    state, steps = document["base"], []
    for step in document["steps"]:
        state = changed(state, step["change"])
        steps.append(Step(step["name"], state))
    return steps


def changed(state: Mapping[str, Any], change: Mapping[str, Any]) -> State:
    """Return a state after a change: `key+` and `key-` of lists, members of tables by `key`."""
    result = copy.deepcopy(dict(state))
    for key, value in change.items():
        if key.endswith("+"):
            result[key[:-1]] = [*result[key[:-1]], *value]
        elif key.endswith("-"):
            result[key[:-1]] = [one for one in result[key[:-1]] if one not in value]
        else:
            result[key] = {**result[key], **value}
    return result


def warm_up(steps: Sequence[Step]) -> list[State]:
    """Return few states that together ask for every package that any step asks for."""
    chosen: list[State] = []
    known: set[str] = set()
    for step in (steps[0], steps[-1], *steps[1:-1]):
        wanted = {*step.state["packages"], *step.state["apt_packages"]}
        if not wanted <= known:
            chosen.append(step.state)
            known |= wanted
    return chosen


def document(states: Sequence[State]) -> dict[str, Any]:
    """Return a scenario file's document whose steps go through *states*."""
    steps = []
    before = states[0]
    for number, state in enumerate(states):
        change: dict[str, Any] = {}
        for key, value in state.items():
            if isinstance(value, list):
                change |= {f"{key}-": before[key], f"{key}+": value}
            else:
                change[key] = value
        steps.append({"name": f"state {number}", "change": change})
        before = state
    return {"base": states[0], "steps": steps}


def image_yaml(state: State, *, registry: str, base_image: str, source_root: Path) -> str:
    """Return our spec of a state; its source files are to lie in *source_root*."""
    fields = {key: value for key, value in state.items() if key != "source"}
    return json.dumps(  # JSON is YAML
        {
            "name": "ours",
            "registry": registry,
            "base_image": base_image,
            **fields,
            "source_root": str(source_root),
            "source_copy_mode": "all",
        },
        indent=2,
    )
