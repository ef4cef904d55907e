"""Workflows with many images, through the real pyflyte: which are built when, and how often."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from flytekits import Project, flytekit_base
from pulled import get

pytestmark = pytest.mark.filterwarnings("ignore")  # flytekit's own

_HEAD = """
from flytekit import ContainerTask, ImageSpec, conditional, dynamic, kwtypes, task, workflow

def spec(name, **fields):
    return ImageSpec(**{"name": name, "builder": "buildkit", "registry": REGISTRY, **fields})
"""

_ALL_KINDS = """
@task(container_image=spec("first", env={"A": "1"}))
def first() -> int:
    return 1

@task(container_image=spec("then", env={"A": "2"}))
def then(x: int) -> int:
    return x

@task(container_image=spec("otherwise", env={"A": "3"}))
def otherwise(x: int) -> int:
    return x

shell = ContainerTask(
    name="shell", image=spec("shell", env={"A": "4"}), command=["true"], inputs=kwtypes(x=int)
)

@dynamic(container_image=spec("dynamic", env={"A": "5"}))
def many(x: int) -> int:
    return called(x=x)

@task(container_image=spec("called", env={"A": "6"}))
def called(x: int) -> int:
    return x

@workflow
def wf() -> int:
    a = first()
    shell(x=a)
    many(x=a)
    return conditional("which").if_(a > 1).then(then(x=a)).else_().then(otherwise(x=a))
"""

_FOREIGN_BASE = """
@task(container_image=spec("plain"))
def plain() -> int:
    return 1

@task(container_image=spec("above", base_image=ImageSpec(builder="noop", base_image=BASE)))
def above(x: int) -> int:
    return x

@workflow
def wf() -> int:
    return above(x=plain())
"""

_SLOW = '"above", commands=["sleep 7200"]'


@pytest.fixture(scope="module", name="base")
def _base(buildkit_host: str, registry: str, base_image: str) -> str:
    return flytekit_base(buildkit_host, registry, base_image)


@pytest.fixture(name="project")
def _project(registry: str, base: str, tmp_path: Path) -> Project:
    """A folder whose images go to a place that nobody else has."""
    project = Project(tmp_path, {"FLYTE_INTERNAL_IMAGE": base})
    place = f"{registry}/{tmp_path.parent.name}-{os.getpid()}/{tmp_path.name}".lower()
    project.write("head.py", f"REGISTRY = {place!r}\nBASE = {base!r}\n")
    return project


def test_all_kinds_of_tasks_have_their_images_built_at_once(project: Project) -> None:
    """Of branches, containers and dynamic tasks too: no step runs after the first answer."""
    project.write("kinds.py", "from head import *\n" + _HEAD + _ALL_KINDS)
    done = project.pyflyte("build", "--fast", "kinds.py", "wf")
    assert done.returncode == 0, done.stdout
    last_step = max(done.stdout.rfind(" DONE "), done.stdout.rfind("exporting to image"))
    assert 0 < last_step < done.stdout.index(" built in "), done.stdout
    assert done.stdout.count("not found. building...") == 6, done.stdout


def test_an_image_on_another_builders_base_is_built_once(project: Project) -> None:
    """Its tag is known when that builder has named the base; no image of another tag is left."""
    project.write("foreign.py", "from head import *\n" + _HEAD + _FOREIGN_BASE)
    done = project.pyflyte("build", "--fast", "foreign.py", "wf")
    assert done.returncode == 0, done.stdout
    for name in ("plain", "above"):
        assert len(_tags(project, name)) == 1, done.stdout


def test_a_failure_does_not_wait_for_the_slowest(project: Project) -> None:
    """The image that flytekit waits for failed: the others, of which one takes hours, are ended."""
    tasks = _FOREIGN_BASE.replace('"plain"', '"plain", commands=["exit 7"]')
    tasks = tasks.replace('"above", base_image=ImageSpec(builder="noop", base_image=BASE)', _SLOW)
    project.write("slow.py", "from head import *\n" + _HEAD + tasks)
    done = project.pyflyte("build", "--fast", "slow.py", "wf")
    assert done.returncode == 1, done.stdout
    assert "ended with exit code 7" in done.stdout
    assert "Traceback" not in done.stdout


def _tags(project: Project, name: str) -> list[str]:
    place = (project.folder / "head.py").read_text().split("'")[1]
    host, _, path = place.partition("/")
    tags: list[str] = json.loads(get(f"http://{host}/v2/{path}/{name}/tags/list"))["tags"]
    return tags
