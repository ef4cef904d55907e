"""Which images flytekit is going to ask for, from the entities it has loaded."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import click
import flytekit
import pytest
from flytekit import ContainerTask, ImageSpec, LaunchPlan, PodTemplate, conditional, map_task, task
from flytekit.constants import CopyFileDetection
from flytekit.core.context_manager import FlyteEntities

from buildkit_spec.plugins.flytekit_ahead import companions, is_base

pytestmark = pytest.mark.filterwarnings("ignore")  # flytekit's own


@pytest.fixture(autouse=True)
def _entities() -> Iterator[None]:
    """Give each test a process that has loaded nothing."""
    loaded = list(FlyteEntities.entities)
    FlyteEntities.entities.clear()
    yield
    FlyteEntities.entities[:] = loaded


def _spec(name: str, **fields: Any) -> Any:
    return ImageSpec(name=name, registry="localhost:5000", **{"builder": "buildkit", **fields})


def _task(name: str, *, on: Any = None, **options: Any) -> Any:
    """Return a task whose image has its name."""

    def function(x: int) -> int:
        return x

    function.__name__ = function.__qualname__ = f"{name}_task"
    return task(container_image=on or _spec(name), **options)(function)


def _workflow(body: Callable[[Any], Any]) -> Any:
    """Return a compiled workflow of tasks."""

    def wf(x: int) -> int:
        return body(x)  # type: ignore[no-any-return]

    made = flytekit.workflow(wf)
    made.compile()
    return made


def _names(spec: Any) -> list[str]:
    return sorted(one.name for one in companions(spec))


def _pod(*images: Any) -> PodTemplate:
    """Return a template; objects of the ``kubernetes`` package have the same attributes."""
    containers = [SimpleNamespace(name=f"c{i}", image=image) for i, image in enumerate(images)]
    pod_spec: Any = SimpleNamespace(containers=containers)
    return PodTemplate(pod_spec=pod_spec)


def test_tasks_of_a_workflow_go_together() -> None:
    """What a workflow calls is asked for with it; a task that it does not call is not."""
    a, b = _task("a"), _task("b")
    _task("other")
    _workflow(lambda x: b(x=a(x=x)))
    assert _names(a.container_image) == ["a", "b"]


def test_a_task_alone_has_no_companions() -> None:
    """``pyflyte build`` of one task asks for its own image only."""
    a = _task("a")
    _task("b")
    assert _names(a.container_image) == ["a"]


def test_subworkflows_launch_plans_and_map_tasks_are_gone_into() -> None:
    """An entity inside another brings its images."""
    a, b, c, d = map(_task, "abcd")
    inner = _workflow(lambda x: a(x=x))

    @flytekit.workflow
    def planned(x: int) -> int:
        return b(x=x)  # type: ignore[no-any-return]

    planned.compile()
    plan = LaunchPlan.get_or_create(planned, name="plan")

    @flytekit.workflow
    def outer(x: int) -> list[int]:
        inner(x=x)
        plan(x=x)
        d(x=x)
        return map_task(c)(x=[1, 2])  # type: ignore[no-any-return]

    outer.compile()
    assert _names(d.container_image) == ["a", "b", "c", "d"]


def test_branches_and_failure_handlers_are_gone_into() -> None:
    """Every case of a condition is serialised, and what runs on failure."""
    names = ["first", "then", "elif", "else"]
    first, then, other, otherwise = map(_task, names)
    clean = _task("clean")

    @flytekit.workflow(on_failure=clean)
    def wf(x: int) -> int:
        seen = first(x=x)
        return (  # type: ignore[no-any-return]
            conditional("which")
            .if_(seen > 2)
            .then(then(x=seen))
            .elif_(seen > 1)
            .then(other(x=seen))
            .else_()
            .then(otherwise(x=seen))
        )

    wf.compile()
    assert _names(first.container_image) == sorted([*names, "clean"])


def test_container_tasks_have_images_too() -> None:
    """A ``ContainerTask`` has no Python; its image may be a spec all the same."""
    a = _task("a")
    shell = ContainerTask(
        name="shell",
        image=_spec("shell"),
        command=["true"],
        inputs=flytekit.kwtypes(x=int),
        outputs=flytekit.kwtypes(y=int),
    )
    _workflow(lambda x: a(x=shell(x=x)))
    assert _names(a.container_image) == ["a", "shell"]


def test_a_dynamic_asks_for_the_images_of_all_tasks() -> None:
    """What a dynamic task calls is known when it runs only: flytekit builds what is loaded."""
    called = _task("called")

    @flytekit.dynamic(container_image=_spec("dynamic"))
    def many(x: int) -> int:
        return called(x=x)  # type: ignore[no-any-return]

    _workflow(lambda x: many(x=x))
    assert _names(many.container_image) == ["called", "dynamic"]


def test_containers_of_a_pod_template_have_images(tmp_path: Path) -> None:
    """flytekit takes them as they are: without the source files that a task's own image gets."""
    beside = _spec("beside")
    a = _task("a", pod_template=_pod(beside, "debian:12"))
    (tmp_path / "a.py").write_text("")
    a.container_image.source_root = str(tmp_path)
    a.container_image.source_copy_mode = CopyFileDetection.LOADED_MODULES
    _workflow(lambda x: a(x=x))
    found = {one.name: one for one in companions(a.container_image)}
    assert sorted(found) == ["a", "beside"]
    assert found["a"].source_root == str(tmp_path)
    assert found["beside"].source_root is None
    assert found["beside"].tag == beside.tag


def test_from_a_pods_image_nothing_is_known_of_the_tasks() -> None:
    """Whether tasks' images get source files shows in a task's image, not in a pod's."""
    beside = _spec("beside")
    a = _task("a", pod_template=_pod(beside, _spec("third")))
    _workflow(lambda x: a(x=x))
    assert _names(beside) == ["beside", "third"]


def test_an_image_without_a_tag_waits_for_its_turn() -> None:
    """What is wrong with one image is not told of another: flytekit comes to it."""
    a = _task("a")
    b = _task("b", on=_spec("b", requirements="/nowhere/requirements.txt"))
    c = _task("c", on=_spec("c", source_copy_mode=CopyFileDetection.ALL))
    _workflow(lambda x: c(x=b(x=a(x=x))))
    assert _names(a.container_image) == ["a"]


@pytest.mark.parametrize("base_builder", ["noop", "default"])
def test_an_image_on_another_builders_base_waits_for_its_turn(base_builder: str) -> None:
    """Its tag covers the name that the other builder gives its base: nobody knows it yet."""
    base = _spec("base", builder=base_builder, base_image="debian:12")
    a = _task("a")
    b = _task("b", on=_spec("b", base_image=base))
    deep = _task("deep", on=_spec("deep", base_image=_spec("middle", base_image=base)))
    c = _task("c", on=_spec("c", builder="default"))
    d = _task("d", on=_spec("d", base_image=_spec("under")))
    _workflow(lambda x: d(x=c(x=deep(x=b(x=a(x=x))))))
    assert _names(a.container_image) == ["a", "d"]


def test_base_is_asked_for_with_what_stands_on_it() -> None:
    """A base image comes first, and brings the others."""
    base = _spec("base")
    a, b = _task("a", on=_spec("a", base_image=base)), _task("b")
    _workflow(lambda x: b(x=a(x=x)))
    assert _names(base) == ["a", "b"]
    assert is_base(base)
    assert not is_base(b.container_image)


@pytest.mark.parametrize(
    ("words", "is_whole"),
    [
        (["register"], True),
        (["package"], True),
        (["serialize", "workflows"], True),
        (["serialize", "fast", "workflows"], True),
        (["build", "file.py", "a"], False),
        (["run", "file.py", "package"], False),  # a workflow may be called so
    ],
)
def test_commands_that_serialise_everything(words: list[str], is_whole: bool) -> None:
    """``register``, ``package`` and ``serialize`` ask for the images of all tasks."""
    a = _task("a")
    _task("b")
    context = click.Context(click.Group("pyflyte"), info_name="pyflyte")
    for word in words:
        context = click.Context(click.Command(word), parent=context, info_name=word)
    with context:
        assert _names(a.container_image) == (["a", "b"] if is_whole else ["a"])
