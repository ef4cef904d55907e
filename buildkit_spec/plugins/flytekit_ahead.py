"""Which image specs flytekit is going to ask for next: those of the same workflow.

flytekit asks for one image, waits, and asks for the next. What its tasks want is public, though:
`FlyteEntities` has every task and workflow of the process.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

_WHOLE = {"register", "package", "serialize"}
"""Commands of pyflyte that serialise every task they load."""


def companions(spec: Any) -> list[Any]:
    """Return the other specs that will be asked for, each as flytekit will hand it over.

    They are copies; a base image in them may still be a spec. Only those whose form is certain:
    what copies files in another way than *spec* does is left to its own turn.

    Args:
        spec: The spec that flytekit asks for now: a task's, or the base of one.
    """
    groups = list(_groups())
    wanted = fresh(spec).id, spec.id
    for group in groups:
        for lead in group:
            if any(fresh(one).id in wanted for one in _chain(lead)):
                return _prepared(spec, lead, group)
    return []


def is_base(spec: Any) -> bool:
    """Whether *spec* is the base image of another one.

    The tag of that one covers its base's name: it must be the same before and after the build.
    """
    name = plain_name(spec)
    return any(
        plain_name(fresh(base)) == name
        for group in _groups()
        for lead in group
        for base in _chain(lead)[1:]
    )


def plain_name(spec: Any) -> str:
    """Return registry, name and tag, as flytekit has them before anything is built.

    The spec keeps its tag from then on: it must not be one that flytekit may still fill in.
    """
    name = f"{spec.name}:{spec.tag}"
    return f"{spec.registry}/{name}" if spec.registry else name


def fresh(spec: Any) -> Any:
    """Return a copy of a spec that has not computed its id and tag yet."""
    made = copy.copy(spec)
    made.__dict__.pop("id", None)
    made.__dict__.pop("tag", None)
    return made


def _prepared(spec: Any, lead: Any, group: list[Any]) -> list[Any]:
    from flytekit.constants import CopyFileDetection
    from flytekit.core.python_auto_container import update_image_spec_copy_handling

    mode, root = lead.source_copy_mode, lead.source_root
    is_fast = mode is None
    if not is_fast and (
        mode is not CopyFileDetection.LOADED_MODULES or not Path(root or "").is_absolute()
    ):
        return []  # the task itself may have chosen so: nothing is known of the others
    settings = SimpleNamespace(
        source_root=root, fast_serialization_settings=SimpleNamespace(enabled=is_fast)
    )
    found: dict[str, Any] = {}
    for one in group:
        made = fresh(copy.deepcopy(one))
        update_image_spec_copy_handling(made, settings)
        if made.builder == spec.builder and not (is_fast and made.source_root):
            found.setdefault(made.id, made)
    return list(found.values())


def _chain(spec: Any) -> list[Any]:
    chain = [spec]
    while hasattr(chain[-1].base_image, "base_image"):
        chain.append(chain[-1].base_image)
    return chain


def _groups() -> Iterator[list[Any]]:
    """Yield the specs that are asked for together: of a workflow, or of all tasks."""
    import click
    from flytekit.core.context_manager import FlyteEntities

    context = click.get_current_context(silent=True)
    if context is not None and context.info_name in _WHOLE:
        yield list(_specs_of(FlyteEntities.entities, set()))
        return
    for entity in FlyteEntities.entities:
        # One that is not compiled is not serialised now; asking for its nodes would run it.
        if hasattr(entity, "nodes") and getattr(entity, "compiled", True):
            yield list(_specs_of([entity], set()))
    for entity in FlyteEntities.entities:
        if not hasattr(entity, "nodes"):
            yield list(_specs_of([entity], set()))


def _specs_of(entities: list[Any], seen: set[int]) -> Iterator[Any]:
    for entity in entities:
        if entity is None or id(entity) in seen:
            continue
        seen.add(id(entity))
        if hasattr(entity, "nodes") and getattr(entity, "compiled", True):
            yield from _specs_of([node.flyte_entity for node in entity.nodes], seen)
        for inner in ("workflow", "python_function_task"):  # a launch plan's, a map task's
            yield from _specs_of([getattr(entity, inner, None)], seen)
        image = getattr(entity, "container_image", None)
        if hasattr(image, "base_image"):
            yield image
