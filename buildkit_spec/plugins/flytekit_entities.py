"""The image specs of what flytekit has loaded: tasks, workflows, and what they call.

Everything is found by the attributes that flytekit itself serialises from; nothing is run.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

_WHOLE = {"register", "package", "serialize"}
"""Commands of pyflyte that serialise every task they load."""


@dataclass(frozen=True, slots=True)
class Found:
    """An image spec of an entity.

    Attributes:
        spec: flytekit's spec itself, not a copy.
        is_as_is: Whether flytekit builds it without filling in what source files it gets.
    """

    spec: Any
    is_as_is: bool = False


def groups() -> Iterator[list[Found]]:
    """Yield the specs that are asked for together: of a workflow, or of all tasks."""
    from flytekit.core.context_manager import FlyteEntities

    loaded = list(FlyteEntities.entities)
    if _command() in _WHOLE:
        yield list(_specs_of(loaded, set()))
        return
    for entity in loaded:
        # One that is not compiled is not serialised now; asking for its nodes would run it.
        if hasattr(entity, "nodes") and getattr(entity, "compiled", True):
            yield list(_specs_of([entity], set()))
    for entity in loaded:
        if not hasattr(entity, "nodes"):
            yield list(_specs_of([entity], set()))


def _command() -> str:
    """Return the command of pyflyte that runs; empty in a program of another kind."""
    import click

    context = click.get_current_context(silent=True)
    while context is not None and context.parent is not None and context.parent.parent is not None:
        context = context.parent
    return (context.info_name or "") if context is not None else ""


def _specs_of(entities: Sequence[Any], seen: set[int]) -> Iterator[Found]:
    for entity in entities:
        if entity is None or id(entity) in seen:
            continue
        seen.add(id(entity))
        yield from _own(entity)
        yield from _specs_of(_inner(entity), seen)


def _own(entity: Any) -> Iterator[Found]:
    """Yield the images of a task itself; ``_image`` is a container task's."""
    for name in ("container_image", "_image"):
        image = getattr(entity, name, None)
        if _is_spec(image):
            yield Found(image)
    pod = getattr(getattr(entity, "pod_template", None), "pod_spec", None)
    for container in getattr(pod, "containers", None) or ():
        if _is_spec(getattr(container, "image", None)):
            yield Found(container.image, is_as_is=True)


def _inner(entity: Any) -> list[Any]:
    """Return the entities that are serialised with this one.

    Source: flytekit ``tools/translator.py``.
    """
    found = [
        getattr(entity, name, None)
        for name in ("workflow", "python_function_task", "target")  # of a launch plan, map tasks
    ]
    nodes: list[Any] = []
    if hasattr(entity, "nodes") and getattr(entity, "compiled", True):
        nodes = [*entity.nodes, getattr(entity, "failure_node", None)]
    block = getattr(entity, "_ifelse_block", None)
    if block is not None:
        cases = [block.case, *(block.other or ())]
        nodes += [*(case.then_node for case in cases), block.else_node]
    found += [getattr(node, "flyte_entity", None) for node in nodes]
    if getattr(getattr(entity, "execution_mode", None), "name", "") == "DYNAMIC":
        found += _all_tasks()
        found += getattr(entity, "node_dependency_hints", None) or ()
    return found


def _all_tasks() -> list[Any]:
    """Return every task: what a dynamic one calls, only running it would tell."""
    from flytekit.core.context_manager import FlyteEntities
    from flytekit.core.python_auto_container import PythonAutoContainerTask

    return [one for one in FlyteEntities.entities if isinstance(one, PythonAutoContainerTask)]


def _is_spec(image: Any) -> bool:
    return hasattr(image, "base_image")
