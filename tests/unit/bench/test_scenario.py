"""Steps of a scenario file, and the peer's and our form of their states."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from _bench import scenario

from buildkit_spec.spec import load_specs

BASE: dict[str, Any] = {
    "packages": ["a==1", "b==1"],
    "apt_packages": ["curl"],
    "env": {"MODE": "a"},
    "source": {"main.py": "one"},
}


def _read(tmp_path: Path, *changes: dict[str, Any]) -> list[scenario.State]:
    steps = [{"name": f"step {n}", "change": change} for n, change in enumerate(changes)]
    file = tmp_path / "scenarios.json"
    file.write_text(json.dumps({"base": BASE, "steps": steps}))
    return [step.state for step in scenario.read(file)]


def test_changes_add_and_remove_members_of_lists_and_set_members_of_tables() -> None:
    """`key+` appends, `key-` removes, and a table keeps what the change does not name."""
    change = {"packages-": ["a==1"], "packages+": ["a==2"], "env": {"LEVEL": "1"}}

    assert scenario.changed(BASE, change) == {
        **BASE,
        "packages": ["b==1", "a==2"],
        "env": {"MODE": "a", "LEVEL": "1"},
    }


def test_changes_leave_the_state_before_as_it_was() -> None:
    """A step's state is its own."""
    before = json.dumps(BASE)
    scenario.changed(BASE, {"packages+": ["c==1"], "source": {"main.py": "two"}})["env"]["X"] = "y"

    assert json.dumps(BASE) == before


def test_steps_build_on_the_steps_before_them(tmp_path: Path) -> None:
    """Each change is applied to what the last one made."""
    states = _read(tmp_path, {}, {"packages+": ["c==1"]}, {"apt_packages+": ["jq"]})

    assert states[0] == BASE
    assert states[2] == {
        **BASE,
        "packages": ["a==1", "b==1", "c==1"],
        "apt_packages": ["curl", "jq"],
    }


def test_warm_up_asks_for_all_packages_in_few_states(tmp_path: Path) -> None:
    """First and last state, and between them only one that has something neither has."""
    bumped = {"packages-": ["a==1"], "packages+": ["a==2"]}
    again = {"packages-": ["a==2"], "packages+": ["a==3"]}
    file = tmp_path / "scenarios.json"
    _read(tmp_path, {}, {"env": {"MODE": "b"}}, bumped, again, {"apt_packages+": ["jq"]})
    steps = scenario.read(file)

    assert scenario.warm_up(steps) == [steps[0].state, steps[4].state, steps[2].state]


def test_document_of_states_reads_back_as_these_states(tmp_path: Path) -> None:
    """What the peer is given to warm up goes through the states asked for."""
    other = {**BASE, "packages": ["b==1", "c==1"], "env": {"MODE": "b"}}
    file = tmp_path / "warm-up.json"
    file.write_text(json.dumps(scenario.document([BASE, other])))

    assert [step.state for step in scenario.read(file)] == [BASE, other]


def test_our_spec_says_what_the_state_says(tmp_path: Path) -> None:
    """Packages, apt packages, environment and source come through."""
    text = scenario.image_yaml(
        BASE, registry="127.0.0.1:5000/bench", base_image="scratch", source_root=tmp_path
    )
    (tmp_path / "image.yaml").write_text(text)
    ((_, spec),) = load_specs(str(tmp_path / "image.yaml"))

    assert list(spec.packages or ()) == BASE["packages"]
    assert list(spec.apt_packages or ()) == BASE["apt_packages"]
    assert dict(spec.env or {}) == BASE["env"]
    assert spec.source_root == str(tmp_path)
